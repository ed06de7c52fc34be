#include "cli/commands/metadata_state.h"

#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/image_records.h"
#include "controller/image/replay.h"
#include "raft/metadata_log_reader.h"
#include "raft/snapshot_file.h"

namespace quorate {
namespace {

// The state of the newest readable snapshot at or before `index`; the empty one if there is none.
absl::StatusOr<MetadataImage> SnapshotBefore(FileSystem* file_system, const std::string& directory,
                                             std::optional<LogIndex> index) {
  Q_ASSIGN_OR_RETURN(const std::vector<SnapshotOnDisk> snapshots,
                     ListSnapshots(file_system, directory));
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it) {
    if (!it->state.ok() || (index && it->id.end > *index)) continue;
    Q_ASSIGN_OR_RETURN(const auto loaded,
                       LoadSnapshotFile(file_system, it->path, it->id, /*cluster_id=*/""));
    return ImageOfRecords(loaded->end, loaded->term, loaded->records);
  }
  return MetadataImage();
}

absl::Status ReplayBatch(const MetadataBatch& batch, MetadataImage* image) {
  for (size_t i = 0; i < batch.records.size() && !batch.control; ++i) {
    const LogIndex at = batch.first + static_cast<int64_t>(i);
    Q_RETURN_IF_ERROR(Replay(at, batch.records[i], image, nullptr));
  }
  AdvanceTo(batch.end(), batch.term, image);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SnapshotOnDisk>> ListSnapshots(FileSystem* file_system,
                                                          const std::string& directory) {
  const std::string log = MetadataLogDirectory(file_system, directory);
  Q_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system->List(log));
  std::vector<SnapshotOnDisk> snapshots;
  for (const std::string& name : names) {
    const auto id = ParseSnapshotFileName(name);
    if (!id) continue;
    SnapshotOnDisk found;
    found.id = *id;
    found.path = log + "/" + name;
    const auto header = ReadSnapshotFile(file_system, found.path, *id, /*cluster_id=*/"",
                                         [&found](std::string_view) {
                                           ++found.records;
                                           return absl::OkStatus();
                                         });
    if (absl::IsNotFound(header.status())) continue;  // the node deleted it just now
    found.state = header.status();
    if (header.ok()) {
      found.append_time = header->append_time;
      found.voters = header->voters;
    }
    if (const auto file = file_system->Open(found.path, OpenMode::kRead); file.ok()) {
      found.size_bytes = (*file)->Size().value_or(0);
    }
    snapshots.push_back(std::move(found));
  }
  return snapshots;
}

absl::StatusOr<MetadataImage> StateAt(FileSystem* file_system, const std::string& directory,
                                      std::optional<LogIndex> index) {
  Q_ASSIGN_OR_RETURN(MetadataImage image, SnapshotBefore(file_system, directory, index));
  Q_ASSIGN_OR_RETURN(const auto reader, MetadataLogReader::Open(file_system, directory));
  while (!index || image.index() < *index) {
    Q_ASSIGN_OR_RETURN(const std::optional<MetadataLogReader::Entry> entry, reader->Next());
    if (!entry) break;
    const MetadataBatch& batch = *entry->batch;
    if (batch.end() <= image.index()) continue;  // in the snapshot
    if (batch.first != image.index()) {
      if (image.index() > LogIndex(0)) {
        return absl::DataLossError(absl::StrFormat(
            "%s: the snapshot at %d is not continued by the log, which begins at %d", directory,
            image.index().value(), batch.first.value()));
      }
      return absl::OutOfRangeError(absl::StrFormat(
          "%s: the state at index %d cannot be shown: the log begins at %d and the "
          "oldest readable snapshot that would tell lies behind (see 'quorate "
          "metadata snapshots')",
          directory, index ? index->value() : batch.first.value(), batch.first.value()));
    }
    if (index && batch.end() > *index) return image;
    Q_RETURN_IF_ERROR(ReplayBatch(batch, &image));
  }
  if (index && image.index() < *index) {
    return absl::OutOfRangeError(absl::StrFormat("%s: index %d lies behind the log's end at %d",
                                                 directory, index->value(), image.index().value()));
  }
  return image;
}

}  // namespace quorate
