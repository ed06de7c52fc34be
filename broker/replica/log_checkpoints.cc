// The part of LogManager that writes checkpoint files and the clean-shutdown marks.
#include <glog/logging.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "broker/replica/log_manager.h"

namespace quorate {
namespace {

constexpr char kCleanMarkName[] = ".kafka_cleanshutdown";

absl::Status WriteFiles(FileSystem* fs, const std::string& path,
                        const OffsetCheckpointFile::Offsets& recovery_points,
                        const OffsetCheckpointFile::Offsets& high_watermarks,
                        const OffsetCheckpointFile::Offsets& log_starts) {
  const std::string base = path + "/";
  FAILPOINT("broker.before_checkpoints");
  Q_RETURN_IF_ERROR(
      OffsetCheckpointFile(fs, base + kRecoveryPointCheckpointName).Write(recovery_points));
  FAILPOINT("broker.between_checkpoints");
  Q_RETURN_IF_ERROR(
      OffsetCheckpointFile(fs, base + kHighWatermarkCheckpointName).Write(high_watermarks));
  return OffsetCheckpointFile(fs, base + kLogStartCheckpointName).Write(log_starts);
}

}  // namespace

void LogManager::MarkDirty(const std::shared_ptr<Source>& source) {
  if (source->checkpoint_dirty) return;
  source->checkpoint_dirty = true;
  dirty_.push_back(source);
  ArmTimer();
}

void LogManager::ArmTimer() {
  if (timer_ != TimerId::kNone || closed_) return;
  const Micros interval =
      BUGGIFY("broker.checkpoint_soon", 0.5) ? Micros(Millis(20)) : checkpoint_interval_;
  timer_ = env_.loop->RunAfter(interval, [this] {
    timer_ = TimerId::kNone;
    WriteCheckpoints();
  });
}

void LogManager::WriteCheckpoints() {
  std::vector<std::weak_ptr<Source>> dirty = std::move(dirty_);
  dirty_.clear();
  struct Written {
    std::weak_ptr<Source> source;
    uint64_t truncation_count;
  };
  std::map<Directory*, std::vector<Written>> written;
  for (const std::weak_ptr<Source>& weak : dirty) {
    const std::shared_ptr<Source> source = weak.lock();
    if (source == nullptr) continue;
    source->checkpoint_dirty = false;
    const auto place = places_.find(source->log_name().DirectoryName());
    const std::optional<LogPositions> positions = source->CheckpointPositions();
    if (place == places_.end() || !positions.has_value()) continue;
    Directory* const directory = place->second;
    const OffsetCheckpointFile::Key key = source->log_name().Key();
    directory->recovery_points[key] = positions->recovery_point;
    directory->high_watermarks[key] = positions->high_watermark;
    if (positions->log_start > Offset(0)) {
      directory->log_starts[key] = positions->log_start;
    } else {
      directory->log_starts.erase(key);
    }
    written[directory].push_back({weak, positions->truncation_count});
  }
  for (const auto& directory : directories_) {
    const auto sources = written.find(directory.get());
    if (sources == written.end()) continue;
    WriteDirectory(directory.get(), [list = std::move(sources->second)](absl::Status status) {
      if (!status.ok()) return;
      for (const Written& one : list) {
        if (const auto source = one.source.lock()) source->OnCheckpointed(one.truncation_count);
      }
    });
  }
}

void LogManager::WriteDirectory(Directory* directory, absl::AnyInvocable<void(absl::Status)> done) {
  directory->after_next.push_back(std::move(done));
  if (!directory->writing) StartWrite(directory);
}

void LogManager::StartWrite(Directory* directory) {
  directory->writing = true;
  ++writes_under_way_;
  env_.pool->RunThen(
      env_.loop,
      [fs = env_.file_system, path = directory->path, skip = directory->failed,
       recovery_points = directory->recovery_points, high_watermarks = directory->high_watermarks,
       log_starts = directory->log_starts]() {
        if (skip) return absl::UnavailableError("the log directory failed");
        return WriteFiles(fs, path, recovery_points, high_watermarks, log_starts);
      },
      [alive = alive_, this, directory,
       waiters = std::exchange(directory->after_next, {})](absl::Status status) mutable {
        if (!*alive) return;
        --writes_under_way_;
        directory->writing = false;
        if (!status.ok()) {
          LOG(WARNING) << directory->path << ": checkpoints not written: " << status;
        }
        for (auto& waiter : waiters) {
          waiter(status);
          if (!*alive) return;
        }
        if (!directory->after_next.empty() && !directory->writing) StartWrite(directory);
        CheckIdle();
      });
}

void LogManager::CloseAll(std::vector<ToClose> logs, bool clean, BrokerEpoch epoch, Task done) {
  closed_ = true;
  if (timer_ != TimerId::kNone) env_.loop->Cancel(timer_);
  timer_ = TimerId::kNone;
  when_idle_ = [this, logs = std::move(logs), clean, epoch, done = std::move(done)]() mutable {
    CloseAllNow(std::move(logs), clean, epoch, std::move(done));
  };
  CheckIdle();
}

void LogManager::CheckIdle() {
  if (!when_idle_ || !idle()) return;
  Task task = std::exchange(when_idle_, nullptr);
  task();
}

void LogManager::CloseAllNow(std::vector<ToClose> logs, bool clean, BrokerEpoch epoch, Task done) {
  struct Work {
    std::string path;
    bool failed = false;
    bool may_mark = true;
    std::vector<ToClose> logs;
    OffsetCheckpointFile::Offsets recovery_points, high_watermarks, log_starts;
  };
  auto all = std::make_shared<std::vector<Work>>();
  std::map<std::string, size_t> index;
  for (const auto& directory : directories_) {
    index[directory->path] = all->size();
    all->push_back(Work{directory->path,
                        directory->failed,
                        true,
                        {},
                        directory->recovery_points,
                        directory->high_watermarks,
                        directory->log_starts});
  }
  for (const std::string& name : unopened_) {
    const auto place = places_.find(name);
    if (place == places_.end() || place->second->clean) continue;
    (*all)[index[place->second->path]].may_mark = false;
  }
  for (ToClose& log : logs) {
    const auto place = places_.find(log.name.DirectoryName());
    if (place != places_.end()) (*all)[index[place->second->path]].logs.push_back(std::move(log));
  }
  const auto close_one = [clean, epoch, fs = env_.file_system](Work* work) {
    absl::Status status = work->failed ? absl::UnavailableError("failed") : absl::OkStatus();
    for (ToClose& item : work->logs) {
      status.Update(item.log->Close(clean));
      if (!clean) continue;
      const auto key = item.name.Key();
      work->recovery_points[key] = item.log->flushed_end_offset();
      work->high_watermarks[key] = item.high_watermark;
      const Offset start = item.log->checkpointable_log_start();
      if (start > Offset(0)) work->log_starts[key] = start;
    }
    work->logs.clear();
    if (!clean || !status.ok()) return status;
    Q_RETURN_IF_ERROR(
        WriteFiles(fs, work->path, work->recovery_points, work->high_watermarks, work->log_starts));
    if (!work->may_mark) return absl::FailedPreconditionError("a log in it was not recovered");
    return fs->WriteFileAtomically(
        work->path + "/" + kCleanMarkName,
        absl::StrFormat("{\"version\":0,\"brokerEpoch\":%d}", epoch.value()));
  };
  env_.pool->RunThen(
      env_.loop,
      [all, close_one] {
        for (Work& work : *all) {
          const absl::Status status = close_one(&work);
          if (!status.ok()) LOG(WARNING) << work.path << ": no clean end: " << status;
        }
        return true;
      },
      [done = std::move(done)](bool) mutable { done(); });
}

}  // namespace quorate
