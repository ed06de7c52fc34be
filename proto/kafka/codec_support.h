// proto/kafka/codec_support.h
//
// What the generated codecs share beyond Reader and Writer. Not for other users.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "proto/kafka/reader.h"
#include "proto/kafka/writer.h"

namespace quorate::kafka {

// Non-template parts, in codec_support.cc.
absl::Status UnsupportedVersion(std::string_view message, int version, int min, int max);
absl::Status UnknownRecordType(std::string_view message, int type);

// ERRORS: kUnimplemented if the codec of `Message` does not know `version`.
template <typename Message>
absl::Status CheckVersion(int16_t version) {
  if (version >= Message::kMinVersion && version <= Message::kMaxVersion) return absl::OkStatus();
  return UnsupportedVersion(Message::kName, version, Message::kMinVersion, Message::kMaxVersion);
}

template <typename T>
void ReadElements(Reader& in, std::vector<T>& out, int64_t count, int16_t version) {
  out.clear();
  out.reserve(Reader::Reservation(count));
  for (; count > 0 && in.ok(); --count) out.emplace_back().Read(in, version);
}

template <typename T>
void ReadStructs(Reader& in, std::vector<T>& out, bool flexible, size_t min_size, int16_t version) {
  ReadElements(in, out, in.Count(flexible, min_size, false), version);
}

template <typename T>
void ReadStructs(Reader& in, std::optional<std::vector<T>>& out, bool flexible, size_t min_size,
                 int16_t version, bool null_ok) {
  const int64_t count = in.Count(flexible, min_size, null_ok);
  out.reset();
  if (count >= 0) ReadElements(in, out.emplace(), count, version);
}

template <typename T>
void WriteStructs(Writer& out, const std::vector<T>& values, bool flexible, int16_t version) {
  out.Count(values.size(), flexible);
  for (const T& value : values) value.Write(out, version);
}

template <typename T>
void WriteStructs(Writer& out, const std::optional<std::vector<T>>& values, bool flexible,
                  int16_t version, bool null_ok) {
  if (values.has_value()) {
    WriteStructs(out, *values, flexible, version);
  } else if (null_ok) {
    out.NullCount(flexible);
  } else {
    out.Count(0, flexible);
  }
}

// Keys of internal topics: int16 record type, then the fields.
template <typename Key>
absl::StatusOr<Key> KeyFromBytes(SharedBytes bytes, std::initializer_list<int16_t> types) {
  Reader in(std::move(bytes));
  const int16_t type = in.Int16();
  Q_RETURN_IF_ERROR(in.status());
  for (const int16_t known : types) {
    if (type != known) continue;
    Key key;
    key.Read(in, 0);
    Q_RETURN_IF_ERROR(in.ExpectEnd());
    return key;
  }
  return UnknownRecordType(Key::kName, type);
}

template <typename Key>
std::string KeyToBytes(const Key& key) {
  Writer out;
  out.Int16(Key::kRecordType);
  key.Write(out, 0);
  return out.ToString();
}

// Values of internal topics: int16 version, then the fields.
template <typename Value>
absl::StatusOr<Value> ValueFromBytes(SharedBytes bytes) {
  Reader in(std::move(bytes));
  const int16_t version = in.Int16();
  Q_RETURN_IF_ERROR(in.status());
  Value value;
  Q_RETURN_IF_ERROR(value.Decode(in, version));
  Q_RETURN_IF_ERROR(in.ExpectEnd());
  return value;
}

template <typename Value>
std::string ValueToBytes(const Value& value, int16_t version) {
  Writer out;
  out.Int16(version);
  value.Encode(out, version);
  return out.ToString();
}

}  // namespace quorate::kafka
