// Cutting records off the end, and starting anew. Every step is synced before records can be
// appended in place of what was cut.
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log.h"
#include "storage/log_files.h"
#include "storage/producer_state.h"
#include "storage/recovery_point_file.h"
#include "storage/segment.h"

namespace quorate {

absl::Status Log::WriteTruncationMark(Offset end, bool full) {
  TruncationMark mark{end, end};
  // An earlier emptying stays noted: checkpoints may be older still.
  if (!full) mark.start = truncation_mark_.value_or(TruncationMark()).start;
  truncation_mark_ = mark;
  Q_RETURN_IF_ERROR(LowerFlushMark(end));
  return file_system_->WriteFileAtomically(PathOf(kTruncationMarkName), TruncationMarkText(mark));
}

absl::Status Log::LowerFlushMark(Offset end) {
  if (!config_.flush_mark) return absl::OkStatus();
  if (flush_mark_ == nullptr && !file_system_->Exists(PathOf(kFlushMarkName))) {
    return absl::OkStatus();
  }
  Q_RETURN_IF_ERROR(OpenFlushMark());
  if (flush_mark_->point() <= end) return absl::OkStatus();
  Q_RETURN_IF_ERROR(flush_mark_->Write(end));
  return flush_mark_->file()->Sync();
}

absl::Status Log::DropFrom(Offset base) {
  bool dropped = false;
  // From the end: what is left at any moment is a prefix of the log.
  while (!segments_.empty() && segments_.rbegin()->first >= base) {
    const Segment& segment = active();
    for (const char* suffix : {".log", ".index", ".timeindex", ".txnindex"}) {
      const std::string path = segment.PathOf(suffix);
      if (file_system_->Exists(path)) Q_RETURN_IF_ERROR(file_system_->Remove(path));
    }
    std::erase(open_sealed_, &segment);
    segments_.erase(std::prev(segments_.end()));
    dropped = true;
  }
  return dropped ? file_system_->SyncDirectory(directory_) : absl::OkStatus();
}

absl::Status Log::TruncateTo(Offset end) {
  Q_RETURN_IF_ERROR(Usable());
  if (end >= end_offset_ && config_.bugs.keep_conflicting_epochs) return absl::OkStatus();
  epochs_->TruncateFromEnd(end);
  if (end >= end_offset_) return absl::OkStatus();
  if (end < log_start_offset_) return TruncateFullyAndStartAt(end);
  ++truncations_;
  const absl::Status status = TruncateDurably(end);
  return status.ok() ? status : Fail(status);
}

absl::Status Log::TruncateDurably(Offset end) {
  // Which batch holds `end`, before anything is touched.
  auto it = segments_.upper_bound(end);
  if (it != segments_.begin()) --it;
  Segment& last = *it->second;
  Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> batch, last.FindBatch(end));
  const Offset cut = batch.has_value() ? std::min(batch->base_offset, end) : end;
  if (cut < flushed_end_offset_) Q_RETURN_IF_ERROR(WriteTruncationMark(cut, false));
  FAILPOINT("storage.before_truncate");
  Q_RETURN_IF_ERROR(DropFrom(last.base() + 1));
  FAILPOINT("storage.in_truncate");
  std::erase(open_sealed_, &last);
  if (last.sealed()) Q_RETURN_IF_ERROR(last.Activate(config_.index_interval_bytes));
  Q_RETURN_IF_ERROR(last.TruncateAt(batch.has_value() ? batch->position : last.size(),
                                    config_.index_interval_bytes));
  end_offset_ = last.end();
  log_start_offset_ = std::min(log_start_offset_, end_offset_);
  flushed_end_offset_ = std::min(flushed_end_offset_, end_offset_);
  epochs_->TruncateFromEnd(end_offset_);
  return LoadProducers(end_offset_, Offset(INT64_MAX));
}

absl::Status Log::TruncateFullyAndStartAt(Offset offset) {
  Q_RETURN_IF_ERROR(Usable());
  ++truncations_;
  const auto drop = [&]() -> absl::Status {
    if (file_system_->IsDirectory(directory_)) {
      Q_RETURN_IF_ERROR(WriteTruncationMark(offset, true));
      FAILPOINT("storage.before_emptying");
      Q_RETURN_IF_ERROR(DropFrom(Offset(0)));
      FAILPOINT("storage.after_emptying");
      for (Offset snapshot : snapshots_) {
        IgnoreError(file_system_->Remove(PathOf(SegmentFileName(snapshot, ".snapshot"))),
                    "recovery takes no snapshot above the log's segments");
      }
    }
    snapshots_.clear();
    pending_snapshots_.clear();
    epochs_->Clear();
    producers_->Clear();
    decided_.clear();
    log_start_offset_ = offset;
    end_offset_ = offset;
    flushed_end_offset_ = offset;
    if (offset == Offset(0) && !file_system_->IsDirectory(directory_)) return absl::OkStatus();
    Q_RETURN_IF_ERROR(EnsureActive());  // its name is where the log starts
    // Not by a FlushJob: one may be under way, and they share the names of temporary files.
    if (metadata_pending_ && file_system_->Exists(PathOf(kPartitionMetadataName))) {
      Q_ASSIGN_OR_RETURN(std::shared_ptr<File> metadata,
                         file_system_->Open(PathOf(kPartitionMetadataName), OpenMode::kWrite));
      Q_RETURN_IF_ERROR(metadata->Sync());
    }
    Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, active().OpenFile());
    Q_RETURN_IF_ERROR(file->Sync());
    Q_RETURN_IF_ERROR(file_system_->SyncDirectory(ParentOf(directory_)));
    return file_system_->SyncDirectory(directory_);
  };
  const absl::Status status = drop();
  return status.ok() ? status : Fail(status);
}

}  // namespace quorate
