#include "storage/record_batch_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/byte_order.h"
#include "storage/compression.h"
#include "storage/crc32c.h"

namespace quorate {
namespace {

void AppendOptionalBytes(std::string* out, const std::optional<std::string_view>& bytes) {
  if (!bytes.has_value()) {
    AppendVarint(out, -1);
    return;
  }
  AppendVarint(out, static_cast<int64_t>(bytes->size()));
  out->append(*bytes);
}

uint16_t AttributesOf(const BatchOptions& options) {
  uint16_t attributes = static_cast<uint16_t>(options.codec);
  if (options.timestamp_type == TimestampType::kLogAppendTime) attributes |= 0x08;
  if (options.transactional) attributes |= 0x10;
  if (options.control) attributes |= 0x20;
  return attributes;
}

}  // namespace

void RecordBatchBuilder::Add(WallMillis timestamp, std::optional<std::string_view> key,
                             std::optional<std::string_view> value,
                             std::span<const RecordHeader> headers) {
  if (count_ == 0) {
    base_timestamp_ = timestamp;
    max_timestamp_ = timestamp;
  }
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  std::string body;
  body.push_back(0);  // record attributes: none defined
  AppendVarint(&body, timestamp - base_timestamp_);
  AppendVarint(&body, next_delta_);
  AppendOptionalBytes(&body, key);
  AppendOptionalBytes(&body, value);
  AppendVarint(&body, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    AppendOptionalBytes(&body, header.key);
    AppendOptionalBytes(&body, header.value);
  }
  QCHECK_LT(records_.size() + body.size() + kBatchHeaderBytes + 10, size_t{INT32_MAX});
  AppendVarint(&records_, static_cast<int64_t>(body.size()));
  records_ += body;
  ++count_;
  ++next_delta_;
}

void RecordBatchBuilder::AddControl(WallMillis timestamp, ControlRecordType type,
                                    std::string_view value) {
  QCHECK(options_.control);
  std::string key;
  AppendBe16(&key, 0);
  AppendBe16(&key, static_cast<int16_t>(type));
  Add(timestamp, key, value);
}

std::string RecordBatchBuilder::Build() {
  QCHECK_GT(count_, 0);
  std::string payload = options_.codec == CompressionCodec::kNone
                            ? std::move(records_)
                            : Compress(options_.codec, records_);
  std::string covered;  // from the attributes on
  AppendBe16(&covered, static_cast<int16_t>(AttributesOf(options_)));
  AppendBe32(&covered, next_delta_ - 1);
  AppendBe64(&covered, base_timestamp_);
  AppendBe64(&covered, max_timestamp_);
  AppendBe64(&covered, options_.producer_id.value());
  AppendBe16(&covered, options_.producer_epoch.value());
  AppendBe32(&covered, options_.base_sequence);
  AppendBe32(&covered, count_);
  covered += payload;

  std::string batch;
  batch.reserve(kBatchHeaderBytes + payload.size());
  AppendBe64(&batch, options_.base_offset.value());
  AppendBe32(&batch, static_cast<int32_t>(covered.size() + 9));  // epoch, magic, CRC precede
  AppendBe32(&batch, options_.leader_epoch.value());
  batch.push_back(kBatchMagic);
  AppendBe32(&batch, static_cast<int32_t>(Crc32c(covered)));
  batch += covered;

  records_.clear();
  count_ = 0;
  next_delta_ = 0;
  base_timestamp_ = kNoTimestamp;
  max_timestamp_ = kNoTimestamp;
  return batch;
}

std::string BuildEndTransactionMarker(ProducerId producer_id, ProducerEpoch producer_epoch,
                                      bool commit, int32_t coordinator_epoch,
                                      WallMillis timestamp) {
  BatchOptions options;
  options.producer_id = producer_id;
  options.producer_epoch = producer_epoch;
  options.transactional = true;
  options.control = true;
  RecordBatchBuilder builder(options);
  std::string value;
  AppendBe16(&value, 0);
  AppendBe32(&value, coordinator_epoch);
  builder.AddControl(timestamp, commit ? ControlRecordType::kCommit : ControlRecordType::kAbort,
                     value);
  return builder.Build();
}

}  // namespace quorate
