#include "storage/segment.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/batch_reader.h"
#include "storage/transaction_index.h"

namespace quorate {
namespace {

constexpr size_t kNameDigits = 20;
constexpr size_t kLookupChunk = 8 << 10;
constexpr size_t kScanChunk = 64 << 10;
constexpr int64_t kSmallestReserve = 64 << 10;
constexpr int32_t kDefaultIndexInterval = 4096;

}  // namespace

BatchFacts BatchFacts::Of(const RecordBatchView& batch, int64_t position) {
  return {position,
          batch.size_bytes(),
          batch.base_offset(),
          batch.last_offset(),
          batch.leader_epoch(),
          batch.max_timestamp()};
}

std::string SegmentFileName(Offset base, std::string_view suffix) {
  return absl::StrFormat("%020d%s", base.value(), suffix);
}

std::optional<Offset> ParseSegmentFileName(std::string_view name, std::string_view suffix) {
  if (name.size() != kNameDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  int64_t base = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, base);
  if (error != std::errc() || end != name.data() + kNameDigits || base < 0) return std::nullopt;
  return Offset(base);
}

std::string Segment::PathOf(std::string_view suffix) const {
  return directory_ + "/" + SegmentFileName(base_, suffix);
}

absl::StatusOr<std::unique_ptr<Segment>> Segment::Create(FileSystem* file_system,
                                                         const std::string& directory,
                                                         Offset base) {
  std::unique_ptr<Segment> segment(new Segment(file_system, directory, base));
  Q_ASSIGN_OR_RETURN(segment->file_,
                     file_system->Open(segment->PathOf(".log"), OpenMode::kCreateFresh));
  segment->indexes_loaded_ = true;
  segment->aborted_.emplace();
  segment->dirty_ = true;
  return segment;
}

absl::StatusOr<std::unique_ptr<Segment>> Segment::Load(FileSystem* file_system,
                                                       const std::string& directory, Offset base,
                                                       Offset end) {
  std::unique_ptr<Segment> segment(new Segment(file_system, directory, base));
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, segment->OpenFile());
  Q_ASSIGN_OR_RETURN(segment->size_, file->Size());
  segment->reserved_end_ = segment->size_;
  segment->end_ = end;
  segment->sealed_ = true;
  segment->CloseIdle();
  return segment;
}

absl::StatusOr<std::shared_ptr<File>> Segment::OpenFile() const {
  if (file_ == nullptr) {
    Q_ASSIGN_OR_RETURN(file_, file_system_->Open(PathOf(".log"), OpenMode::kWrite));
  }
  return file_;
}

void Segment::CloseIdle() const {
  if (!sealed_ || dirty_ || index_pending_) return;
  file_.reset();
  indexes_loaded_ = false;
  index_.bytes().Reset();
  time_index_.bytes().Reset();
  aborted_.reset();
}

absl::Status Segment::Reserve(int64_t bytes, int64_t largest) {
  const int64_t needed = size_ + bytes;
  if (largest <= 0 || needed <= reserved_end_) return absl::OkStatus();
  const int64_t piece = std::min(std::max(kSmallestReserve, size_), largest);
  const int64_t wanted = std::max(needed, reserved_end_ + piece);
  absl::Status status = file_->Preallocate(reserved_end_, wanted - reserved_end_);
  int64_t reached = wanted;
  if (absl::IsResourceExhausted(status) && wanted > needed) {  // the last bytes of a disk count
    reached = needed;
    status = file_->Preallocate(reserved_end_, needed - reserved_end_);
  }
  // Other errors mean that this file system cannot reserve: the write itself will tell.
  if (absl::IsResourceExhausted(status)) return status;
  if (absl::IsDataLoss(status)) return status;
  reserved_end_ = reached;
  return absl::OkStatus();
}

absl::Status Segment::Write(std::span<const std::string_view> pieces, bool* broken) {
  *broken = false;
  dirty_ = true;
  absl::Status status = file_->WriteAt(size_, pieces);
  if (status.ok()) return status;
  // What was written of a batch must not come back behind a later, shorter one.
  const absl::Status cut = file_->Truncate(size_);
  reserved_end_ = size_;
  *broken = !cut.ok() || !absl::IsResourceExhausted(status);
  return status;
}

void Segment::Index(const BatchFacts& batch, int32_t index_interval_bytes) const {
  if (batch.max_timestamp > max_timestamp_.timestamp) {
    max_timestamp_ = {batch.max_timestamp, batch.last_offset};
  }
  if (bytes_since_index_ > index_interval_bytes) {
    index_.Append({batch.last_offset, static_cast<int32_t>(batch.position)});
    time_index_.MaybeAppend(max_timestamp_);
    bytes_since_index_ = 0;
  }
  bytes_since_index_ += batch.size;
}

void Segment::NoteAppended(const BatchFacts& batch, int32_t index_interval_bytes) {
  QCHECK(!sealed_);
  QCHECK_EQ(batch.position, size_);
  if (size_ == 0) first_timestamp_ = batch.max_timestamp;
  Index(batch, index_interval_bytes);
  size_ += batch.size;
  end_ = batch.last_offset + 1;
}

bool Segment::IndexFull(int32_t index_max_bytes, size_t more) const {
  // The time index has the larger entries, and one more when the segment is sealed.
  return (index_.count() + more) * OffsetIndex::kEntryBytes >
             static_cast<size_t>(index_max_bytes) ||
         (time_index_.count() + more + 1) * TimeIndex::kEntryBytes >
             static_cast<size_t>(index_max_bytes);
}

void Segment::NoteAborted(const AbortedTransaction& transaction) {
  if (!aborted_.has_value()) aborted_.emplace();
  aborted_->push_back(transaction);
}

void Segment::Seal() {
  time_index_.MaybeAppend(max_timestamp_);
  sealed_ = true;
  index_pending_ = true;
  if (reserved_end_ > size_) IgnoreError(Trim(), "reserved space is only wasted");
}

absl::Status Segment::Trim() {
  if (file_ == nullptr || reserved_end_ <= size_) return absl::OkStatus();
  Q_RETURN_IF_ERROR(file_->Truncate(size_));
  reserved_end_ = size_;
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status Segment::Activate(int32_t index_interval_bytes) {
  Q_RETURN_IF_ERROR(OpenFile().status());
  Q_ASSIGN_OR_RETURN(std::vector<AbortedTransaction> aborted, Aborted());
  aborted_ = std::move(aborted);
  Q_RETURN_IF_ERROR(EnsureIndexes());
  std::string index(index_.bytes().view());
  std::string time_index(time_index_.bytes().view());
  index_.bytes().Reset();
  time_index_.bytes().Reset();
  index_.bytes().memory() = std::move(index);
  time_index_.bytes().memory() = std::move(time_index);
  sealed_ = false;
  index_pending_ = false;
  Q_RETURN_IF_ERROR(ScanTail(index_interval_bytes));
  if (size_ > 0) {
    BatchReader reader(file_, 0, size_, kBatchHeaderBytes);
    Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
    if (found != BatchReader::Found::kBatch) return BadAt(0, reader.bad());
    first_timestamp_ = reader.batch().max_timestamp();
  }
  return absl::OkStatus();
}

absl::Status Segment::ScanTail(int32_t index_interval_bytes) {
  Q_ASSIGN_OR_RETURN(const bool fits, ScanBehindIndexes(index_interval_bytes));
  if (fits) return absl::OkStatus();
  index_.bytes().Reset();
  time_index_.bytes().Reset();
  return ScanBehindIndexes(index_interval_bytes).status();  // without entries nothing misfits
}

absl::StatusOr<bool> Segment::ScanBehindIndexes(int32_t index_interval_bytes) {
  max_timestamp_ = {kNoTimestamp, kNoOffset};
  if (time_index_.count() > 0) {
    max_timestamp_ = time_index_.At(time_index_.count() - 1);
    Q_ASSIGN_OR_RETURN(const std::optional<BatchFacts> batch, BatchOf(max_timestamp_));
    if (!batch.has_value()) return false;
  }
  max_timestamp_checked_ = true;
  int64_t start = 0;
  Offset indexed = kNoOffset;
  if (index_.count() > 0) {
    const IndexEntry last = index_.At(index_.count() - 1);
    start = last.position;
    indexed = last.offset;
  }
  bytes_since_index_ = 0;
  end_ = base_;
  BatchReader reader(file_, start, size_, kScanChunk);
  while (true) {
    Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
    if (found == BatchReader::Found::kEnd) return true;
    if (found == BatchReader::Found::kBad) {
      if (indexed != kNoOffset && reader.position() == start) return false;
      return BadAt(reader.position(), reader.bad());
    }
    const BatchFacts facts = BatchFacts::Of(reader.batch(), reader.position());
    if (facts.base_offset < end_ || facts.last_offset < facts.base_offset ||
        facts.last_offset - base_ > INT32_MAX) {
      return BadAt(reader.position(), "offset does not fit");
    }
    if (facts.position == start && indexed != kNoOffset) {
      if (facts.last_offset != indexed) return false;
      bytes_since_index_ = facts.size;
      if (facts.max_timestamp > max_timestamp_.timestamp) return false;
    } else {
      Index(facts, index_interval_bytes);
    }
    end_ = facts.last_offset + 1;
  }
}

absl::Status Segment::TruncateAt(int64_t position, int32_t index_interval_bytes, bool keep_file) {
  QCHECK(!sealed_);
  QCHECK_LE(position, size_);
  if (!keep_file) Q_RETURN_IF_ERROR(file_->Truncate(position));
  Q_RETURN_IF_ERROR(file_->Sync());
  size_ = position;
  reserved_end_ = position;
  index_.TruncateToPosition(position);
  // Time entries may lie behind the last indexed batch; what they stood for is scanned again.
  const Offset indexed_end = index_.count() == 0 ? base_ : index_.At(index_.count() - 1).offset + 1;
  time_index_.TruncateToOffset(indexed_end);
  if (position == 0) first_timestamp_ = kNoTimestamp;
  Q_RETURN_IF_ERROR(ScanTail(index_interval_bytes));
  if (aborted_.has_value()) {
    std::erase_if(*aborted_, [&](const auto& t) { return t.last_offset >= end_; });
  }
  return absl::OkStatus();
}

absl::Status Segment::EnsureIndexes() const {
  if (indexes_loaded_) return absl::OkStatus();
  const auto map = [this](std::string_view suffix) -> std::shared_ptr<const FileMapping> {
    const std::string path = PathOf(suffix);
    if (!file_system_->Exists(path)) return nullptr;
    const absl::StatusOr<std::shared_ptr<File>> file = file_system_->Open(path, OpenMode::kRead);
    if (!file.ok()) return nullptr;
    absl::StatusOr<std::shared_ptr<const FileMapping>> mapping = (*file)->Map();
    return mapping.ok() ? *std::move(mapping) : nullptr;
  };
  std::shared_ptr<const FileMapping> index = map(".index");
  std::shared_ptr<const FileMapping> time_index = map(".timeindex");
  if (index != nullptr && time_index != nullptr && !BUGGIFY("storage.index_rebuild", 0.1)) {
    index_.bytes().SetMapping(std::move(index));
    time_index_.bytes().SetMapping(std::move(time_index));
    // A non-empty segment has a time entry, put there when it was sealed.
    if (index_.LooksSane(size_) && time_index_.LooksSane(end_) &&
        (size_ == 0 || time_index_.count() > 0)) {
      max_timestamp_ = {kNoTimestamp, kNoOffset};
      if (time_index_.count() > 0) max_timestamp_ = time_index_.At(time_index_.count() - 1);
      max_timestamp_checked_ = time_index_.count() == 0;
      indexes_loaded_ = true;
      return absl::OkStatus();
    }
  }
  return RebuildIndexes();
}

absl::Status Segment::RebuildIndexes() const {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, OpenFile());
  index_.bytes().Reset();
  time_index_.bytes().Reset();
  bytes_since_index_ = 0;
  max_timestamp_ = {kNoTimestamp, kNoOffset};
  max_timestamp_checked_ = true;
  BatchReader reader(file, 0, size_, kScanChunk);
  while (true) {
    Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
    if (found != BatchReader::Found::kBatch) break;  // lookups behind it report what is bad
    if (reader.batch().last_offset() - base_ > INT32_MAX || reader.batch().last_offset() < base_) {
      break;
    }
    Index(BatchFacts::Of(reader.batch(), reader.position()), kDefaultIndexInterval);
  }
  if (sealed_) time_index_.MaybeAppend(max_timestamp_);
  indexes_loaded_ = true;
  return absl::OkStatus();
}

absl::Status Segment::BadAt(int64_t position, const std::string& why) const {
  return absl::DataLossError(
      absl::StrFormat("%s: no batch at byte %d: %s", PathOf(".log"), position, why));
}

absl::StatusOr<std::optional<BatchFacts>> Segment::FindBatch(Offset offset) const {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, OpenFile());
  for (int attempt = 0;; ++attempt) {
    Q_RETURN_IF_ERROR(EnsureIndexes());
    const std::optional<IndexEntry> entry = index_.Lookup(offset);
    BatchReader reader(file, entry.has_value() ? entry->position : 0, size_, kLookupChunk);
    bool verified = !entry.has_value();
    std::optional<BatchFacts> result;
    bool end = false;
    while (!result.has_value()) {
      Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
      end = found == BatchReader::Found::kEnd;
      if (found != BatchReader::Found::kBatch) break;
      const BatchFacts facts = BatchFacts::Of(reader.batch(), reader.position());
      if (!verified && facts.last_offset != entry->offset) break;
      verified = true;
      if (facts.last_offset >= offset) result = facts;
    }
    if (verified && (result.has_value() || end)) return result;
    if (verified || attempt > 0) return BadAt(reader.position(), reader.bad());
    Q_RETURN_IF_ERROR(RebuildIndexes());  // the entry does not fit the batch it points at
  }
}

absl::StatusOr<std::optional<BatchFacts>> Segment::FindBatchAcross(int64_t start,
                                                                   int64_t limit) const {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, OpenFile());
  for (int attempt = 0;; ++attempt) {
    Q_RETURN_IF_ERROR(EnsureIndexes());
    std::optional<IndexEntry> entry = index_.LookupPosition(limit);
    if (entry.has_value() && entry->position <= start) entry.reset();
    BatchReader reader(file, entry.has_value() ? entry->position : start, size_, kLookupChunk);
    bool verified = !entry.has_value();
    while (true) {
      Q_ASSIGN_OR_RETURN(BatchReader::Found found, reader.Next(false));
      if (found != BatchReader::Found::kBatch) {
        if (!verified) break;
        if (found == BatchReader::Found::kEnd) return std::nullopt;
        return BadAt(reader.position(), reader.bad());
      }
      const BatchFacts facts = BatchFacts::Of(reader.batch(), reader.position());
      if (!verified && facts.last_offset != entry->offset) break;
      verified = true;
      if (facts.position + facts.size > limit) return facts;
    }
    if (attempt > 0) return BadAt(reader.position(), reader.bad());
    Q_RETURN_IF_ERROR(RebuildIndexes());  // the entry does not fit the batch it points at
  }
}

absl::StatusOr<int64_t> Segment::ScanStartForTimestamp(WallMillis timestamp) const {
  for (int attempt = 0; attempt < 2; ++attempt) {
    Q_RETURN_IF_ERROR(EnsureIndexes());
    const std::optional<TimeIndexEntry> before = time_index_.LookupBefore(timestamp);
    if (!before.has_value()) return 0;
    Q_ASSIGN_OR_RETURN(const std::optional<BatchFacts> batch, BatchOf(*before));
    if (batch.has_value()) return batch->position;
    Q_RETURN_IF_ERROR(RebuildIndexes());
  }
  return 0;
}

absl::StatusOr<std::optional<BatchFacts>> Segment::BatchOf(const TimeIndexEntry& entry) const {
  if (entry.offset < base_) return std::nullopt;
  Q_ASSIGN_OR_RETURN(std::optional<BatchFacts> batch, FindBatch(entry.offset));
  const bool bears = batch.has_value() && batch->base_offset <= entry.offset &&
                     batch->max_timestamp == entry.timestamp;
  if (!bears) batch.reset();
  return batch;
}

absl::StatusOr<TimeIndexEntry> Segment::MaxTimestamp() const {
  Q_RETURN_IF_ERROR(EnsureIndexes());
  if (!max_timestamp_checked_) {
    Q_ASSIGN_OR_RETURN(const std::optional<BatchFacts> batch, BatchOf(max_timestamp_));
    if (!batch.has_value()) Q_RETURN_IF_ERROR(RebuildIndexes());
    max_timestamp_checked_ = true;
  }
  return max_timestamp_;
}

absl::StatusOr<std::vector<AbortedTransaction>> Segment::Aborted() const {
  if (!aborted_.has_value()) {
    aborted_.emplace();
    const std::string path = PathOf(".txnindex");
    if (file_system_->Exists(path)) {
      Q_ASSIGN_OR_RETURN(std::string bytes, file_system_->ReadFile(path));
      Q_ASSIGN_OR_RETURN(aborted_, ParseAborted(bytes));
    }
  }
  return *aborted_;
}

absl::Status Segment::BeginScan() {
  Q_RETURN_IF_ERROR(OpenFile().status());
  sealed_ = false;
  dirty_ = true;
  aborted_.emplace();
  index_.bytes().Reset();
  time_index_.bytes().Reset();
  bytes_since_index_ = 0;
  max_timestamp_ = {kNoTimestamp, kNoOffset};
  first_timestamp_ = kNoTimestamp;
  indexes_loaded_ = true;
  end_ = base_;
  return absl::OkStatus();
}

void Segment::NoteScanned(const BatchFacts& batch, int32_t index_interval_bytes) {
  if (batch.position == 0) first_timestamp_ = batch.max_timestamp;
  Index(batch, index_interval_bytes);
  end_ = batch.last_offset + 1;
}

std::vector<std::pair<std::string, std::string>> Segment::IndexFiles() const {
  std::vector<std::pair<std::string, std::string>> files;
  files.emplace_back(".index", std::string(index_.bytes().view()));
  files.emplace_back(".timeindex", std::string(time_index_.bytes().view()));
  if (aborted_.has_value() && (!aborted_->empty() || file_system_->Exists(PathOf(".txnindex")))) {
    files.emplace_back(".txnindex", SerializeAborted(*aborted_));
  }
  return files;
}

void Segment::IndexWritten() {
  index_pending_ = false;
  CloseIdle();
}

}  // namespace quorate
