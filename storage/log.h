// storage/log.h
//
// Log is one replica's sequence of record batches on disk: a data partition, or the metadata log
// (where offset = log index and leader epoch = term). It keeps segments, indexes, leader epochs,
// producer state and the transaction index in step.
//
//   log start        flushed end          end
//      v                 v                 v
//   [0,20)[20,35)[35,   50              , 61)      the last segment is the active one
//
// Thread-compatible: owned by one loop. Calls marked BLOCKS wait for the disk: on a loop make them
// only where that is acceptable (start, truncation after a failover), or run them on the
// BlockingPool while nothing else touches the log. All others work on the page cache.
//
// The high watermark is its owner's: reads are bounded by an offset the caller gives, and nothing
// here knows what is committed.
//
// On disk: one directory, format in storage/FORMAT.md. A log that never held a record has no
// directory and no files.
//
// After a failed sync or an unrepairable write the log is failed for good: appends, truncations
// and flushes return kUnavailable, reads go on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "storage/log_files.h"
#include "storage/log_types.h"
#include "storage/record_batch.h"

namespace quorate {

class LeaderEpochCache;
class ProducerStateTable;
class RecoveryPointFile;
class Segment;
struct DecidedTransaction;

class Log {
 public:
  // Loads the log in `directory`, or prepares an empty one (creates nothing yet).
  //
  // After an unclean stop every batch from the segment of the recovery point on is read back (CRC,
  // offsets, epochs); the log is cut at the first bad one above the recovery point and everything
  // behind it, valid or not, is removed for good. Indexes, epochs, producer state and the
  // transaction index are rebuilt for what was read.
  // BLOCKS: recovery reads at most the segments above the recovery point.
  // DURABLE: when OK, what was cut cannot come back and all that is left is flushed.
  // ERRORS: kDataLoss (with file and position): damage below the recovery point, a log that ends
  // below it or below the log start; nothing is changed then. kFailedPrecondition: the directory
  // belongs to another topic id. Else as FileSystem.
  static absl::StatusOr<std::unique_ptr<Log>> Open(FileSystem* file_system, std::string directory,
                                                   const LogOpenOptions& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // --- Positions ---

  // Earliest offset exposed.
  Offset log_start_offset() const { return log_start_offset_; }
  // One past the last record.
  Offset end_offset() const { return end_offset_; }
  // Exclusive end of what is known to be on disk; the recovery point. <= end_offset().
  Offset flushed_end_offset() const { return flushed_end_offset_; }
  // The log start offset that log-start-offset-checkpoint may hold: never above
  // flushed_end_offset(), so that the checkpoint cannot outlive the records it points at.
  Offset checkpointable_log_start() const {
    return std::min(log_start_offset_, flushed_end_offset_);
  }
  bool empty() const { return log_start_offset_ == end_offset_; }
  // Bytes of all segments.
  int64_t size_bytes() const;
  size_t segment_count() const;
  // Rises by one whenever records may have been cut off the end.
  uint64_t truncation_count() const { return truncations_; }
  // OK, or why the log failed for good.
  const absl::Status& failure() const { return failure_; }
  const std::string& directory() const { return directory_; }
  const LogConfig& config() const { return config_; }
  const LogRecovery& recovery() const { return recovery_; }
  // REQUIRES: the ranges of LogConfig.
  void UpdateConfig(const LogConfig& config);

  // --- Appending ---

  // Appends the pieces in order as leader of `epoch`: assigns offsets from end_offset() on, patches
  // offsets and epoch (into copies of the headers; payloads go to disk from the callers' buffers),
  // gathers the pieces in as few writes as possible. One result per piece, in order.
  // Each piece is all or nothing; one that is refused does not hinder the others.
  // Visible to Read at once; DURABLE: after a flush with target() >= the new end.
  // REQUIRES: epoch >= the latest epoch of the log.
  // ERRORS, per piece: kInvalidArgument (malformed; more than one batch or a control batch from a
  // client; larger than a segment), kDataLoss (CRC), kResourceExhausted (batch too large:
  // see IsBatchTooLarge; or no disk space: retriable), kUnavailable (the log failed). A refusal
  // by the producer's state is no error but a verdict.
  std::vector<absl::StatusOr<AppendResult>> AppendAsLeader(std::span<const LeaderAppend> pieces,
                                                           LeaderEpoch epoch, WallMillis now);
  absl::StatusOr<AppendResult> AppendAsLeader(const LeaderAppend& piece, LeaderEpoch epoch,
                                              WallMillis now);

  // Appends batches fetched from the leader, keeping offsets and epochs. All or nothing within one
  // segment; on an error mid-way what precedes stays (end_offset() tells). A trailing part of a
  // batch is ignored. `max_epoch`: batches of a later epoch are refused (the fetch was made in it);
  // kNoLeaderEpoch = any.
  // An empty log also takes a first batch that begins below its end and reaches beyond it (a log
  // start in the middle of a batch).
  // ERRORS: kInvalidArgument (malformed, epoch goes back or above max_epoch), kDataLoss (CRC),
  // kOutOfRange (does not begin at end_offset(), or leaves a gap unless config allows),
  // kResourceExhausted, kUnavailable.
  absl::StatusOr<AppendResult> AppendAsFollower(const SharedBytes& batches, WallMillis now,
                                                LeaderEpoch max_epoch = kNoLeaderEpoch);

  // --- Reading ---

  // Whole batches from the one that holds `from` on, all of whose records lie below `upper`
  // (exclusive: HW, LSO or end_offset()), `max_bytes` at most; with `at_least_one` the first batch
  // comes whatever its size.
  // The slices stay readable when retention deletes their segment. A truncation below
  // next_offset takes the bytes away (the sender sees a short file) or later replaces them by
  // others: owners either do not truncate what they let others read, or rely on the receiver's
  // CRC and epoch check.
  // ERRORS: kOutOfRange if `from` is below log_start_offset() or above end_offset(); kDataLoss
  // if the bytes at the position are no batch.
  absl::StatusOr<LogReadResult> Read(Offset from, Offset upper, int64_t max_bytes,
                                     bool at_least_one) const;

  // The first record with timestamp >= `timestamp` (and offset in [log start, upper)); nullopt if
  // there is none.
  // BLOCKS: reads and maybe decompresses one batch of a possibly cold segment.
  absl::StatusOr<std::optional<TimestampedOffset>> OffsetForTimestamp(WallMillis timestamp,
                                                                      Offset upper) const;
  // The first record that has the largest timestamp of all; nullopt in an empty log. BLOCKS: as
  // above.
  absl::StatusOr<std::optional<TimestampedOffset>> MaxTimestamp() const;

  // --- Leader epochs ---

  // The epoch of the last record, or a later one given by AssignEpoch; nullopt if none is known.
  // A vote must rest on what the log holds: there use EpochAt(end_offset() - 1), and for a log
  // without records the epoch of the snapshot it starts at.
  std::optional<LeaderEpoch> latest_epoch() const;
  // Notes that `epoch` begins at `start` (default: the end). A new leader calls it at its election,
  // records or not; after TruncateFullyAndStartAt the log's owner gives the epoch it knows. Older
  // epochs are ignored. An epoch that has no record yet is lost by an unclean stop.
  void AssignEpoch(LeaderEpoch epoch);
  // As if it began elsewhere: for a simulated mistake only.
  void MisassignEpoch(LeaderEpoch epoch, Offset start);
  // The largest known epoch <= `epoch` and its end (exclusive; end_offset() for the latest one).
  // For an epoch before all known ones, or above the latest: see LeaderEpochCache::EndOffsetFor.
  // ERRORS: kNotFound if `epoch` precedes every known epoch.
  absl::StatusOr<EpochEndOffset> EndOffsetFor(LeaderEpoch epoch) const;
  // The epoch of the record at `offset`; nullopt if unknown.
  std::optional<LeaderEpoch> EpochAt(Offset offset) const;
  const LeaderEpochCache& epochs() const { return *epochs_; }

  // --- Producers and transactions ---

  const ProducerStateTable& producers() const { return *producers_; }
  // Forgets producers silent since before now - config.producer_id_expiration_ms; returns how many.
  size_t ExpireProducers(WallMillis now);
  // Exclusive end of what read_committed readers may see: min(high_watermark, first offset of an
  // undecided transaction, or of one decided at or above the high watermark).
  Offset LastStableOffset(Offset high_watermark) const;
  // Aborted transactions that overlap [from, upper), by last offset.
  absl::StatusOr<std::vector<AbortedTransaction>> AbortedTransactions(Offset from,
                                                                      Offset upper) const;

  // --- Truncating and deleting ---

  // Cuts the log so that end_offset() <= `end`: a batch that holds `end` goes whole. Epochs,
  // indexes, producer state, transaction index and flushed_end_offset() follow. A no-op when
  // end >= end_offset(), except that epochs that begin at or above it are forgotten. Below the log
  // start it is TruncateFullyAndStartAt(end).
  // BLOCKS: syncs the cut, so that it cannot come undone under records appended later.
  // DURABLE: when OK. ERRORS: kUnavailable (the log is failed from then on).
  absl::Status TruncateTo(Offset end);

  // Drops everything; the log then starts and ends at `offset`, without epochs, producers or
  // transactions. BLOCKS, DURABLE, ERRORS: as TruncateTo.
  absl::Status TruncateFullyAndStartAt(Offset offset);

  // Raises the log start (DeleteRecords, the leader's start, a snapshot); returns whether it moved.
  // Segments wholly below go with the next DeleteOldSegments. The owner checkpoints it
  // (checkpointable_log_start()).
  // ERRORS: kOutOfRange if `offset` > end_offset().
  absl::StatusOr<bool> IncrementLogStartOffset(Offset offset);

  // Takes segments that retention lets go out of the log, oldest first, and returns their files to
  // remove. The active segment is rolled first if it, too, has to go. Raises the log start.
  // A segment whose producers only the unflushed snapshot of the next one knows stays until a
  // flush.
  absl::StatusOr<RemovalJob> DeleteOldSegments(const RetentionPolicy& policy, WallMillis now);

  // Begins a new segment at end_offset(), unless the active one is empty.
  absl::Status Roll(WallMillis now);

  // --- Durability ---

  // True if something waits for a flush.
  bool needs_flush() const;
  // Captures what is to be flushed now. Run it on the BlockingPool, then hand it to CompleteFlush
  // on the loop. REQUIRES: no other job of this log is under way.
  FlushJob PrepareFlush();
  // Takes the outcome. OK: flushed_end_offset() rises to the job's target, unless the log was
  // truncated meanwhile. An error fails the log for good, but for a lack of space for the files
  // beside the records (failure() stays OK): the flush is to be repeated then.
  void CompleteFlush(const FlushJob& job, const absl::Status& status);
  // The owner wrote flushed_end_offset() and checkpointable_log_start() to its checkpoints when
  // truncation_count() was `count`.
  // Removes the note that a truncation left for recovery (storage/FORMAT.md#truncation-mark), if it
  // is no longer needed.
  void RecoveryPointCheckpointed(uint64_t count);
  // PrepareFlush, Run, CompleteFlush in one. BLOCKS.
  absl::Status Flush();

  // Closes the log. `clean`: flushes, writes indexes, producer snapshot and epochs, gives back
  // reserved space; the owner may then record a clean shutdown. Not clean: just stops.
  // Nothing but destruction may follow. BLOCKS if clean. REQUIRES: no flush under way.
  absl::Status Close(bool clean);

  // True for the kResourceExhausted of a batch above max_batch_bytes (never retriable), false for
  // that of a full disk.
  static bool IsBatchTooLarge(const absl::Status& status);

 private:
  class Gather;  // batches on their way into one write (log_append.cc)
  struct Scan;   // state of a recovery (log_recovery.cc)

  Log(FileSystem* file_system, std::string directory, const LogConfig& config);

  // log.cc
  Segment& active() { return *segments_.rbegin()->second; }
  const Segment& active() const { return *segments_.rbegin()->second; }
  std::string PathOf(std::string_view name) const { return directory_ + "/" + std::string(name); }
  absl::Status Usable() const;
  absl::Status Fail(const absl::Status& why);
  absl::Status WriteMetadata();
  // The file is opened when first needed: a log that nobody writes keeps no descriptor for it.
  absl::Status OpenFlushMark();
  void WriteFlushMark();
  absl::Status EnsureActive();
  absl::Status AddSegment(Offset base);
  absl::Status RollActive();
  absl::Status RenameDeleted(const std::string& path, std::vector<std::string>* removed);
  absl::Status TakeOut(std::map<Offset, std::unique_ptr<Segment>>::iterator segment,
                       std::vector<std::string>* removed);
  absl::StatusOr<bool> MayDelete(const Segment& segment, Offset end, const RetentionPolicy& policy,
                                 int64_t total, WallMillis now) const;

  // log_append.cc
  absl::Status MakeRoom(int64_t bytes, size_t batches, Offset last, WallMillis max_timestamp,
                        Gather* gather);
  absl::StatusOr<AppendResult> StageLeaderPiece(const LeaderAppend& piece, size_t index,
                                                LeaderEpoch epoch, WallMillis now, Gather* gather);
  // False if the piece is not to be appended: `result` says why (a duplicate, a gap, ...).
  absl::StatusOr<bool> AcceptProducers(const std::vector<RecordBatchView>& batches,
                                       const LeaderAppend& piece, size_t index, Gather* gather,
                                       AppendResult* result) const;
  void StageLeaderBatch(const RecordBatchView& batch, bool stamp_log_append_time, LeaderEpoch epoch,
                        WallMillis now, Gather* gather);
  absl::Status CheckFollowerBatch(const RecordBatchView& batch, LeaderEpoch last_epoch,
                                  LeaderEpoch max_epoch) const;
  void StageFollowerBatch(const RecordBatchView& batch, Gather* gather, AppendResult* result);
  void StageProducer(const RecordBatchView& batch, Offset base, WallMillis timestamp,
                     Gather* gather);
  absl::Status Commit(Gather* gather);
  void NoteDecided(const DecidedTransaction& decided, Segment* segment);

  // log_recovery.cc
  absl::Status Load(const LogOpenOptions& options);
  absl::Status ListFiles(Scan* scan);
  absl::Status ReadFlushMark(Scan* scan);
  absl::Status CheckMetadata(Scan* scan);
  absl::Status LoadSegments(Scan* scan);
  absl::Status LoadEpochs(Scan* scan);
  absl::Status OpenCleanTail(Scan* scan);
  absl::Status ScanSegments(Scan* scan);
  absl::Status ScanSegment(Segment* segment, Scan* scan);
  absl::Status CutAfterScan(Scan* scan);
  absl::Status SettleLogStart(const Scan& scan);
  absl::Status RebuildEpochs(Offset until);
  absl::Status LoadProducers(Offset newest, Offset rebuild_from);
  absl::Status ReplayProducers(Offset from, Offset rebuild_from);

  // log_truncate.cc
  absl::Status TruncateDurably(Offset end);
  absl::Status DropFrom(Offset base);
  absl::Status WriteTruncationMark(Offset end, bool full);
  absl::Status LowerFlushMark(Offset end);

  // log_read.cc
  absl::StatusOr<bool> ReadSegment(const Segment& segment, Offset from, Offset upper,
                                   int64_t max_bytes, bool at_least_one,
                                   LogReadResult* result) const;
  void KeepFewOpen(const Segment* used) const;

  FileSystem* const file_system_;
  const std::string directory_;
  LogConfig config_;
  LogRecovery recovery_;
  Uuid topic_id_;
  Offset log_start_offset_{0};
  Offset end_offset_{0};
  Offset flushed_end_offset_{0};
  uint64_t truncations_ = 0;
  absl::Status failure_;

  // By base offset; the last one is active. Empty: nothing was ever appended, no files.
  std::map<Offset, std::unique_ptr<Segment>> segments_;
  // Sealed segments with open files, most recently used last; bounded.
  mutable std::vector<const Segment*> open_sealed_;

  std::unique_ptr<LeaderEpochCache> epochs_;
  uint64_t epochs_written_ = 0;  // version of epochs_ that the checkpoint file holds
  std::unique_ptr<ProducerStateTable> producers_;
  // Transactions decided, maybe at or above the high watermark; pruned by LastStableOffset.
  mutable std::vector<DecidedTransaction> decided_;
  std::set<Offset> snapshots_;                       // <offset>.snapshot files
  std::map<Offset, std::string> pending_snapshots_;  // taken at rolls, not yet written
  std::vector<std::string> directories_to_sync_;     // names in them changed
  bool metadata_pending_ = false;                    // partition.metadata is not durable yet
  std::optional<TruncationMark> truncation_mark_;    // what the file says; nullopt: no file
  std::unique_ptr<RecoveryPointFile> flush_mark_;    // null: not opened yet
};

}  // namespace quorate
