#include "storage/record_iterator.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "storage/byte_order.h"
#include "storage/compression.h"

namespace quorate {
namespace {

absl::Status Malformed(const char* what) {
  return absl::DataLossError(absl::StrFormat("malformed record: %s", what));
}

// Takes length-prefixed bytes off `*in`; -1 is null.
absl::Status TakeBytes(std::string_view* in, std::optional<std::string_view>* out) {
  const std::optional<int64_t> length = TakeVarint(in);
  if (!length.has_value() || *length < -1) return Malformed("length");
  if (*length == -1) {
    out->reset();
    return absl::OkStatus();
  }
  if (static_cast<uint64_t>(*length) > in->size()) return Malformed("bytes cut short");
  *out = in->substr(0, static_cast<size_t>(*length));
  in->remove_prefix(static_cast<size_t>(*length));
  return absl::OkStatus();
}

absl::Status TakeHeaders(std::string_view* in, std::vector<RecordHeader>* out) {
  const std::optional<int64_t> count = TakeVarint(in);
  // A header takes at least two bytes.
  if (!count.has_value() || *count < 0 || static_cast<uint64_t>(*count) > in->size() / 2 + 1) {
    return Malformed("header count");
  }
  for (int64_t i = 0; i < *count; ++i) {
    std::optional<std::string_view> key;
    RecordHeader header;
    Q_RETURN_IF_ERROR(TakeBytes(in, &key));
    if (!key.has_value()) return Malformed("null header key");
    header.key = *key;
    Q_RETURN_IF_ERROR(TakeBytes(in, &header.value));
    out->push_back(header);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecordIterator> RecordIterator::Open(const RecordBatchView& batch,
                                                    size_t max_decompressed_bytes) {
  RecordIterator iterator(batch);
  iterator.left_ = batch.record_count();
  if (batch.codec() == CompressionCodec::kNone) {
    iterator.rest_ = batch.payload();
    return iterator;
  }
  Q_ASSIGN_OR_RETURN(std::string bytes,
                     Decompress(batch.codec(), batch.payload(), max_decompressed_bytes));
  iterator.decompressed_ = std::make_shared<const std::string>(std::move(bytes));
  iterator.rest_ = *iterator.decompressed_;
  return iterator;
}

absl::StatusOr<std::optional<Record>> RecordIterator::Next() {
  if (left_ <= 0) {
    if (!rest_.empty()) return Malformed("bytes after the last one");
    return std::nullopt;
  }
  const std::optional<int64_t> length = TakeVarint(&rest_);
  if (!length.has_value() || *length < 1 || static_cast<uint64_t>(*length) > rest_.size()) {
    return Malformed("size");
  }
  std::string_view body = rest_.substr(0, static_cast<size_t>(*length));
  rest_.remove_prefix(body.size());
  body.remove_prefix(1);  // attributes
  const std::optional<int64_t> timestamp_delta = TakeVarint(&body);
  const std::optional<int64_t> offset_delta = TakeVarint(&body);
  if (!timestamp_delta.has_value() || !offset_delta.has_value()) return Malformed("deltas");
  if (*offset_delta < 0 || *offset_delta > batch_.last_offset_delta()) {
    return Malformed("offset delta outside the batch");
  }
  Record record;
  record.offset = batch_.base_offset() + *offset_delta;
  record.timestamp = batch_.timestamp_type() == TimestampType::kLogAppendTime
                         ? batch_.max_timestamp()
                         : static_cast<int64_t>(static_cast<uint64_t>(batch_.base_timestamp()) +
                                                static_cast<uint64_t>(*timestamp_delta));
  Q_RETURN_IF_ERROR(TakeBytes(&body, &record.key));
  Q_RETURN_IF_ERROR(TakeBytes(&body, &record.value));
  Q_RETURN_IF_ERROR(TakeHeaders(&body, &record.headers));
  if (!body.empty()) return Malformed("bytes after its headers");
  --left_;
  return record;
}

absl::StatusOr<ControlRecordType> ControlTypeOf(const RecordBatchView& batch) {
  Q_ASSIGN_OR_RETURN(RecordIterator records, RecordIterator::Open(batch, 1 << 20));
  Q_ASSIGN_OR_RETURN(std::optional<Record> record, records.Next());
  if (!record.has_value() || !record->key.has_value() || record->key->size() < 4) {
    return Malformed("key of a control record");
  }
  return static_cast<ControlRecordType>(LoadBe16(record->key->data() + 2));
}

}  // namespace quorate
