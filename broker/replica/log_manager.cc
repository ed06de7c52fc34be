#include "broker/replica/log_manager.h"

#include <glog/logging.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

constexpr char kCleanMarkName[] = ".kafka_cleanshutdown";
constexpr std::string_view kStraySuffix = ".stray";
// The metadata log, which may lie beside the partitions: Raft's, not a partition's.
constexpr std::string_view kMetadataLogName = "__cluster_metadata-0";
constexpr std::string_view kDeleteSuffix = ".delete";

// "<topic>-<n>" taken apart; nullopt if `name` is not of that form.
std::optional<OffsetCheckpointFile::Key> ParseDirectoryName(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || dash + 1 == name.size()) return std::nullopt;
  const std::string_view number = name.substr(dash + 1);
  int32_t partition = 0;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), partition);
  if (error != std::errc() || end != number.data() + number.size() || partition < 0) {
    return std::nullopt;
  }
  return OffsetCheckpointFile::Key{std::string(name.substr(0, dash)), PartitionIndex(partition)};
}

// The mark is {"version":0,"brokerEpoch":7}, see log_checkpoints.cc.
BrokerEpoch ParseCleanMark(std::string_view text) {
  constexpr std::string_view kField = "\"brokerEpoch\":";
  const size_t at = text.find(kField);
  int64_t value = -1;
  if (at == std::string_view::npos) return kNoBrokerEpoch;
  const std::string_view number = text.substr(at + kField.size());
  if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc()) {
    return kNoBrokerEpoch;
  }
  return BrokerEpoch(value);
}

OffsetCheckpointFile::Offsets ReadCheckpoint(FileSystem* file_system, const std::string& path) {
  auto offsets = OffsetCheckpointFile(file_system, path).Read();
  if (offsets.ok()) return *std::move(offsets);
  LOG(WARNING) << path << ": ignored: " << offsets.status();
  return {};
}

// Gives a directory in `parent` another name. DURABLE: when OK.
absl::Status Rename(FileSystem* file_system, const std::string& parent, const std::string& from,
                    const std::string& to) {
  Q_RETURN_IF_ERROR(file_system->Rename(from, to));
  return file_system->SyncDirectory(parent);
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

std::string LogName::DirectoryName() const {
  return absl::StrFormat("%s-%d", topic, partition.value());
}

LogManager::LogManager(Env env, std::vector<std::string> directories, Micros checkpoint_interval,
                       bool keep_clean_mark)
    : env_(std::move(env)),
      checkpoint_interval_(checkpoint_interval),
      keep_clean_mark_(keep_clean_mark),
      alive_(std::make_shared<bool>(true)) {
  for (std::string& path : directories) {
    directories_.push_back(std::make_unique<Directory>());
    directories_.back()->path = std::move(path);
  }
}

LogManager::~LogManager() {
  *alive_ = false;
  if (timer_ != TimerId::kNone) env_.loop->Cancel(timer_);
}

absl::StatusOr<BrokerEpoch> LogManager::Start() {
  std::vector<BrokerEpoch> epochs;
  for (const auto& directory : directories_) {
    Q_RETURN_IF_ERROR(LoadDirectory(directory.get(), &epochs));
  }
  for (const BrokerEpoch epoch : epochs) {
    if (epoch != epochs.front()) return kNoBrokerEpoch;
  }
  return epochs.empty() ? kNoBrokerEpoch : epochs.front();
}

absl::Status LogManager::LoadDirectory(Directory* directory, std::vector<BrokerEpoch>* epochs) {
  FileSystem* const fs = env_.file_system;
  Q_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs->List(directory->path));
  LoadNames(directory, names);
  const std::string base = directory->path + "/";
  directory->recovery_points = ReadCheckpoint(fs, base + kRecoveryPointCheckpointName);
  directory->high_watermarks = ReadCheckpoint(fs, base + kHighWatermarkCheckpointName);
  directory->log_starts = ReadCheckpoint(fs, base + kLogStartCheckpointName);
  ClaimCleanMark(directory, epochs);
  Q_RETURN_IF_ERROR(fs->SyncDirectory(directory->path));
  return absl::OkStatus();
}

void LogManager::LoadNames(Directory* directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::string path = directory->path + "/" + name;
    if (name == kMetadataLogName || !env_.file_system->IsDirectory(path)) continue;
    if (EndsWith(name, kDeleteSuffix)) {
      env_.pool->Run([fs = env_.file_system, path] {
        IgnoreError(fs->RemoveTree(path), "tried again at the next start");
      });
    } else if (EndsWith(name, kStraySuffix)) {
      ++strays_;
    } else if (ParseDirectoryName(name).has_value()) {
      if (!places_.emplace(name, directory).second) {
        LOG(ERROR) << path << ": the partition is also in " << places_[name]->path
                   << ", this copy is not used";
        ++strays_;
        continue;
      }
      unopened_.insert(name);
      ++directory->partitions;
    }
  }
}

void LogManager::ClaimCleanMark(Directory* directory, std::vector<BrokerEpoch>* epochs) {
  const std::string path = directory->path + "/" + kCleanMarkName;
  if (!env_.file_system->Exists(path)) {
    epochs->push_back(kNoBrokerEpoch);
    return;
  }
  const auto text = env_.file_system->ReadFile(path, 4096);
  epochs->push_back(text.ok() ? ParseCleanMark(*text) : kNoBrokerEpoch);
  // A mark that stays would vouch for what this run leaves behind.
  const absl::Status removed =
      keep_clean_mark_ ? absl::OkStatus() : env_.file_system->Remove(path);  // scenario G11
  directory->clean = text.ok() && removed.ok();
  if (!removed.ok()) FailDirectory(directory->path, removed);
}

LogManager::Directory* LogManager::PlaceFor(const std::string& name) {
  const auto known = places_.find(name);
  if (known != places_.end()) return known->second;
  Directory* best = nullptr;
  for (const auto& directory : directories_) {
    if (directory->failed) continue;
    if (best == nullptr || directory->partitions < best->partitions) best = directory.get();
  }
  if (best == nullptr) return nullptr;
  places_[name] = best;
  ++best->partitions;
  return best;
}

std::string LogManager::DirectoryOf(const LogName& name) const {
  const auto known = places_.find(name.DirectoryName());
  return known == places_.end() ? std::string() : known->second->path;
}

void LogManager::RunSerial(const std::string& name, Task start) {
  std::deque<Task>& queue = queues_[name];
  const bool first = queue.empty();
  queue.push_back(first ? Task([] {}) : std::move(start));
  if (first) start();
}

void LogManager::FinishSerial(const std::string& name) {
  const auto it = queues_.find(name);
  QCHECK(it != queues_.end());
  it->second.pop_front();
  if (it->second.empty()) {
    queues_.erase(it);
    CheckIdle();
    return;
  }
  Task next = std::move(it->second.front());
  it->second.front() = [] {};
  next();
}

void LogManager::Open(const LogName& name, const LogConfig& config, OpenDone done) {
  RunSerial(name.DirectoryName(), [this, name, config, done = std::move(done)]() mutable {
    StartOpen(name, config, std::move(done));
  });
}

void LogManager::StartOpen(const LogName& name, const LogConfig& config, OpenDone done) {
  const std::string directory_name = name.DirectoryName();
  Directory* const directory = PlaceFor(directory_name);
  if (directory == nullptr || directory->failed) {
    const absl::Status why =
        absl::UnavailableError(absl::StrFormat("%s: its log directory failed", directory_name));
    env_.loop->Post([alive = alive_, this, directory_name, why, done = std::move(done)]() mutable {
      if (!*alive) return;
      done(why);
      FinishSerial(directory_name);
    });
    return;
  }
  LogOpenOptions options;
  options.config = config;
  options.topic_id = name.topic_id;
  options.now = env_.loop->clock().WallNow();
  const bool found_at_start = unopened_.erase(directory_name) != 0;
  options.clean_shutdown =
      directory->clean && found_at_start && !BUGGIFY("broker.distrust_clean_mark", 0.3);
  const auto find = [&name](const OffsetCheckpointFile::Offsets& offsets) {
    const auto it = offsets.find(name.Key());
    return it == offsets.end() ? Offset(0) : it->second;
  };
  options.recovery_point = find(directory->recovery_points);
  options.log_start_offset = find(directory->log_starts);
  const std::string path = directory->path + "/" + directory_name;
  const std::string stray = StrayPath(*directory, directory_name);
  struct Result {
    absl::StatusOr<std::unique_ptr<Log>> log;
    bool stray = false;
  };
  env_.pool->RunThen(
      env_.loop,
      [fs = env_.file_system, path, stray, parent = directory->path, options]() -> Result {
        auto log = Log::Open(fs, path, options);
        if (log.ok() || !absl::IsFailedPrecondition(log.status())) return {std::move(log), false};
        // Another topic had this name: its bytes are not this topic's (scenario F5).
        const absl::Status moved = Rename(fs, parent, path, stray);
        if (!moved.ok()) return {moved, false};
        return {absl::FailedPreconditionError(stray), true};
      },
      [alive = alive_, this, name, config, directory,
       done = std::move(done)](Result result) mutable {
        if (!*alive) return;
        OnOpened(name, config, directory, result.stray, std::move(result.log), std::move(done));
      });
}

void LogManager::OnOpened(const LogName& name, const LogConfig& config, Directory* directory,
                          bool was_stray, absl::StatusOr<std::unique_ptr<Log>> log, OpenDone done) {
  if (was_stray) {
    ++strays_;
    LOG(WARNING) << name.DirectoryName() << ": the directory is of another topic id, set aside as "
                 << log.status().message();
    ForgetPositions(name, directory);
    WriteDirectory(directory, [alive = alive_, this, name, config,
                               done = std::move(done)](absl::Status) mutable {
      if (*alive) StartOpen(name, config, std::move(done));
    });
    return;
  }
  if (!log.ok()) {
    LOG(ERROR) << name.DirectoryName() << ": cannot be opened: " << log.status();
    unopened_.insert(name.DirectoryName());
    done(log.status());
  } else {
    const auto it = directory->high_watermarks.find(name.Key());
    Offset high_watermark = it == directory->high_watermarks.end() ? Offset(0) : it->second;
    high_watermark = std::clamp(high_watermark, (*log)->log_start_offset(), (*log)->end_offset());
    done(Opened{*std::move(log), directory->path, high_watermark});
  }
  FinishSerial(name.DirectoryName());
}

void LogManager::ForgetPositions(const LogName& name, Directory* directory) {
  directory->recovery_points.erase(name.Key());
  directory->high_watermarks.erase(name.Key());
  directory->log_starts.erase(name.Key());
}

void LogManager::Remove(const LogName& name, std::unique_ptr<Log> log) {
  RunSerial(name.DirectoryName(), [this, name, log = std::move(log)]() mutable {
    StartRemove(name, std::move(log), Fate::kRemove);
  });
}

void LogManager::SetAsideUnassigned(const std::set<std::string>& assigned) {
  for (const std::string& directory_name : std::set<std::string>(unopened_)) {
    if (assigned.count(directory_name) != 0) continue;
    const auto key = ParseDirectoryName(directory_name);
    QCHECK(key.has_value());
    const LogName name{key->first, key->second, Uuid()};
    RunSerial(directory_name, [this, name] { StartRemove(name, nullptr, Fate::kSetAside); });
  }
}

void LogManager::SetAsideDamaged(const LogName& name) {
  RunSerial(name.DirectoryName(),
            [this, name] { StartRemove(name, nullptr, Fate::kSetAsideDamaged); });
}

std::string LogManager::StrayPath(const Directory& directory, const std::string& name) const {
  return absl::StrFormat("%s/%s.%08x%s", directory.path, name.substr(0, 200),
                         static_cast<uint32_t>(env_.random->Next()), std::string(kStraySuffix));
}

void LogManager::StartRemove(const LogName& name, std::unique_ptr<Log> log, Fate fate) {
  const std::string directory_name = name.DirectoryName();
  const auto place = places_.find(directory_name);
  if (place == places_.end() || place->second->failed) {
    FinishSerial(directory_name);
    return;
  }
  Directory* const directory = place->second;
  --directory->partitions;
  places_.erase(place);
  unopened_.erase(directory_name);
  ForgetPositions(name, directory);
  const std::string path = directory->path + "/" + directory_name;
  const std::string moved_to =
      fate != Fate::kRemove
          ? StrayPath(*directory, directory_name)
          : absl::StrFormat("%s/%s-%d.%08x%s", directory->path, name.topic_id.ToString(),
                            name.partition.value(), static_cast<uint32_t>(env_.random->Next()),
                            std::string(kDeleteSuffix));
  env_.pool->RunThen(
      env_.loop,
      [fs = env_.file_system, path, moved_to, parent = directory->path,
       log = std::shared_ptr<Log>(std::move(log))]() -> absl::Status {
        if (log != nullptr) IgnoreError(log->Close(false), "it is being removed");
        if (!fs->Exists(path)) return absl::OkStatus();
        return Rename(fs, parent, path, moved_to);
      },
      [alive = alive_, this, directory_name, directory, moved_to, fate](absl::Status moved) {
        if (!*alive) return;
        if (!moved.ok()) {
          LOG(ERROR) << directory_name << ": not removed: " << moved;
        } else if (fate != Fate::kRemove) {
          ++strays_;
          LOG(WARNING) << directory_name << ": "
                       << (fate == Fate::kSetAside ? "this broker has no such replica any more"
                                                   : "damaged, and fetched anew from its leader")
                       << "; set aside as " << moved_to << ", which may be deleted";
        } else {
          env_.pool->Run([fs = env_.file_system, moved_to] {
            IgnoreError(fs->RemoveTree(moved_to), "tried again at the next start");
          });
        }
        // The next of this name must not meet the old one's recovery point.
        WriteDirectory(directory, [alive, this, directory_name](absl::Status) {
          if (*alive) FinishSerial(directory_name);
        });
      });
}

void LogManager::FailDirectory(const std::string& path, const absl::Status& why) {
  for (const auto& directory : directories_) {
    if (directory->path != path || directory->failed) continue;
    directory->failed = true;
    LOG(ERROR) << "log directory " << path << " failed: " << why;
    env_.loop->Post([alive = alive_, this, path, why] {
      if (*alive && env_.on_failed) env_.on_failed(path, why);
    });
  }
}

bool LogManager::IsFailed(const std::string& path) const {
  for (const auto& directory : directories_) {
    if (directory->path == path) return directory->failed;
  }
  return false;
}

}  // namespace quorate
