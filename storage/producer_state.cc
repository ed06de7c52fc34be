#include "storage/producer_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "storage/byte_order.h"
#include "storage/crc32c.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

constexpr int16_t kSnapshotVersion = 1;
constexpr size_t kSnapshotCrcAt = 2;
constexpr size_t kSnapshotCoveredAt = 6;  // the CRC covers all from here
constexpr size_t kSnapshotEntryBytes = 46;

// What an end-of-transaction marker says.
struct Marker {
  ControlRecordType type = ControlRecordType::kAbort;
  int32_t coordinator_epoch = -1;
};

// nullopt if `batch` is a control batch of another kind, or malformed.
std::optional<Marker> ParseMarker(const RecordBatchView& batch) {
  absl::StatusOr<RecordIterator> records = RecordIterator::Open(batch, 1 << 20);
  if (!records.ok()) return std::nullopt;
  const absl::StatusOr<std::optional<Record>> record = records->Next();
  if (!record.ok() || !record->has_value()) return std::nullopt;
  const Record& found = **record;
  if (!found.key.has_value() || found.key->size() < 4 || !found.value.has_value() ||
      found.value->size() < 6) {
    return std::nullopt;
  }
  Marker marker;
  marker.type = static_cast<ControlRecordType>(LoadBe16(found.key->data() + 2));
  marker.coordinator_epoch = LoadBe32(found.value->data() + 2);
  if (marker.type != ControlRecordType::kAbort && marker.type != ControlRecordType::kCommit) {
    return std::nullopt;
  }
  return marker;
}

int32_t NextSequence(int32_t sequence) { return sequence == INT32_MAX ? 0 : sequence + 1; }

}  // namespace

int32_t ProducerBatch::first_sequence() const {
  if (last_sequence < 0) return -1;
  return static_cast<int32_t>((int64_t{last_sequence} - offset_delta) & INT64_C(0x7fffffff));
}

ProducerCheck ProducerStateTable::Check(const RecordBatchView& batch) const {
  if (!batch.has_producer_id()) return {};
  const ProducerEntry* entry = Find(batch.producer_id());
  const ProducerEpoch epoch = batch.producer_epoch();
  if (entry != nullptr && epoch < entry->epoch) return {ProducerVerdict::kStaleProducerEpoch, {}};
  if (batch.is_control()) {
    const std::optional<Marker> marker = ParseMarker(batch);
    if (marker.has_value() && entry != nullptr &&
        marker->coordinator_epoch < entry->coordinator_epoch) {
      return {ProducerVerdict::kStaleCoordinatorEpoch, {}};
    }
    return {};
  }
  const int32_t first = batch.base_sequence();
  if (first < 0) return {};
  if (entry == nullptr) {
    return {first == 0 ? ProducerVerdict::kAccept : ProducerVerdict::kUnknownProducer, {}};
  }
  if (epoch == entry->epoch) {
    for (size_t i = 0; i < entry->batch_count; ++i) {
      const ProducerBatch& known = entry->batches[i];
      if (known.first_sequence() == first && known.last_sequence == batch.last_sequence()) {
        return {ProducerVerdict::kDuplicate, known};
      }
    }
  }
  if (entry->transaction_first_offset != kNoOffset && !batch.is_transactional()) {
    return {ProducerVerdict::kInvalidTxnState, {}};
  }
  const int32_t last_known = epoch == entry->epoch ? entry->last_sequence() : -1;
  if (first == NextSequence(last_known)) return {};
  if (last_known >= 0 && first <= batch.last_sequence() && batch.last_sequence() <= last_known) {
    return {ProducerVerdict::kDuplicateForgotten, {}};
  }
  return {ProducerVerdict::kOutOfOrderSequence, {}};
}

void ProducerStateTable::SetOpenTransaction(ProducerEntry* entry, Offset first_offset) {
  if (entry->transaction_first_offset != kNoOffset) {
    open_transactions_.erase(entry->transaction_first_offset);
  }
  entry->transaction_first_offset = first_offset;
  if (first_offset != kNoOffset) open_transactions_.insert(first_offset);
}

std::optional<DecidedTransaction> ProducerStateTable::Update(const RecordBatchView& batch,
                                                             Offset base_offset,
                                                             WallMillis timestamp) {
  if (!batch.has_producer_id()) return std::nullopt;
  const ProducerId id = batch.producer_id();
  std::optional<Marker> marker;
  if (batch.is_control()) {
    marker = ParseMarker(batch);
    if (!marker.has_value()) return std::nullopt;
  }
  ProducerEntry& entry = entries_[id];
  if (entry.epoch != batch.producer_epoch()) {
    entry.epoch = batch.producer_epoch();
    entry.batch_count = 0;
    entry.batches = {};
  }
  entry.last_timestamp = timestamp;
  const Offset last_offset = base_offset + batch.last_offset_delta();
  if (marker.has_value()) {
    entry.coordinator_epoch = marker->coordinator_epoch;
    if (entry.transaction_first_offset == kNoOffset) return std::nullopt;
    DecidedTransaction decided;
    decided.producer_id = id;
    decided.first_offset = entry.transaction_first_offset;
    decided.last_offset = last_offset;
    decided.aborted = marker->type == ControlRecordType::kAbort;
    SetOpenTransaction(&entry, kNoOffset);
    return decided;
  }
  if (entry.batch_count == ProducerEntry::kBatchesKept) {
    std::move(entry.batches.begin() + 1, entry.batches.end(), entry.batches.begin());
    --entry.batch_count;
  }
  entry.batches[entry.batch_count++] = {batch.last_sequence(), last_offset,
                                        batch.last_offset_delta(), timestamp};
  if (batch.is_transactional() && entry.transaction_first_offset == kNoOffset) {
    SetOpenTransaction(&entry, base_offset);
  }
  return std::nullopt;
}

const ProducerEntry* ProducerStateTable::Find(ProducerId id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

void ProducerStateTable::Restore(ProducerId id, const std::optional<ProducerEntry>& entry) {
  const auto it = entries_.find(id);
  if (it != entries_.end()) {
    SetOpenTransaction(&it->second, kNoOffset);
    entries_.erase(it);
  }
  if (!entry.has_value()) return;
  ProducerEntry& restored = entries_[id] = *entry;
  if (restored.transaction_first_offset != kNoOffset) {
    open_transactions_.insert(restored.transaction_first_offset);
  }
}

std::optional<Offset> ProducerStateTable::FirstOpenTransaction() const {
  if (open_transactions_.empty()) return std::nullopt;
  return *open_transactions_.begin();
}

size_t ProducerStateTable::Expire(WallMillis before) {
  return std::erase_if(entries_, [before](const auto& item) {
    return item.second.transaction_first_offset == kNoOffset && item.second.last_timestamp < before;
  });
}

void ProducerStateTable::Clear() {
  entries_.clear();
  open_transactions_.clear();
}

std::string ProducerStateTable::Serialize() const {
  std::string bytes;
  bytes.reserve(10 + entries_.size() * kSnapshotEntryBytes);
  AppendBe16(&bytes, kSnapshotVersion);
  AppendBe32(&bytes, 0);  // the CRC, below
  AppendBe32(&bytes, static_cast<int32_t>(entries_.size()));
  for (const auto& [id, entry] : entries_) {
    AppendBe64(&bytes, id.value());
    AppendBe16(&bytes, entry.epoch.value());
    AppendBe32(&bytes, entry.last_sequence());
    AppendBe64(&bytes, entry.last_offset().value());
    AppendBe32(&bytes,
               entry.batch_count == 0 ? 0 : entry.batches[entry.batch_count - 1].offset_delta);
    AppendBe64(&bytes, entry.last_timestamp);
    AppendBe32(&bytes, entry.coordinator_epoch);
    AppendBe64(&bytes, entry.transaction_first_offset.value());
  }
  const uint32_t crc = Crc32c(std::string_view(bytes).substr(kSnapshotCoveredAt));
  StoreBe32(bytes.data() + kSnapshotCrcAt, static_cast<int32_t>(crc));
  return bytes;
}

absl::StatusOr<ProducerStateTable> ProducerStateTable::Parse(std::string_view bytes) {
  if (bytes.size() < 10 || LoadBe16(bytes.data()) != kSnapshotVersion) {
    return absl::DataLossError("producer snapshot: cut short or unknown version");
  }
  const auto crc = static_cast<uint32_t>(LoadBe32(bytes.data() + kSnapshotCrcAt));
  if (crc != Crc32c(bytes.substr(kSnapshotCoveredAt))) {
    return absl::DataLossError("producer snapshot: CRC mismatch");
  }
  const int32_t count = LoadBe32(bytes.data() + kSnapshotCoveredAt);
  if (count < 0 || bytes.size() != 10 + static_cast<size_t>(count) * kSnapshotEntryBytes) {
    return absl::DataLossError("producer snapshot: size does not fit its count");
  }
  ProducerStateTable table;
  for (int32_t i = 0; i < count; ++i) {
    const char* p = bytes.data() + 10 + static_cast<size_t>(i) * kSnapshotEntryBytes;
    ProducerEntry entry;
    const ProducerId id(LoadBe64(p));
    entry.epoch = ProducerEpoch(LoadBe16(p + 8));
    entry.last_timestamp = LoadBe64(p + 26);
    entry.coordinator_epoch = LoadBe32(p + 34);
    entry.transaction_first_offset = Offset(LoadBe64(p + 38));
    const ProducerBatch last{LoadBe32(p + 10), Offset(LoadBe64(p + 14)), LoadBe32(p + 22),
                             entry.last_timestamp};
    if (last.last_offset >= Offset(0)) entry.batches[entry.batch_count++] = last;
    table.Restore(id, entry);
  }
  return table;
}

}  // namespace quorate
