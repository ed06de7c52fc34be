// broker/replica/log_manager.h
//
// LogManager keeps the log directories of a broker: which partition lies where, opening and
// removing logs, the checkpoint files, the clean-shutdown mark. Files: broker/replica/FORMAT.md.
//
// Whatever concerns one partition directory happens one after the other, so that a topic made again
// under an old name never meets the old one's files or checkpoints.
//
// Thread-compatible: owned by the data loop. Files are touched on the BlockingPool, except in
// Start.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/random.h"
#include "controller/image/metadata_image.h"
#include "storage/log.h"
#include "storage/offset_checkpoint_file.h"

namespace quorate {

// What the checkpoint files hold of one partition.
struct LogPositions {
  Offset recovery_point{0};  // recovery may begin here: all below was flushed
  Offset high_watermark{0};
  Offset log_start{0};
  uint64_t truncation_count = 0;  // of the log when these were taken
};

// A partition's names and place.
struct LogName {
  std::string topic;
  PartitionIndex partition;
  Uuid topic_id;
  // "<topic>-<n>", the directory's name.
  std::string DirectoryName() const;
  OffsetCheckpointFile::Key Key() const { return {topic, partition}; }
};

class LogManager {
 public:
  // A partition whose positions go into the checkpoints.
  class Source {
   public:
    virtual ~Source() = default;
    virtual const LogName& log_name() const = 0;
    // nullopt: not open.
    virtual std::optional<LogPositions> CheckpointPositions() const = 0;
    // Positions with this truncation count are on disk.
    virtual void OnCheckpointed(uint64_t truncation_count) = 0;
    // Set by MarkDirty, cleared by LogManager.
    bool checkpoint_dirty = false;
  };

  struct Env {
    EventLoop* loop = nullptr;
    BlockingPool* pool = nullptr;
    FileSystem* file_system = nullptr;
    Random* random = nullptr;
    // Called once for each directory that failed, as a task of its own.
    std::function<void(const std::string& directory, const absl::Status& why)> on_failed;
  };

  // `keep_clean_mark`: a simulated mistake (BugSwitches).
  LogManager(Env env, std::vector<std::string> directories, Micros checkpoint_interval,
             bool keep_clean_mark = false);
  ~LogManager();

  // See ReplicaManager::Start.
  absl::StatusOr<BrokerEpoch> Start();

  struct Opened {
    std::unique_ptr<Log> log;
    std::string directory;  // the log directory, parent of the log's own
    Offset high_watermark{0};
  };
  using OpenDone = absl::AnyInvocable<void(absl::StatusOr<Opened>)>;
  // Opens the partition's log, where it is or in the directory with the fewest. One that belongs
  // to another topic id is set aside (renamed to *.stray) and a new one begun (scenario F5).
  // ERRORS to `done`: kUnavailable (the directory failed), else as Log::Open.
  void Open(const LogName& name, const LogConfig& config, OpenDone done);

  // The partition left this broker: closes the log (may be null), forgets its checkpoints, removes
  // its files.
  void Remove(const LogName& name, std::unique_ptr<Log> log);

  // Sets aside (renames to *.stray, as Kafka does) what was found at the start and is not in
  // `assigned` (names "<topic>-<n>"): its topic was deleted, or its replica moved away, while this
  // broker was down. Nothing is deleted: metadata that lost a topic must not cost its records.
  void SetAsideUnassigned(const std::set<std::string>& assigned);

  // The partition's log cannot be opened for damage and is not needed: sets it aside as above and
  // forgets its checkpoints. The next Open begins anew. REQUIRES: it is not open.
  void SetAsideDamaged(const LogName& name);

  // The source's positions moved; they are written within the checkpoint interval.
  void MarkDirty(const std::shared_ptr<Source>& source);

  // The directory is not used any more: Open fails there, checkpoints are not written.
  void FailDirectory(const std::string& directory, const absl::Status& why);
  bool IsFailed(const std::string& directory) const;

  struct ToClose {
    LogName name;
    std::unique_ptr<Log> log;
    Offset high_watermark{0};
  };
  // Closes everything, writes the checkpoints and, where `clean` and without any error, the
  // clean-shutdown marks with `epoch`. A directory that was not left cleanly before gets none while
  // a log in it has not been recovered: the mark would vouch for it.
  void CloseAll(std::vector<ToClose> logs, bool clean, BrokerEpoch epoch, Task done);

  // Writes the dirty positions now.
  void WriteCheckpoints();
  // No removal, opening or checkpoint write is under way.
  bool idle() const { return queues_.empty() && writes_under_way_ == 0; }

  int64_t stray_count() const { return strays_; }
  // The log directory of a partition; empty if unknown.
  std::string DirectoryOf(const LogName& name) const;

 private:
  // One of log.dirs.
  struct Directory {
    std::string path;
    bool failed = false;
    bool clean = false;      // the last stop was orderly
    int64_t partitions = 0;  // assigned here or found here
    OffsetCheckpointFile::Offsets recovery_points;
    OffsetCheckpointFile::Offsets high_watermarks;
    OffsetCheckpointFile::Offsets log_starts;
    bool writing = false;
    std::vector<absl::AnyInvocable<void(absl::Status)>> after_next;  // wait for the next write
  };

  absl::Status LoadDirectory(Directory* directory, std::vector<BrokerEpoch>* epochs);
  void LoadNames(Directory* directory, const std::vector<std::string>& names);
  void ClaimCleanMark(Directory* directory, std::vector<BrokerEpoch>* epochs);
  Directory* PlaceFor(const std::string& name);
  void StartOpen(const LogName& name, const LogConfig& config, OpenDone done);
  void OnOpened(const LogName& name, const LogConfig& config, Directory* directory, bool was_stray,
                absl::StatusOr<std::unique_ptr<Log>> log, OpenDone done);
  void ForgetPositions(const LogName& name, Directory* directory);
  enum class Fate { kRemove, kSetAside, kSetAsideDamaged };
  void StartRemove(const LogName& name, std::unique_ptr<Log> log, Fate fate);
  std::string StrayPath(const Directory& directory, const std::string& name) const;
  // Starts a write of the directory's files; `done` runs when what they hold now is durable.
  void WriteDirectory(Directory* directory, absl::AnyInvocable<void(absl::Status)> done);
  void StartWrite(Directory* directory);
  void ArmTimer();
  void CloseAllNow(std::vector<ToClose> logs, bool clean, BrokerEpoch epoch, Task done);
  // Runs when_idle_ if idle.
  void CheckIdle();
  // Runs `start` when nothing else of `name` is under way; it ends with FinishSerial.
  void RunSerial(const std::string& name, Task start);
  void FinishSerial(const std::string& name);

  const Env env_;
  const Micros checkpoint_interval_;
  const bool keep_clean_mark_;
  std::vector<std::unique_ptr<Directory>> directories_;
  std::map<std::string, Directory*> places_;        // by directory name
  std::set<std::string> unopened_;                  // on disk, not opened (yet) or in vain
  std::map<std::string, std::deque<Task>> queues_;  // front: under way
  std::vector<std::weak_ptr<Source>> dirty_;
  int64_t writes_under_way_ = 0;
  int64_t strays_ = 0;
  TimerId timer_ = TimerId::kNone;
  bool closed_ = false;
  Task when_idle_;               // the closing, which waits for what is under way
  std::shared_ptr<bool> alive_;  // false once destroyed, for tasks still queued
};

}  // namespace quorate
