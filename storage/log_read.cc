// Reading and lookups.
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/batch_reader.h"
#include "storage/log.h"
#include "storage/record_iterator.h"
#include "storage/segment.h"

namespace quorate {
namespace {

// Sealed segments whose files and indexes stay open for readers.
constexpr size_t kSealedKeptOpen = 4;
constexpr size_t kScanChunk = 64 << 10;

}  // namespace

absl::StatusOr<std::string> LogReadResult::ToBytes() const {
  std::string bytes(static_cast<size_t>(this->bytes), '\0');
  size_t at = 0;
  for (const FileSlice& slice : slices) {
    Q_ASSIGN_OR_RETURN(size_t got,
                       slice.file->ReadAt(slice.offset, bytes.data() + at, slice.length));
    if (got < slice.length) {
      return absl::UnavailableError(
          absl::StrFormat("%s: truncated while it was read", slice.file->path()));
    }
    at += got;
  }
  return bytes;
}

void Log::KeepFewOpen(const Segment* used) const {
  if (!used->sealed()) return;
  std::erase(open_sealed_, used);
  open_sealed_.push_back(used);
  const size_t kept = BUGGIFY("storage.keep_one_segment_open", 0.5) ? 1 : kSealedKeptOpen;
  if (open_sealed_.size() <= kept) return;
  open_sealed_.front()->CloseIdle();
  open_sealed_.erase(open_sealed_.begin());
}

absl::StatusOr<bool> Log::ReadSegment(const Segment& segment, Offset from, Offset upper,
                                      int64_t max_bytes, bool at_least_one,
                                      LogReadResult* result) const {
  Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> first, segment.FindBatch(from));
  if (!first.has_value()) return true;  // a gap up to the next segment
  int64_t end = segment.size();
  Offset next = segment.end();
  if (upper < segment.end()) {
    Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> bound, segment.FindBatch(upper));
    if (bound.has_value()) {
      end = bound->position;
      next = bound->base_offset;
    }
  }
  const bool whole_segment = end == segment.size();
  if (first->position >= end) return false;
  const int64_t limit = first->position + std::max<int64_t>(max_bytes, 0);
  bool cut = false;
  if (end > limit) {
    Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> across,
                       segment.FindBatchAcross(first->position, limit));
    if (across.has_value() && across->position == first->position) {
      if (!at_least_one || result->bytes > 0) return false;
      end = first->position + first->size;
      next = first->last_offset + 1;
    } else if (across.has_value()) {
      end = across->position;
      next = across->base_offset;
    }
    cut = true;
  }
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment.OpenFile());
  const auto length = static_cast<size_t>(end - first->position);
  if (result->slices.empty()) result->first_offset = first->base_offset;
  result->slices.push_back({std::move(file), first->position, length});
  result->bytes += static_cast<int64_t>(length);
  result->next_offset = next;
  return !cut && whole_segment;
}

absl::StatusOr<LogReadResult> Log::Read(Offset from, Offset upper, int64_t max_bytes,
                                        bool at_least_one) const {
  if (from < log_start_offset_ || from > end_offset_) {
    return absl::OutOfRangeError(absl::StrFormat("%s: offset %d outside [%d, %d]", directory_,
                                                 from.value(), log_start_offset_.value(),
                                                 end_offset_.value()));
  }
  if (BUGGIFY("storage.read_one_byte", 0.02)) max_bytes = std::min<int64_t>(max_bytes, 1);
  LogReadResult result;
  result.first_offset = from;
  result.next_offset = from;
  upper = std::min(upper, end_offset_);
  if (from >= upper || segments_.empty()) return result;
  auto it = segments_.upper_bound(from);
  if (it != segments_.begin()) --it;
  bool more = true;
  for (; more && it != segments_.end() && it->first < upper; ++it) {
    if (result.bytes >= max_bytes && result.bytes > 0) break;
    const Offset start = std::max(result.next_offset, it->first);
    Q_ASSIGN_OR_RETURN(more, ReadSegment(*it->second, start, upper, max_bytes - result.bytes,
                                         at_least_one, &result));
    KeepFewOpen(it->second.get());
  }
  return result;
}

absl::StatusOr<std::optional<TimestampedOffset>> Log::OffsetForTimestamp(WallMillis timestamp,
                                                                         Offset upper) const {
  upper = std::min(upper, end_offset_);
  for (const auto& [base, segment] : segments_) {
    if (segment->empty() || segment->end() <= log_start_offset_) continue;
    if (base >= upper) break;
    Q_ASSIGN_OR_RETURN(TimeIndexEntry largest, segment->MaxTimestamp());
    KeepFewOpen(segment.get());
    if (largest.timestamp < timestamp) continue;
    Q_ASSIGN_OR_RETURN(int64_t start, segment->ScanStartForTimestamp(timestamp));
    Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment->OpenFile());
    BatchReader reader(file, start, segment->size(), kScanChunk);
    while (true) {
      Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
      if (found == BatchReader::Found::kEnd) break;
      if (found == BatchReader::Found::kBad) {
        return absl::DataLossError(absl::StrFormat("%s: no batch at byte %d: %s", file->path(),
                                                   reader.position(), reader.bad()));
      }
      if (reader.batch().base_offset() >= upper) return std::nullopt;
      if (reader.batch().max_timestamp() < timestamp ||
          reader.batch().last_offset() < log_start_offset_) {
        continue;
      }
      Q_RETURN_IF_ERROR(reader.LoadWhole());
      const LeaderEpoch epoch = reader.batch().leader_epoch();
      Q_ASSIGN_OR_RETURN(RecordIterator records, RecordIterator::Open(reader.batch()));
      while (true) {
        Q_ASSIGN_OR_RETURN(std::optional<Record> record, records.Next());
        if (!record.has_value()) break;
        if (record->offset >= upper) return std::nullopt;
        if (record->timestamp >= timestamp && record->offset >= log_start_offset_) {
          return TimestampedOffset{record->offset, record->timestamp, epoch};
        }
      }
    }
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<TimestampedOffset>> Log::MaxTimestamp() const {
  WallMillis largest = kNoTimestamp;
  for (const auto& [base, segment] : segments_) {
    if (segment->empty() || segment->end() <= log_start_offset_) continue;
    Q_ASSIGN_OR_RETURN(TimeIndexEntry entry, segment->MaxTimestamp());
    KeepFewOpen(segment.get());
    largest = std::max(largest, entry.timestamp);
  }
  if (largest < 0) return std::nullopt;
  return OffsetForTimestamp(largest, end_offset_);
}

absl::StatusOr<std::vector<AbortedTransaction>> Log::AbortedTransactions(Offset from,
                                                                         Offset upper) const {
  std::vector<AbortedTransaction> found;
  if (segments_.empty()) return found;
  auto it = segments_.upper_bound(from);
  if (it != segments_.begin()) --it;
  for (; it != segments_.end(); ++it) {
    Q_ASSIGN_OR_RETURN(std::vector<AbortedTransaction> aborted, it->second->Aborted());
    for (const AbortedTransaction& transaction : aborted) {
      if (transaction.last_offset >= from && transaction.first_offset < upper) {
        found.push_back(transaction);
      }
      // All that began below it were decided by then; later entries begin at or above `upper`.
      if (transaction.last_stable_offset >= upper) return found;
    }
  }
  return found;
}

}  // namespace quorate
