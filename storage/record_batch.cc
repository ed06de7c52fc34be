#include "storage/record_batch.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace quorate {
namespace {

// Positions of the header's fields.
constexpr size_t kLengthAt = 8;
constexpr size_t kLeaderEpochAt = 12;
constexpr size_t kMagicAt = 16;
constexpr size_t kCrcAt = 17;
constexpr size_t kAttributesAt = 21;
constexpr size_t kLastOffsetDeltaAt = 23;
constexpr size_t kBaseTimestampAt = 27;
constexpr size_t kMaxTimestampAt = 35;
constexpr size_t kProducerIdAt = 43;
constexpr size_t kProducerEpochAt = 51;
constexpr size_t kBaseSequenceAt = 53;
constexpr size_t kCountAt = 57;

constexpr uint16_t kLogAppendTimeBit = 0x08;

}  // namespace

absl::StatusOr<RecordBatchView> RecordBatchView::ParseHeader(std::string_view header) {
  if (header.size() < kBatchHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrFormat("batch header cut short: %d bytes of %d",
                                                      header.size(), kBatchHeaderBytes));
  }
  const int32_t length = LoadBe32(header.data() + kLengthAt);
  if (length < static_cast<int32_t>(kBatchHeaderBytes - kBatchPrefixBytes)) {
    return absl::InvalidArgumentError(absl::StrFormat("impossible batch length %d", length));
  }
  const int8_t magic = static_cast<int8_t>(header[kMagicAt]);
  if (magic != kBatchMagic) {
    return absl::InvalidArgumentError(absl::StrFormat("batch magic %d, only 2 is known", magic));
  }
  return RecordBatchView(header.substr(0, kBatchHeaderBytes));
}

absl::StatusOr<RecordBatchView> RecordBatchView::Parse(std::string_view bytes) {
  Q_ASSIGN_OR_RETURN(RecordBatchView batch, ParseHeader(bytes));
  const auto size = static_cast<size_t>(batch.size_bytes());
  if (size > bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("batch of %d bytes cut short after %d", size, bytes.size()));
  }
  batch.bytes_ = bytes.substr(0, size);
  return batch;
}

int64_t RecordBatchView::size_bytes() const {
  return int64_t{LoadBe32(bytes_.data() + kLengthAt)} + static_cast<int64_t>(kBatchPrefixBytes);
}
Offset RecordBatchView::base_offset() const { return Offset(LoadBe64(bytes_.data())); }
Offset RecordBatchView::last_offset() const {
  // Unsigned: a hostile base offset must not overflow.
  return Offset(static_cast<int64_t>(static_cast<uint64_t>(LoadBe64(bytes_.data())) +
                                     static_cast<uint64_t>(int64_t{last_offset_delta()})));
}
LeaderEpoch RecordBatchView::leader_epoch() const {
  return LeaderEpoch(LoadBe32(bytes_.data() + kLeaderEpochAt));
}
uint32_t RecordBatchView::crc() const {
  return static_cast<uint32_t>(LoadBe32(bytes_.data() + kCrcAt));
}
uint16_t RecordBatchView::attributes() const {
  return static_cast<uint16_t>(LoadBe16(bytes_.data() + kAttributesAt));
}
int32_t RecordBatchView::last_offset_delta() const {
  return LoadBe32(bytes_.data() + kLastOffsetDeltaAt);
}
WallMillis RecordBatchView::base_timestamp() const {
  return LoadBe64(bytes_.data() + kBaseTimestampAt);
}
WallMillis RecordBatchView::max_timestamp() const {
  return LoadBe64(bytes_.data() + kMaxTimestampAt);
}
ProducerId RecordBatchView::producer_id() const {
  return ProducerId(LoadBe64(bytes_.data() + kProducerIdAt));
}
ProducerEpoch RecordBatchView::producer_epoch() const {
  return ProducerEpoch(LoadBe16(bytes_.data() + kProducerEpochAt));
}
int32_t RecordBatchView::base_sequence() const { return LoadBe32(bytes_.data() + kBaseSequenceAt); }
int32_t RecordBatchView::last_sequence() const {
  const int32_t base = base_sequence();
  if (base < 0) return -1;
  return static_cast<int32_t>((int64_t{base} + last_offset_delta()) & INT64_C(0x7fffffff));
}
int32_t RecordBatchView::record_count() const { return LoadBe32(bytes_.data() + kCountAt); }

bool RecordBatchView::VerifyCrc() const {
  QCHECK_EQ(static_cast<int64_t>(bytes_.size()), size_bytes());
  return Crc32c(bytes_.substr(kAttributesAt)) == crc();
}

absl::Status ValidateBatch(const RecordBatchView& batch, const BatchLimits& limits,
                           BatchOrigin origin) {
  if (batch.size_bytes() > limits.max_batch_bytes) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "batch too large: %d bytes, at most %d", batch.size_bytes(), limits.max_batch_bytes));
  }
  if (!batch.VerifyCrc()) {
    return absl::DataLossError(
        absl::StrFormat("batch of %d bytes: CRC mismatch", batch.size_bytes()));
  }
  if ((batch.attributes() & 0x07) > 4) {
    return absl::InvalidArgumentError(
        absl::StrFormat("unknown compression codec %d", batch.attributes() & 0x07));
  }
  const int64_t delta = batch.last_offset_delta();
  const int64_t count = batch.record_count();
  const bool counts_fit = origin.compacted_allowed ? (count >= 0 && count <= delta + 1)
                                                   : (count >= 1 && count == delta + 1);
  if (delta < 0 || !counts_fit) {
    return absl::InvalidArgumentError(
        absl::StrFormat("batch of %d records with last offset delta %d", count, delta));
  }
  if (batch.is_control() && !limits.control_allowed) {
    return absl::InvalidArgumentError("control batch from a client");
  }
  if (batch.has_producer_id() && batch.producer_epoch() < ProducerEpoch(0)) {
    return absl::InvalidArgumentError("producer id without producer epoch");
  }
  // Without a producer id the epoch and the sequence mean nothing; kafkajs sends zeros there.
  if (!batch.has_producer_id() && batch.is_transactional()) {
    return absl::InvalidArgumentError("transaction without producer id");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RecordBatchView>> ValidateBatches(std::string_view bytes,
                                                             const BatchLimits& limits,
                                                             BatchOrigin origin) {
  std::vector<RecordBatchView> batches;
  size_t position = 0;
  if (bytes.empty()) return absl::InvalidArgumentError("no batch");
  while (position < bytes.size()) {
    absl::StatusOr<RecordBatchView> batch = RecordBatchView::Parse(bytes.substr(position));
    absl::Status status = batch.status();
    if (status.ok()) status = ValidateBatch(*batch, limits, origin);
    if (!status.ok()) {
      return absl::Status(status.code(),
                          absl::StrFormat("%s (at byte %d of %d)", std::string(status.message()),
                                          position, bytes.size()));
    }
    if (batches.size() >= static_cast<size_t>(limits.max_batches)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("more than %d batches", limits.max_batches));
    }
    position += static_cast<size_t>(batch->size_bytes());
    batches.push_back(*batch);
  }
  return batches;
}

void PatchBatchHeader(char* header, Offset base_offset, LeaderEpoch epoch) {
  StoreBe64(header, base_offset.value());
  StoreBe32(header + kLeaderEpochAt, epoch.value());
}

void StampLogAppendTime(char* header, std::string_view payload, WallMillis now) {
  const auto attributes = static_cast<uint16_t>(LoadBe16(header + kAttributesAt));
  StoreBe16(header + kAttributesAt, static_cast<int16_t>(attributes | kLogAppendTimeBit));
  StoreBe64(header + kMaxTimestampAt, now);
  const std::string_view covered(header + kAttributesAt, kBatchHeaderBytes - kAttributesAt);
  StoreBe32(header + kCrcAt, static_cast<int32_t>(Crc32cExtend(Crc32c(covered), payload)));
}

}  // namespace quorate
