#include "raft/snapshot_store.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/batch_reader.h"

namespace quorate {
namespace {

constexpr char kPart[] = ".part";        // being written here
constexpr char kFetched[] = ".fetched";  // being fetched from the leader
constexpr char kCorrupt[] = ".corrupt";

std::string PathIn(const std::string& directory, const raft::SnapshotId& id) {
  return directory + "/" + SnapshotFileName(id);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(FileSystem* file_system,
                                                                   std::string directory,
                                                                   std::string cluster_id) {
  auto store = std::unique_ptr<SnapshotStore>(
      new SnapshotStore(file_system, std::move(directory), std::move(cluster_id)));
  Q_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system->List(store->directory_));
  for (const std::string& name : names) {
    const std::string path = store->directory_ + "/" + name;
    if (name.ends_with(".checkpoint.part") || name.ends_with(".checkpoint.fetched")) {
      IgnoreError(file_system->Remove(path), "the next start tries again");
    }
    const auto id = ParseSnapshotFileName(name);
    if (!id) continue;
    Facts facts;
    Q_ASSIGN_OR_RETURN(const std::shared_ptr<File> file, file_system->Open(path, OpenMode::kRead));
    Q_ASSIGN_OR_RETURN(facts.size_bytes, file->Size());
    // The header batch bears the time; a damaged one is found when the file is read.
    BatchReader header(file, 0, facts.size_bytes, 4096);
    const auto found = header.Next(/*whole=*/false);
    if (found.ok() && *found == BatchReader::Found::kBatch) {
      facts.append_time = header.batch().max_timestamp();
    }
    store->snapshots_.push_back(*id);  // names are sorted: oldest first
    store->facts_.push_back(facts);
  }
  return store;
}

absl::StatusOr<std::shared_ptr<const MetadataSnapshot>> SnapshotStore::LoadNewest() {
  while (!snapshots_.empty()) {
    const std::string path = PathOf(snapshots_.back());
    auto loaded = LoadSnapshotFile(file_system_, path, snapshots_.back(), cluster_id_);
    if (loaded.ok()) {
      facts_.back().append_time = (*loaded)->append_time;
      return loaded;
    }
    if (!absl::IsDataLoss(loaded.status())) return loaded.status();
    LOG(ERROR) << loaded.status().message() << "; set aside as " << path << kCorrupt;
    Q_RETURN_IF_ERROR(file_system_->Rename(path, path + kCorrupt));
    Q_RETURN_IF_ERROR(file_system_->SyncDirectory(directory_));
    set_aside_.push_back(path + kCorrupt);
    snapshots_.pop_back();
    facts_.pop_back();
  }
  return std::shared_ptr<const MetadataSnapshot>();
}

bool SnapshotStore::contains(const raft::SnapshotId& id) const {
  return std::find(snapshots_.begin(), snapshots_.end(), id) != snapshots_.end();
}

std::string SnapshotStore::PathOf(const raft::SnapshotId& id) const {
  return PathIn(directory_, id);
}

std::string SnapshotStore::PartPathOf(const raft::SnapshotId& id, bool fetched) const {
  return PathOf(id) + (fetched ? kFetched : kPart);
}

void SnapshotStore::Add(const raft::SnapshotId& id, WallMillis append_time, int64_t size_bytes) {
  QCHECK(snapshots_.empty() || id.end > snapshots_.back().end);
  snapshots_.push_back(id);
  facts_.push_back({append_time, size_bytes});
}

std::vector<std::string> SnapshotStore::TakeBefore(LogIndex end) {
  std::vector<std::string> paths;
  while (!snapshots_.empty() && snapshots_.front().end < end) {
    paths.push_back(PathOf(snapshots_.front()));
    snapshots_.erase(snapshots_.begin());
    facts_.erase(facts_.begin());
  }
  return paths;
}

std::vector<std::string> SnapshotStore::TakeExpired(
    const SnapshotRetention& retention, WallMillis now,
    absl::FunctionRef<int64_t(LogIndex end)> log_bytes) {
  std::vector<std::string> paths;
  while (snapshots_.size() > 2) {
    int64_t bytes = log_bytes(snapshots_.front().end);
    for (const Facts& facts : facts_) bytes += facts.size_bytes;
    const bool large = retention.bytes >= 0 && bytes > retention.bytes;
    const bool old = retention.age_ms >= 0 && now - facts_.front().append_time > retention.age_ms;
    if (!large && !old) break;
    paths.push_back(PathOf(snapshots_.front()));
    snapshots_.erase(snapshots_.begin());
    facts_.erase(facts_.begin());
  }
  return paths;
}

absl::StatusOr<int64_t> SnapshotStore::Write(FileSystem* file_system, const std::string& directory,
                                             const SnapshotHeader& header,
                                             const SnapshotState& state, size_t max_batch_bytes) {
  const std::string path = PathIn(directory, header.id);
  const std::string part = path + kPart;
  const auto write = [&]() -> absl::StatusOr<int64_t> {
    Q_ASSIGN_OR_RETURN(const std::unique_ptr<SnapshotWriter> writer,
                       SnapshotWriter::Create(file_system, part, header));
    Q_RETURN_IF_ERROR(state.Write(max_batch_bytes, [&writer](std::vector<std::string> records) {
      return writer->Add(records);
    }));
    Q_RETURN_IF_ERROR(writer->Finish());
    Q_ASSIGN_OR_RETURN(const std::shared_ptr<File> file, file_system->Open(part, OpenMode::kRead));
    Q_ASSIGN_OR_RETURN(const int64_t size, file->Size());
    Q_RETURN_IF_ERROR(Publish(file_system, part, path));
    return size;
  };
  absl::StatusOr<int64_t> size = write();
  if (!size.ok()) IgnoreError(file_system->Remove(part), "the next start tries again");
  return size;
}

absl::Status SnapshotStore::Publish(FileSystem* file_system, const std::string& part,
                                    const std::string& path) {
  Q_RETURN_IF_ERROR(file_system->Rename(part, path));
  const absl::Status synced = file_system->SyncDirectory(path.substr(0, path.rfind('/')));
  // Whether the name lasts is not known: nothing may rest on it.
  if (!synced.ok()) IgnoreError(file_system->Remove(path), "it is whole: it does no harm");
  return synced;
}

}  // namespace quorate
