// Opening a log: what is there, what of it can be trusted, and what has to be rebuilt.
#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/batch_reader.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log.h"
#include "storage/log_files.h"
#include "storage/producer_state.h"
#include "storage/recovery_point_file.h"
#include "storage/segment.h"

namespace quorate {
namespace {

constexpr size_t kScanChunk = 256 << 10;
constexpr const char* kCompanions[] = {".index", ".timeindex", ".txnindex"};

}  // namespace

struct Log::Scan {
  bool clean = false;
  Offset recovery_point{0};
  std::vector<Offset> bases;
  std::optional<TruncationMark> mark;
  bool from_start = false;  // all is read back
  // Segments from this base on are read back; kNoOffset: none.
  Offset from = kNoOffset;
  Offset expected{0};  // offset of the next batch
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  // The first bad batch.
  Segment* bad_segment = nullptr;
  int64_t bad_position = 0;
  std::string why;
};

absl::StatusOr<std::unique_ptr<Log>> Log::Open(FileSystem* file_system, std::string directory,
                                               const LogOpenOptions& options) {
  std::unique_ptr<Log> log(new Log(file_system, std::move(directory), options.config));
  Q_RETURN_IF_ERROR(log->Load(options));
  log->recovery_.end = log->end_offset_;
  return log;
}

absl::Status Log::Load(const LogOpenOptions& options) {
  topic_id_ = options.topic_id;
  log_start_offset_ = options.log_start_offset;
  end_offset_ = options.log_start_offset;
  flushed_end_offset_ = end_offset_;
  Scan scan;
  scan.clean = options.clean_shutdown;
  scan.recovery_point = options.clean_shutdown ? Offset(0) : options.recovery_point;
  scan.from_start = BUGGIFY("storage.recover_from_start", 0.3);
  if (file_system_->IsDirectory(directory_)) {
    Q_RETURN_IF_ERROR(ListFiles(&scan));
    Q_RETURN_IF_ERROR(ReadFlushMark(&scan));
    if (config_.bugs.cut_flushed_damage) scan.recovery_point = Offset(0);  // scenario G1
    Q_RETURN_IF_ERROR(CheckMetadata(&scan));
  }
  if (scan.mark.has_value()) {
    scan.recovery_point = std::min(scan.recovery_point, scan.mark->end);
    truncation_mark_ = scan.mark;
    const Offset start = scan.mark->start;
    if (start != kNoOffset && (scan.bases.empty() || scan.bases.front() < start)) {
      // The process died on the way: finish.
      Q_RETURN_IF_ERROR(LoadSegments(&scan));
      return TruncateFullyAndStartAt(start);
    }
    // The checkpointed start may be one of before; the first segment's name tells.
    if (start != kNoOffset) log_start_offset_ = scan.bases.front();
  }
  if (scan.bases.empty()) {
    if (scan.recovery_point > end_offset_) {
      return absl::DataLossError(absl::StrFormat("%s: no segments, yet flushed up to %d",
                                                 directory_, scan.recovery_point.value()));
    }
    return absl::OkStatus();
  }
  Q_RETURN_IF_ERROR(LoadSegments(&scan));
  Q_RETURN_IF_ERROR(LoadEpochs(&scan));
  Q_RETURN_IF_ERROR(scan.clean ? OpenCleanTail(&scan) : ScanSegments(&scan));
  Q_RETURN_IF_ERROR(SettleLogStart(scan));
  if (scan.bad_segment != nullptr) Q_RETURN_IF_ERROR(CutAfterScan(&scan));
  end_offset_ = active().end();
  // Epochs may begin at the end (a leader without records), not behind it.
  epochs_->TruncateFromEnd(end_offset_ + 1);
  epochs_->TruncateFromStart(log_start_offset_);
  flushed_end_offset_ = scan.clean ? end_offset_ : Offset(0);
  Q_RETURN_IF_ERROR(scan.clean ? LoadProducers(end_offset_, Offset(INT64_MAX))
                               : LoadProducers(scan.from, scan.from));
  producers_->Expire(options.now - config_.producer_id_expiration_ms);
  recovery_.segments = static_cast<int64_t>(segments_.size());
  if (scan.clean) {
    RecoveryPointCheckpointed(truncations_);
    return absl::OkStatus();
  }
  directories_to_sync_.push_back(ParentOf(directory_));
  directories_to_sync_.push_back(directory_);
  if (const absl::Status flushed = Flush(); !flushed.ok()) {
    if (!failure_.ok()) return flushed;
    // The records are flushed; for what lies beside them there is no space. That is no reason not
    // to open: the owner's next flush writes it, until then no more is vouched for than before.
    flushed_end_offset_ = std::min(scan.recovery_point, end_offset_);
  }
  if (recovery_.bytes_cut > 0) {
    LOG(WARNING) << directory_ << ": " << recovery_.bytes_cut << " bytes cut off at offset "
                 << end_offset_ << ": " << recovery_.cut_reason;
  }
  return absl::OkStatus();
}

absl::Status Log::ListFiles(Scan* scan) {
  Q_ASSIGN_OR_RETURN(std::vector<std::string> names, file_system_->List(directory_));
  std::vector<std::string> leftovers;
  for (const std::string& name : names) {
    if (const auto base = ParseSegmentFileName(name, ".log")) scan->bases.push_back(*base);
    if (const auto offset = ParseSegmentFileName(name, ".snapshot")) snapshots_.insert(*offset);
    if (name.ends_with(".tmp") || name.ends_with(".deleted") || name.ends_with(".cleaned")) {
      leftovers.push_back(name);
    }
  }
  std::sort(scan->bases.begin(), scan->bases.end());
  for (const std::string& name : names) {
    for (const char* suffix : kCompanions) {
      const auto base = ParseSegmentFileName(name, suffix);
      if (base.has_value() && !std::binary_search(scan->bases.begin(), scan->bases.end(), *base)) {
        leftovers.push_back(name);
      }
    }
  }
  for (const std::string& name : leftovers) {
    IgnoreError(file_system_->Remove(PathOf(name)), "the next start tries again");
  }
  if (file_system_->Exists(PathOf(kTruncationMarkName))) {
    Q_ASSIGN_OR_RETURN(std::string text, file_system_->ReadFile(PathOf(kTruncationMarkName), 4096));
    scan->mark = ParseTruncationMark(text);
  }
  return absl::OkStatus();
}

absl::Status Log::ReadFlushMark(Scan* scan) {
  if (scan->clean || !config_.flush_mark) return absl::OkStatus();
  if (!file_system_->Exists(PathOf(kFlushMarkName))) return absl::OkStatus();
  Q_RETURN_IF_ERROR(OpenFlushMark());
  scan->recovery_point = std::max(scan->recovery_point, flush_mark_->point());
  return absl::OkStatus();
}

absl::Status Log::CheckMetadata(Scan* scan) {
  if (topic_id_.is_zero()) return absl::OkStatus();
  const std::string path = PathOf(kPartitionMetadataName);
  std::optional<Uuid> found;
  if (file_system_->Exists(path)) {
    Q_ASSIGN_OR_RETURN(std::string text, file_system_->ReadFile(path, 4096));
    found = ParsePartitionMetadata(text);
  }
  if (found.has_value()) {
    if (*found == topic_id_) {
      // Read, maybe, from a page cache that no flush had reached: written again by Load's flush.
      metadata_pending_ = !scan->clean;
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: belongs to topic id %s, not %s", directory_, found->ToString(), topic_id_.ToString()));
  }
  if (!scan->clean && !scan->bases.empty() && scan->recovery_point > Offset(0)) {
    return absl::DataLossError(absl::StrFormat("%s: torn or missing", path));
  }
  // A torn one must not stay: the topic id has to be whole before records are behind it, or the
  // next crash of the process alone would cost them.
  const absl::Status removed = file_system_->Remove(path);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  if (scan->bases.empty()) return absl::OkStatus();  // written with the first segment
  if (scan->clean) return WriteMetadata();
  // Durable from the first flush on: without it nothing here was ever flushed, and nothing tells
  // which topic it belongs to.
  for (Offset base : scan->bases) {
    Q_RETURN_IF_ERROR(file_system_->Remove(PathOf(SegmentFileName(base, ".log"))));
  }
  LOG(WARNING) << directory_ << ": no topic id and nothing flushed: contents dropped";
  recovery_.cut_reason = "no topic id and nothing flushed";
  scan->bases.clear();
  snapshots_.clear();
  return file_system_->SyncDirectory(directory_);
}

absl::Status Log::LoadSegments(Scan* scan) {
  for (size_t i = 0; i < scan->bases.size(); ++i) {
    const Offset base = scan->bases[i];
    const Offset end = i + 1 < scan->bases.size() ? scan->bases[i + 1] : base;
    Q_ASSIGN_OR_RETURN(segments_[base], Segment::Load(file_system_, directory_, base, end));
    // Strictly below: a segment's index files are durable only once a flush went beyond its end.
    const bool flushed = base < scan->recovery_point && !scan->from_start;
    if (!scan->clean && (i == 0 || flushed)) scan->from = base;
  }
  return absl::OkStatus();
}

absl::Status Log::RebuildEpochs(Offset until) {
  for (const auto& [base, segment] : segments_) {
    if (base >= until) break;
    Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment->OpenFile());
    BatchReader reader(file, 0, segment->size(), kScanChunk);
    while (true) {
      Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
      if (found != BatchReader::Found::kBatch) break;
      const LeaderEpoch epoch = reader.batch().leader_epoch();
      if (epoch >= LeaderEpoch(0)) epochs_->Assign(epoch, reader.batch().base_offset());
    }
    segment->CloseIdle();
  }
  return absl::OkStatus();
}

absl::Status Log::LoadEpochs(Scan* scan) {
  const Offset until = scan->clean ? Offset(INT64_MAX) : scan->from;
  const Offset first = segments_.begin()->first;
  const std::string path = PathOf(kEpochCheckpointName);
  absl::StatusOr<LeaderEpochCache> cache = LeaderEpochCache();
  if (file_system_->Exists(path) && !BUGGIFY("storage.epochs_rebuild", 0.2)) {
    Q_ASSIGN_OR_RETURN(std::string text, file_system_->ReadFile(path));
    cache = LeaderEpochCache::Parse(text);
    if (!cache.ok()) {
      LOG(WARNING) << path << ": " << cache.status() << "; rebuilt from the batches";
      cache = LeaderEpochCache();
    }
  }
  // Epochs that begin where reading back begins are told by the batches alone: the file may still
  // hold one whose records were cut off, and a log must not claim an epoch it has no record of.
  cache->TruncateFromEnd(until);
  epochs_written_ = UINT64_MAX;
  if (until <= first) return absl::OkStatus();  // every batch is read back
  // The file may be newer than the log start's checkpoint, and not reach down to it.
  if (!cache->empty() &&
      cache->entries().front().start_offset <= std::max(log_start_offset_, first)) {
    *epochs_ = *std::move(cache);
    if (scan->clean) epochs_written_ = epochs_->version();
    return absl::OkStatus();
  }
  return RebuildEpochs(until);
}

absl::Status Log::OpenCleanTail(Scan* scan) {
  static_cast<void>(scan);
  return active().Activate(config_.index_interval_bytes);
}

absl::Status Log::ScanSegments(Scan* scan) {
  scan->expected = scan->from;
  scan->last_epoch = epochs_->latest_epoch().value_or(kNoLeaderEpoch);
  for (auto it = segments_.find(scan->from); it != segments_.end(); ++it) {
    Segment& segment = *it->second;
    if (it->first != scan->expected) {
      // Flushed segments may leave gaps after compaction; others may not.
      const bool flushed = it->first <= scan->recovery_point;
      if (it->first < scan->expected || !flushed) {
        scan->bad_segment = std::prev(it)->second.get();
        scan->bad_position = scan->bad_segment->size();
        scan->why = absl::StrFormat("segment %d follows offset %d", it->first.value(),
                                    scan->expected.value());
        break;
      }
      scan->expected = it->first;
    }
    if (it->first != scan->from) std::prev(it)->second->Seal();
    Q_RETURN_IF_ERROR(ScanSegment(&segment, scan));
    if (scan->bad_segment != nullptr) break;
  }
  const Offset valid_end = scan->expected;
  if (valid_end < scan->recovery_point) {
    const Segment& where =
        scan->bad_segment != nullptr ? *scan->bad_segment : *segments_.rbegin()->second;
    return absl::DataLossError(absl::StrFormat(
        "%s: damaged at byte %d (%s): the log ends at offset %d, but was flushed up to %d",
        where.PathOf(".log"), scan->bad_segment != nullptr ? scan->bad_position : where.size(),
        scan->why.empty() ? "file ends" : scan->why, valid_end.value(),
        scan->recovery_point.value()));
  }
  return absl::OkStatus();
}

absl::Status Log::ScanSegment(Segment* segment, Scan* scan) {
  Q_RETURN_IF_ERROR(segment->BeginScan());
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment->OpenFile());
  BatchReader reader(file, 0, segment->size(), kScanChunk);
  ++recovery_.segments_scanned;
  ++recovery_.indexes_rebuilt;
  BatchLimits limits;
  while (true) {
    Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(true));
    if (found == BatchReader::Found::kEnd) return absl::OkStatus();
    if (found == BatchReader::Found::kBad) {
      scan->why = reader.bad();
      break;
    }
    const RecordBatchView& batch = reader.batch();
    const absl::Status valid = ValidateBatch(batch, limits, BatchOrigin{true});
    if (!valid.ok() && !config_.bugs.trust_torn_tail) {
      scan->why = std::string(valid.message());
      break;
    }
    const bool gap_allowed =
        config_.offset_gaps_allowed || batch.base_offset() < scan->recovery_point;
    if (batch.base_offset() < scan->expected ||
        (batch.base_offset() > scan->expected && !gap_allowed) ||
        batch.base_offset() > Offset(INT64_MAX - INT32_MAX) ||
        batch.last_offset() - segment->base() > INT32_MAX || reader.position() > INT32_MAX) {
      scan->why = absl::StrFormat("batch at offset %d where %d is next",
                                  batch.base_offset().value(), scan->expected.value());
      break;
    }
    if (batch.leader_epoch() < scan->last_epoch) {
      scan->why = absl::StrFormat("leader epoch %d after %d", batch.leader_epoch().value(),
                                  scan->last_epoch.value());
      break;
    }
    scan->last_epoch = batch.leader_epoch();
    if (scan->last_epoch >= LeaderEpoch(0)) epochs_->Assign(scan->last_epoch, batch.base_offset());
    segment->NoteScanned(BatchFacts::Of(batch, reader.position()), config_.index_interval_bytes);
    scan->expected = batch.next_offset();
    recovery_.bytes_scanned += batch.size_bytes();
  }
  scan->bad_segment = segment;
  scan->bad_position = reader.position();
  return absl::OkStatus();
}

absl::Status Log::CutAfterScan(Scan* scan) {
  Segment& last = *scan->bad_segment;
  recovery_.cut_reason =
      absl::StrFormat("%s at byte %d: %s", last.PathOf(".log"), scan->bad_position, scan->why);
  recovery_.bytes_cut += last.size() - scan->bad_position;
  for (auto it = segments_.upper_bound(last.base()); it != segments_.end(); ++it) {
    recovery_.bytes_cut += it->second->size();
  }
  // What lies behind goes first: should this be cut short, the next start finds the same bad batch.
  Q_RETURN_IF_ERROR(DropFrom(last.base() + 1));
  FAILPOINT("storage.in_recovery_cut");
  if (last.sealed()) Q_RETURN_IF_ERROR(last.Activate(config_.index_interval_bytes));
  if (scan->bad_position < last.size()) {
    Q_RETURN_IF_ERROR(last.TruncateAt(scan->bad_position, config_.index_interval_bytes,
                                      config_.bugs.leave_what_lies_behind));
  }
  return absl::OkStatus();
}

absl::Status Log::SettleLogStart(const Scan& scan) {
  const Offset end = scan.clean ? active().end() : scan.expected;
  log_start_offset_ = std::max(log_start_offset_, segments_.begin()->first);
  if (log_start_offset_ <= end) return absl::OkStatus();
  if (scan.mark.has_value()) {  // the checkpoint is older than the truncation
    log_start_offset_ = segments_.begin()->first;
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrFormat("%s: the log ends at %d, below its start %d",
                                             directory_, end.value(), log_start_offset_.value()));
}

absl::Status Log::LoadProducers(Offset newest, Offset rebuild_from) {
  const bool recovering = rebuild_from != Offset(INT64_MAX);
  producers_->Clear();
  decided_.clear();
  // Snapshots above `newest` stand for records that may be gone.
  while (!snapshots_.empty() && *snapshots_.rbegin() > newest) {
    Q_RETURN_IF_ERROR(
        file_system_->Remove(PathOf(SegmentFileName(*snapshots_.rbegin(), ".snapshot"))));
    snapshots_.erase(std::prev(snapshots_.end()));
    directories_to_sync_.push_back(directory_);
  }
  pending_snapshots_.erase(pending_snapshots_.upper_bound(newest), pending_snapshots_.end());
  Offset from = segments_.begin()->first;
  for (Offset at = newest; at >= from; at = at - 1) {
    const auto pending = pending_snapshots_.upper_bound(at);
    const auto written = snapshots_.upper_bound(at);
    const Offset newest_pending =
        pending == pending_snapshots_.begin() ? kNoOffset : std::prev(pending)->first;
    const Offset newest_written = written == snapshots_.begin() ? kNoOffset : *std::prev(written);
    at = std::max(newest_pending, newest_written);
    if (at < from) break;
    if (recovering && !segments_.contains(at)) continue;
    absl::StatusOr<std::string> bytes =
        newest_pending == at ? pending_snapshots_.at(at)
                             : file_system_->ReadFile(PathOf(SegmentFileName(at, ".snapshot")));
    absl::StatusOr<ProducerStateTable> table =
        bytes.ok() ? ProducerStateTable::Parse(*bytes)
                   : absl::StatusOr<ProducerStateTable>(bytes.status());
    if (table.ok() && !BUGGIFY("storage.producers_rebuild", 0.2)) {
      *producers_ = *std::move(table);
      from = at;
      break;
    }
    LOG(WARNING) << directory_ << ": producer snapshot at " << at << ": " << table.status();
  }
  return ReplayProducers(from, rebuild_from);
}

absl::Status Log::ReplayProducers(Offset from, Offset rebuild_from) {
  auto it = segments_.upper_bound(from);
  if (it != segments_.begin()) --it;
  for (; it != segments_.end(); ++it) {
    Segment& segment = *it->second;
    if (segment.base() > from && segment.base() >= rebuild_from) {
      pending_snapshots_[segment.base()] = producers_->Serialize();
    }
    int64_t position = 0;
    if (from > segment.base()) {
      Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> first, segment.FindBatch(from));
      position = first.has_value() ? first->position : segment.size();
    }
    Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment.OpenFile());
    BatchReader reader(file, position, segment.size(), kScanChunk);
    while (true) {
      Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
      if (found != BatchReader::Found::kBatch) break;
      if (!reader.batch().has_producer_id()) continue;
      if (reader.batch().is_control()) Q_RETURN_IF_ERROR(reader.LoadWhole());
      const std::optional<DecidedTransaction> decided = producers_->Update(
          reader.batch(), reader.batch().base_offset(), reader.batch().max_timestamp());
      if (decided.has_value()) {
        NoteDecided(*decided, segment.base() >= rebuild_from ? &segment : nullptr);
      }
    }
    segment.CloseIdle();
  }
  return absl::OkStatus();
}

}  // namespace quorate
