// storage/log_types.h
//
// Values that go into and come out of Log: its configuration, appends, reads, positions.
//
// Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/uuid.h"
#include "storage/bug_switches.h"
#include "storage/record_batch.h"

namespace quorate {

// How one log is laid out. May be replaced while the log runs; what is on disk stays as it is.
struct LogConfig {
  // A segment rolls before it would exceed this many bytes; in [1, 2^31 - 1].
  int64_t segment_bytes = 1 << 30;
  // A segment rolls when an append comes this long after its first record's timestamp (ms, > 0).
  int64_t segment_ms = INT64_C(7) * 24 * 3600 * 1000;
  // An index entry at most every so many bytes of log (>= 0).
  int32_t index_interval_bytes = 4096;
  // A segment rolls when its offset index would exceed this many bytes (>= 16).
  int32_t index_max_bytes = 10 << 20;
  // Largest piece of disk space reserved ahead of the data, in bytes; pieces start small and grow
  // with the segment. 0 reserves nothing.
  int64_t preallocate_bytes = 16 << 20;
  // Largest batch accepted, whole, in bytes.
  int64_t max_batch_bytes = INT64_C(0x7fffffff);
  // Batches may skip offsets: true for topics that are, or ever were, compacted. The metadata log
  // and plain topics leave it false: a skipped offset is then an error.
  bool offset_gaps_allowed = false;
  // A file beside the segments notes what was flushed (storage/FORMAT.md#recovery-points); without
  // it LogOpenOptions::recovery_point alone tells damage from a torn tail.
  bool flush_mark = false;
  // A producer silent for this long is forgotten (ms).
  int64_t producer_id_expiration_ms = INT64_C(24) * 3600 * 1000;
  StorageBugSwitches bugs;  // tests only
};

// What Open is told. All of it comes from outside the log's directory.
struct LogOpenOptions {
  LogConfig config;
  // The last stop was orderly: everything was flushed, and nothing is read back but the tail.
  bool clean_shutdown = false;
  // All below was flushed (recovery-point-offset-checkpoint); 0 if unknown; the flush mark may know
  // of more. Ignored when clean_shutdown.
  Offset recovery_point{0};
  // From log-start-offset-checkpoint; 0 if unknown. A log without segments starts (and ends) here.
  Offset log_start_offset{0};
  // Written to, or compared with, partition.metadata; a zero id leaves that file alone.
  Uuid topic_id;
  WallMillis now = 0;
};

// What Open found and did, for log lines and metrics.
struct LogRecovery {
  int64_t segments = 0;
  int64_t segments_scanned = 0;
  int64_t bytes_scanned = 0;
  Offset end{0};  // of the log as it was opened
  // Bytes cut off the tail, including whole segments; 0 for an intact log.
  int64_t bytes_cut = 0;
  int64_t indexes_rebuilt = 0;
  // Why the tail was cut; empty if it was not.
  std::string cut_reason;
};

// Who appends as leader; decides which batches are acceptable.
enum class AppendOrigin {
  kClient,       // exactly one batch, no control batch, sequences checked
  kCoordinator,  // transaction markers and coordinators' records; no sequence check
  kRaft,         // the metadata log: any batches, no producer state
};

// One piece to append as leader: whole batches, back to back. Their base offsets and epochs are
// ignored.
struct LeaderAppend {
  SharedBytes batches;
  AppendOrigin origin = AppendOrigin::kClient;
  // Set: every batch is stamped with log append time `now`; the CRC is computed anew.
  bool stamp_log_append_time = false;
};

// How the producer's id, epoch and sequence compare with what the log knows.
enum class ProducerVerdict {
  kAccept,                 // appended
  kDuplicate,              // one of its last 5 batches: not appended, the old offsets are given
  kDuplicateForgotten,     // older than those: not appended, offsets are kNoOffset
  kOutOfOrderSequence,     // not appended
  kStaleProducerEpoch,     // fenced: a newer epoch was seen; not appended
  kStaleCoordinatorEpoch,  // a marker of a coordinator that was replaced; not appended
  kUnknownProducer,        // a sequence > 0 from a producer the log has no state of; not appended
  kInvalidTxnState,        // transactional and plain batches mixed in one transaction; not appended
};

struct AppendResult {
  ProducerVerdict verdict = ProducerVerdict::kAccept;
  // Offsets of the first and last record, both inclusive.
  Offset first_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  // `now` when stamped with log append time (for a duplicate: then), else kNoTimestamp.
  WallMillis log_append_time = kNoTimestamp;
  // Largest record timestamp.
  WallMillis max_timestamp = kNoTimestamp;
  int64_t bytes = 0;
  // A new segment was begun. The owner should flush soon: what sealed segments keep in memory for
  // the flush (index, producer snapshot) is dropped by it.
  bool rolled = false;
};

// Batches read from the log.
struct LogReadResult {
  // Whole batches, back to back, in order; the first holds the offset asked for, so it may begin
  // below it. Empty if nothing lies in the range. At most one slice per segment.
  std::vector<FileSlice> slices;
  // Base offset of the first batch; the offset asked for if empty.
  Offset first_offset{0};
  // One past the last record returned (a later read goes on here); the offset asked for if empty.
  Offset next_offset{0};
  int64_t bytes = 0;

  // Copies the slices into one string, for senders that need bytes (Rpc).
  // BLOCKS: if the bytes are not in the page cache.
  // ERRORS: kUnavailable if they were truncated away meanwhile; else as File::ReadAt.
  absl::StatusOr<std::string> ToBytes() const;
};

// An epoch and where it ends (exclusive).
struct EpochEndOffset {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset end_offset = kNoOffset;
  bool operator==(const EpochEndOffset&) const = default;
};

// A record found by time.
struct TimestampedOffset {
  Offset offset = kNoOffset;
  WallMillis timestamp = kNoTimestamp;
  LeaderEpoch epoch = kNoLeaderEpoch;
  bool operator==(const TimestampedOffset&) const = default;
};

// A transaction that was aborted: its records lie in [first_offset, last_offset], the marker
// being last.
struct AbortedTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  // LSO when the marker was appended: no transaction that begins below it was undecided.
  Offset last_stable_offset = kNoOffset;
  bool operator==(const AbortedTransaction&) const = default;
};

// What retention may delete.
struct RetentionPolicy {
  int64_t retention_ms = -1;     // by largest record timestamp; -1 = keep for ever
  int64_t retention_bytes = -1;  // of the whole log; -1 = keep all
  // Only segments that end at or below this offset (the high watermark; for the metadata log
  // also the latest snapshot). Segments below the log start offset always go.
  Offset bound{0};
};

// Files to remove, already renamed to *.deleted: run it on the BlockingPool. May outlive the log.
class RemovalJob {
 public:
  RemovalJob() = default;
  RemovalJob(FileSystem* file_system, std::string directory, std::vector<std::string> paths)
      : file_system_(file_system), directory_(std::move(directory)), paths_(std::move(paths)) {}
  bool empty() const { return paths_.empty(); }
  // BLOCKS: unlinking large files.
  absl::Status Run() const;

 private:
  FileSystem* file_system_ = nullptr;
  std::string directory_;
  std::vector<std::string> paths_;
};

// One flush of a log, cut loose from it so that it can run on the BlockingPool; see
// Log::PrepareFlush. A value; may outlive the log.
class FlushJob {
 public:
  // Makes everything below target() durable.
  // BLOCKS: up to seconds.
  absl::Status Run() const;
  // Exclusive end of what this flush covers.
  Offset target() const { return target_; }
  // Nothing to do: Run returns OK at once.
  bool empty() const { return files_.empty() && contents_.empty() && directories_.empty(); }

 private:
  friend class Log;
  struct Contents {
    std::string path;
    std::string bytes;
  };
  FileSystem* file_system_ = nullptr;
  std::vector<std::shared_ptr<File>> files_;  // synced in order
  std::vector<Contents> contents_;            // small files, written atomically after the syncs
  std::vector<std::string> directories_;      // synced last
  Offset target_{0};
  absl::Status refused_;            // the log had failed already
  bool retry_failed_sync_ = false;  // a simulated mistake
  uint64_t truncations_ = 0;        // the log's truncation counter when the job was made
  uint64_t epoch_version_ = 0;
  std::vector<Offset> segments_;   // whose files are in files_
  std::vector<Offset> sealed_;     // whose indexes are in contents_
  std::vector<Offset> snapshots_;  // that are in contents_
  bool metadata_ = false;          // partition.metadata is in contents_
};

}  // namespace quorate
