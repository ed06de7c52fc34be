#include "storage/log.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log_files.h"
#include "storage/producer_state.h"
#include "storage/recovery_point_file.h"
#include "storage/segment.h"

namespace quorate {
namespace {

// Marks a flush error that may go away: the data is synced, only the small files are missing.
constexpr char kRetriablePayload[] = "quorate/flush-retriable";

// Without entries: version, CRC, count.
bool ProducerSnapshotIsEmpty(std::string_view bytes) { return bytes.size() <= 10; }

}  // namespace

Log::Log(FileSystem* file_system, std::string directory, const LogConfig& config)
    : file_system_(file_system),
      directory_(std::move(directory)),
      config_(config),
      epochs_(std::make_unique<LeaderEpochCache>()),
      producers_(std::make_unique<ProducerStateTable>()) {}

Log::~Log() = default;

int64_t Log::size_bytes() const {
  int64_t total = 0;
  for (const auto& [base, segment] : segments_) total += segment->size();
  return total;
}

size_t Log::segment_count() const { return segments_.size(); }

void Log::UpdateConfig(const LogConfig& config) {
  QCHECK_GT(config.segment_bytes, 0);
  QCHECK_LE(config.segment_bytes, INT32_MAX);
  config_ = config;
}

absl::Status Log::Usable() const {
  if (failure_.ok()) return failure_;
  return absl::UnavailableError(
      absl::StrFormat("%s failed: %s", directory_, std::string(failure_.message())));
}

absl::Status Log::Fail(const absl::Status& why) {
  if (failure_.ok()) {
    LOG(ERROR) << directory_ << ": log failed for good: " << why;
    failure_ = why;
  }
  return Usable();
}

// --- Segments ---

absl::Status Log::AddSegment(Offset base) {
  Q_ASSIGN_OR_RETURN(std::unique_ptr<Segment> segment,
                     Segment::Create(file_system_, directory_, base));
  segments_[base] = std::move(segment);
  directories_to_sync_.push_back(directory_);
  return absl::OkStatus();
}

absl::Status Log::WriteMetadata() {
  // At once, so that it outlives the process; the first flush makes it durable.
  metadata_pending_ = true;
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                     file_system_->Open(PathOf(kPartitionMetadataName), OpenMode::kCreateFresh));
  const std::string text = PartitionMetadataText(topic_id_);
  const std::string_view piece = text;
  return file->WriteAt(0, {&piece, 1});
}

absl::Status Log::OpenFlushMark() {
  if (flush_mark_ != nullptr) return absl::OkStatus();
  Q_ASSIGN_OR_RETURN(flush_mark_, RecoveryPointFile::Open(file_system_, PathOf(kFlushMarkName)));
  return absl::OkStatus();
}

void Log::WriteFlushMark() {
  if (!config_.flush_mark || segments_.empty()) return;
  absl::Status written = OpenFlushMark();
  if (written.ok() && flush_mark_->point() < flushed_end_offset_) {
    written = flush_mark_->Write(flushed_end_offset_);
  }
  if (!written.ok()) VLOG(1) << directory_ << ": an older flush mark is as safe: " << written;
}

absl::Status Log::EnsureActive() {
  if (!segments_.empty()) return absl::OkStatus();
  if (!file_system_->IsDirectory(directory_)) {
    Q_RETURN_IF_ERROR(file_system_->CreateDirectories(directory_));
    directories_to_sync_.push_back(ParentOf(directory_));
  }
  if (!topic_id_.is_zero() && !file_system_->Exists(PathOf(kPartitionMetadataName))) {
    Q_RETURN_IF_ERROR(WriteMetadata());
  }
  return AddSegment(end_offset_);
}

absl::Status Log::RollActive() {
  const Offset base = end_offset_;
  // First what can fail: the old segment stays active then.
  Q_ASSIGN_OR_RETURN(std::unique_ptr<Segment> fresh,
                     Segment::Create(file_system_, directory_, base));
  FAILPOINT("storage.in_roll");
  active().Seal();
  segments_[base] = std::move(fresh);
  directories_to_sync_.push_back(directory_);
  pending_snapshots_[base] = producers_->Serialize();
  return absl::OkStatus();
}

absl::Status Log::Roll(WallMillis now) {
  static_cast<void>(now);
  Q_RETURN_IF_ERROR(Usable());
  if (segments_.empty() || active().empty()) return absl::OkStatus();
  return RollActive();
}

// --- Epochs, producers, transactions ---

std::optional<LeaderEpoch> Log::latest_epoch() const { return epochs_->latest_epoch(); }

void Log::AssignEpoch(LeaderEpoch epoch) { epochs_->Assign(epoch, end_offset_); }

void Log::MisassignEpoch(LeaderEpoch epoch, Offset start) { epochs_->Assign(epoch, start); }

absl::StatusOr<EpochEndOffset> Log::EndOffsetFor(LeaderEpoch epoch) const {
  return epochs_->EndOffsetFor(epoch, end_offset_);
}

std::optional<LeaderEpoch> Log::EpochAt(Offset offset) const {
  if (offset < log_start_offset_ || offset >= end_offset_) return std::nullopt;
  return epochs_->EpochAt(offset);
}

size_t Log::ExpireProducers(WallMillis now) {
  return producers_->Expire(now - config_.producer_id_expiration_ms);
}

Offset Log::LastStableOffset(Offset high_watermark) const {
  Offset stable = high_watermark;
  if (const std::optional<Offset> open = producers_->FirstOpenTransaction(); open.has_value()) {
    stable = std::min(stable, *open);
  }
  std::erase_if(decided_, [&](const auto& t) { return t.last_offset < high_watermark; });
  for (const DecidedTransaction& transaction : decided_) {
    stable = std::min(stable, transaction.first_offset);
  }
  return stable;
}

void Log::NoteDecided(const DecidedTransaction& decided, Segment* segment) {
  decided_.push_back(decided);
  if (!decided.aborted || segment == nullptr) return;
  AbortedTransaction aborted{decided.producer_id, decided.first_offset, decided.last_offset,
                             decided.last_offset + 1};
  if (const std::optional<Offset> open = producers_->FirstOpenTransaction(); open.has_value()) {
    aborted.last_stable_offset = std::min(aborted.last_stable_offset, *open);
  }
  segment->NoteAborted(aborted);
}

// --- Retention ---

absl::StatusOr<bool> Log::IncrementLogStartOffset(Offset offset) {
  Q_RETURN_IF_ERROR(Usable());
  if (offset <= log_start_offset_) return false;
  if (offset > end_offset_) {
    return absl::OutOfRangeError(absl::StrFormat("%s: log start %d above log end %d", directory_,
                                                 offset.value(), end_offset_.value()));
  }
  log_start_offset_ = offset;
  epochs_->TruncateFromStart(offset);
  return true;
}

absl::StatusOr<bool> Log::MayDelete(const Segment& segment, Offset end,
                                    const RetentionPolicy& policy, int64_t total,
                                    WallMillis now) const {
  if (end <= log_start_offset_) return true;
  if (end > policy.bound) return false;
  if (policy.retention_bytes >= 0 && total - segment.size() >= policy.retention_bytes) return true;
  if (policy.retention_ms < 0) return false;
  Q_ASSIGN_OR_RETURN(TimeIndexEntry largest, segment.MaxTimestamp());
  KeepFewOpen(&segment);
  return largest.timestamp >= 0 && now - largest.timestamp > policy.retention_ms;
}

absl::Status Log::RenameDeleted(const std::string& path, std::vector<std::string>* removed) {
  if (!file_system_->Exists(path)) return absl::OkStatus();
  Q_RETURN_IF_ERROR(file_system_->Rename(path, path + ".deleted"));
  removed->push_back(path + ".deleted");
  return absl::OkStatus();
}

absl::Status Log::TakeOut(std::map<Offset, std::unique_ptr<Segment>>::iterator segment,
                          std::vector<std::string>* removed) {
  // The batches first: an index without them is dropped at the next start.
  for (const char* suffix : {".log", ".index", ".timeindex", ".txnindex", ".snapshot"}) {
    Q_RETURN_IF_ERROR(RenameDeleted(segment->second->PathOf(suffix), removed));
  }
  snapshots_.erase(segment->first);
  pending_snapshots_.erase(segment->first);
  std::erase(open_sealed_, segment->second.get());
  segments_.erase(segment);
  directories_to_sync_.push_back(directory_);
  return absl::OkStatus();
}

absl::StatusOr<RemovalJob> Log::DeleteOldSegments(const RetentionPolicy& policy, WallMillis now) {
  Q_RETURN_IF_ERROR(Usable());
  std::vector<std::string> removed;
  int64_t total = size_bytes();
  while (!segments_.empty()) {
    const auto first = segments_.begin();
    Segment& segment = *first->second;
    const auto next = std::next(first);
    const bool is_active = next == segments_.end();
    if (is_active && segment.empty()) break;
    const Offset end = is_active ? end_offset_ : next->first;
    Q_ASSIGN_OR_RETURN(bool may, MayDelete(segment, end, policy, total, now));
    if (!may) break;
    if (is_active && config_.bugs.reuse_offsets_of_emptied_log) {
      end_offset_ = segment.base();  // scenario A23
      Q_RETURN_IF_ERROR(TruncateFullyAndStartAt(end_offset_));
      break;
    }
    if (is_active) Q_RETURN_IF_ERROR(RollActive());
    // What the segment says of producers lives on in the next one's snapshot, once that is written.
    const auto snapshot = pending_snapshots_.find(end);
    if (snapshot != pending_snapshots_.end() && !ProducerSnapshotIsEmpty(snapshot->second)) break;
    total -= segment.size();
    Q_RETURN_IF_ERROR(TakeOut(segments_.begin(), &removed));
    if (end > log_start_offset_) Q_RETURN_IF_ERROR(IncrementLogStartOffset(end).status());
  }
  return RemovalJob(file_system_, directory_, std::move(removed));
}

absl::Status RemovalJob::Run() const {
  for (const std::string& path : paths_) {
    const absl::Status status = file_system_->Remove(path);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return paths_.empty() ? absl::OkStatus() : file_system_->SyncDirectory(directory_);
}

// --- Durability ---

bool Log::needs_flush() const {
  if (flushed_end_offset_ < end_offset_ || !directories_to_sync_.empty() || metadata_pending_ ||
      !pending_snapshots_.empty() ||
      (!segments_.empty() && epochs_->version() != epochs_written_)) {
    return true;
  }
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it) {
    if (it->second->dirty() || it->second->index_pending()) return true;
    if (it->second->end() <= flushed_end_offset_ && it->second->sealed()) break;
  }
  return false;
}

FlushJob Log::PrepareFlush() {
  FlushJob job;
  job.file_system_ = file_system_;
  job.target_ = end_offset_;
  job.truncations_ = truncations_;
  job.epoch_version_ = epochs_->version();
  job.refused_ = Usable();
  job.retry_failed_sync_ = config_.bugs.retry_failed_sync;
  if (segments_.empty() || !job.refused_.ok()) return job;
  auto it = segments_.end();
  while (it != segments_.begin()) {
    const Segment& segment = *std::prev(it)->second;
    if (segment.sealed() && !segment.dirty() && !segment.index_pending()) break;
    --it;
  }
  for (; it != segments_.end(); ++it) {
    Segment& segment = *it->second;
    if (segment.dirty()) {
      const absl::StatusOr<std::shared_ptr<File>> file = segment.OpenFile();
      QCHECK(file.ok());  // it is open: dirty files are never closed
      job.files_.push_back(*file);
      job.segments_.push_back(it->first);
      segment.set_dirty(false);
    }
    if (segment.index_pending()) {
      for (auto& [suffix, bytes] : segment.IndexFiles()) {
        job.contents_.push_back({segment.PathOf(suffix), std::move(bytes)});
      }
      job.sealed_.push_back(it->first);
    }
  }
  if (epochs_->version() != epochs_written_) {
    job.contents_.push_back({PathOf(kEpochCheckpointName), epochs_->Serialize()});
  }
  for (const auto& [offset, bytes] : pending_snapshots_) {
    job.contents_.push_back({PathOf(SegmentFileName(offset, ".snapshot")), bytes});
    job.snapshots_.push_back(offset);
  }
  if (metadata_pending_) {
    job.contents_.push_back({PathOf(kPartitionMetadataName), PartitionMetadataText(topic_id_)});
    job.metadata_ = true;
  }
  job.directories_ = std::move(directories_to_sync_);
  directories_to_sync_.clear();
  return job;
}

absl::Status FlushJob::Run() const {
  Q_RETURN_IF_ERROR(refused_);
  FAILPOINT("storage.before_flush");
  for (const std::shared_ptr<File>& file : files_) {
    absl::Status synced = file->Sync();
    if (!synced.ok() && retry_failed_sync_) synced = file->Sync();  // scenario H1
    if (!synced.ok()) return synced;
  }
  FAILPOINT("storage.after_fsync");
  for (size_t i = 0; i < directories_.size(); ++i) {
    if (i > 0 && directories_[i] == directories_[i - 1]) continue;
    Q_RETURN_IF_ERROR(file_system_->SyncDirectory(directories_[i]));
  }
  for (const Contents& contents : contents_) {
    absl::Status status = file_system_->WriteFileAtomically(contents.path, contents.bytes);
    if (absl::IsResourceExhausted(status)) status.SetPayload(kRetriablePayload, absl::Cord("1"));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Log::CompleteFlush(const FlushJob& job, const absl::Status& status) {
  if (!status.ok()) {
    if (status.GetPayload(kRetriablePayload).has_value()) {
      LOG(WARNING) << directory_ << ": flush to be repeated: " << status;
      return;
    }
    IgnoreError(Fail(status), "kept in failure_");
    return;
  }
  if (job.metadata_) metadata_pending_ = false;
  if (job.truncations_ != truncations_) {
    // The log was cut while the job ran: what it wrote beside the data may describe records that
    // are gone. Snapshots are removed; the rest is written again.
    epochs_written_ = UINT64_MAX;
    for (Offset offset : job.snapshots_) {
      if (pending_snapshots_.contains(offset)) continue;
      IgnoreError(file_system_->Remove(PathOf(SegmentFileName(offset, ".snapshot"))),
                  "recovery takes snapshots only at bases of segments it trusts");
      directories_to_sync_.push_back(directory_);
    }
    return;
  }
  if (!job.empty()) epochs_written_ = job.epoch_version_;
  for (Offset base : job.sealed_) {
    const auto it = segments_.find(base);
    if (it == segments_.end() || !it->second->sealed()) continue;
    it->second->set_index_pending(false);
    if (!it->second->dirty()) it->second->IndexWritten();
  }
  for (Offset offset : job.snapshots_) {
    if (pending_snapshots_.erase(offset) > 0) snapshots_.insert(offset);
  }
  flushed_end_offset_ = std::max(flushed_end_offset_, std::min(job.target_, end_offset_));
  WriteFlushMark();
}

absl::Status Log::Flush() {
  Q_RETURN_IF_ERROR(Usable());
  const FlushJob job = PrepareFlush();
  const absl::Status status = job.Run();
  CompleteFlush(job, status);
  return status;
}

void Log::RecoveryPointCheckpointed(uint64_t count) {
  if (!truncation_mark_.has_value() || count != truncations_) return;
  const absl::Status status = file_system_->Remove(PathOf(kTruncationMarkName));
  if (status.ok() || absl::IsNotFound(status)) truncation_mark_.reset();
}

absl::Status Log::Close(bool clean) {
  if (!clean || segments_.empty()) return absl::OkStatus();
  Q_RETURN_IF_ERROR(Usable());
  pending_snapshots_[end_offset_] = producers_->Serialize();
  active().Seal();
  return Flush();
}

}  // namespace quorate
