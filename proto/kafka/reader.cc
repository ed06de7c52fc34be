#include "proto/kafka/reader.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/records.h"

namespace quorate::kafka {

absl::Status Reader::status() const {
  if (ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s, at byte %d of %d", error_, error_position_, frame_.size()));
}

absl::Status Reader::ExpectEnd() {
  if (ok() && remaining() > 0) Fail("bytes follow the end of the message");
  return status();
}

void Reader::Fail(const char* what) {
  if (error_ != nullptr) return;
  error_ = what;
  error_position_ = position_;
  end_ = position_;
}

std::string_view Reader::Take(size_t length) {
  if (remaining() < length) {
    Fail("the frame ends inside a field");
    return {};
  }
  const std::string_view taken = frame_.view().substr(position_, length);
  position_ += length;
  return taken;
}

Uuid Reader::Uuid128() {
  const std::string_view bytes = Take(16);
  return bytes.size() == 16 ? Uuid::FromBytes(bytes) : Uuid();
}

uint32_t Reader::Varint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (remaining() == 0) {
      Fail("the frame ends inside a varint");
      return 0;
    }
    const auto byte = static_cast<uint8_t>(frame_.data()[position_]);
    if (shift == 28 && byte > 0x0f) break;
    ++position_;
    value |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  Fail("a varint has more than 32 bits");
  return 0;
}

int64_t Reader::Length(bool flexible, size_t wide, bool null_ok) {
  int64_t length;
  if (flexible) {
    length = static_cast<int64_t>(Varint()) - 1;
  } else {
    length = wide == 2 ? Int16() : Int32();
  }
  if (!ok()) return 0;
  if (length < -1) {
    Fail("a negative length");
  } else if (length == -1 && !null_ok) {
    Fail("null in a field that allows none");
  } else if (length > static_cast<int64_t>(remaining())) {
    Fail("a length exceeds the rest of the frame");
  }
  return ok() ? length : 0;
}

std::string Reader::String(bool flexible) {
  return NullableString(flexible, false).value_or(std::string());
}

std::optional<std::string> Reader::NullableString(bool flexible, bool null_ok) {
  const int64_t length = Length(flexible, 2, null_ok);
  if (length < 0) return std::nullopt;
  if (length > static_cast<int64_t>(kMaxStringLength)) {
    Fail("a string is longer than 32767 bytes");
    return std::string();
  }
  return std::string(Take(static_cast<size_t>(length)));
}

SharedBytes Reader::Bytes(bool flexible) {
  return NullableBytes(flexible, false).value_or(SharedBytes());
}

std::optional<SharedBytes> Reader::NullableBytes(bool flexible, bool null_ok) {
  const int64_t length = Length(flexible, 4, null_ok);
  if (length < 0) return std::nullopt;
  return frame_.Wrap(Take(static_cast<size_t>(length)));
}

Records Reader::RecordSet(bool flexible, bool null_ok) {
  std::optional<SharedBytes> bytes = NullableBytes(flexible, null_ok);
  if (!bytes.has_value()) return Records();
  return Records(*std::move(bytes));
}

int64_t Reader::Count(bool flexible, size_t min_size, bool null_ok) {
  const int64_t count = flexible ? static_cast<int64_t>(Varint()) - 1 : Int32();
  if (!ok()) return 0;
  if (count < -1) {
    Fail("a negative array length");
  } else if (count == -1 && !null_ok) {
    Fail("null in an array that allows none");
  } else if (count > static_cast<int64_t>(remaining() / min_size)) {
    Fail("an array length exceeds the rest of the frame");
  }
  return ok() ? count : 0;
}

bool Reader::Present(bool null_ok) {
  const bool present = Int8() >= 0;
  if (!present && !null_ok) Fail("null in a structure that allows none");
  return present && ok();
}

uint32_t Reader::TagCount() {
  const uint32_t count = Varint();
  if (count > remaining() / 2) {  // a tag takes at least its number and its size
    Fail("a count of tagged fields exceeds the rest of the frame");
    return 0;
  }
  return count;
}

Reader::Tag Reader::BeginTag() {
  Tag tag;
  tag.id = Varint();
  const uint32_t size = Varint();
  tag.outer_end = end_;
  if (size > remaining()) {
    Fail("the size of a tagged field exceeds the rest of the frame");
  } else if (ok()) {
    end_ = position_ + size;
  }
  tag.end = end_;
  return tag;
}

void Reader::SkipTag(const Tag& tag) {
  if (ok()) position_ = tag.end;
}

void Reader::EndTag(const Tag& tag) {
  if (ok() && position_ != tag.end) Fail("a tagged field is shorter than its size");
  if (ok()) end_ = tag.outer_end;
}

void Reader::SkipTags() {
  for (uint32_t n = TagCount(); n > 0 && ok(); --n) {
    const Tag tag = BeginTag();
    SkipTag(tag);
    EndTag(tag);
  }
}

}  // namespace quorate::kafka
