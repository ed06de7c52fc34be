// proto/kafka/reader.h
//
// Reader takes the primitives of the Kafka protocol from a frame. The generated codecs are its
// main user.
//
// Errors are sticky: after the first one every read returns zero or empty, every count is 0, and
// status() says what was wrong at which byte. So a codec reads all its fields and asks once. Every
// length and count is compared with the bytes that are left before anything is allocated.
//
// `flexible` chooses the compact form (unsigned varint of length + 1) of strings, bytes, arrays.
//
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "base/uuid.h"

namespace quorate::kafka {

class Records;

// The longest string the protocol carries, bytes; longer ones are an error.
inline constexpr size_t kMaxStringLength = 32767;

class Reader {
 public:
  // Bytes, records and slices share the frame's buffer.
  explicit Reader(SharedBytes frame) : frame_(std::move(frame)), end_(frame_.size()) {}

  bool ok() const { return error_ == nullptr; }
  // OK, or kInvalidArgument with what was wrong and the position in the frame.
  absl::Status status() const;
  // status(), and also an error if bytes are left.
  absl::Status ExpectEnd();

  size_t position() const { return position_; }
  size_t remaining() const { return end_ - position_; }
  // All that is left, unread.
  SharedBytes Rest() const { return frame_.Slice(position_, remaining()); }

  bool Bool() { return Fixed<1>() != 0; }
  int8_t Int8() { return static_cast<int8_t>(Fixed<1>()); }
  int16_t Int16() { return static_cast<int16_t>(Fixed<2>()); }
  uint16_t Uint16() { return static_cast<uint16_t>(Fixed<2>()); }
  int32_t Int32() { return static_cast<int32_t>(Fixed<4>()); }
  uint32_t Uint32() { return static_cast<uint32_t>(Fixed<4>()); }
  int64_t Int64() { return static_cast<int64_t>(Fixed<8>()); }
  Uuid Uuid128();

  // Unsigned varint of at most 5 bytes; more than 32 bits are an error.
  uint32_t Varint();

  std::string String(bool flexible);
  // Null is an error unless `null_ok`.
  std::optional<std::string> NullableString(bool flexible, bool null_ok);
  SharedBytes Bytes(bool flexible);
  std::optional<SharedBytes> NullableBytes(bool flexible, bool null_ok);
  // One piece that shares the frame's buffer; none if empty, or null where `null_ok`.
  Records RecordSet(bool flexible, bool null_ok);

  // Arrays of integers, Uuid or std::string. Replaces what was in `out`.
  template <typename T>
  void Array(std::vector<T>& out, bool flexible) {
    ReadElements(out, flexible, Count(flexible, MinElementSize(T(), flexible), false));
  }
  template <typename T>
  void Array(std::optional<std::vector<T>>& out, bool flexible, bool null_ok) {
    const int64_t count = Count(flexible, MinElementSize(T(), flexible), null_ok);
    out.reset();
    if (count >= 0) ReadElements(out.emplace(), flexible, count);
  }

  // The length of an array whose elements take at least `min_size` (>= 1) bytes each; -1 for null,
  // which is an error unless `null_ok`. 0 after an error.
  int64_t Count(bool flexible, size_t min_size, bool null_ok);
  // How many of `count` elements to reserve before they are read: a count may lie.
  static size_t Reservation(int64_t count) {
    return static_cast<size_t>(count < kMaxReservation ? count : kMaxReservation);
  }

  // Whether a nullable structure follows. Null is an error unless `null_ok`.
  bool Present(bool null_ok);

  // A tagged field between BeginTag and EndTag, which may be read up to `end`.
  struct Tag {
    uint32_t id = 0;
    size_t end = 0;
    size_t outer_end = 0;
  };
  uint32_t TagCount();
  Tag BeginTag();
  // Skips the content of a tag that the codec does not know.
  void SkipTag(const Tag& tag);
  // REQUIRES: `tag` is the latest one begun. Content left unread is an error.
  void EndTag(const Tag& tag);
  // Skips a whole section of tagged fields.
  void SkipTags();

  // Ends reading with this error; `what` has static storage. The first error wins.
  void Fail(const char* what);

 private:
  static constexpr int64_t kMaxReservation = 1024;

  template <size_t N>
  uint64_t Fixed() {
    if (remaining() < N) {
      Fail("the frame ends inside a number");
      return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < N; ++i) {
      value = value << 8 | static_cast<uint8_t>(frame_.data()[position_ + i]);
    }
    position_ += N;
    return value;
  }

  template <typename T>
  static size_t MinElementSize(const T&, bool) {
    return sizeof(T);
  }
  static size_t MinElementSize(const std::string&, bool flexible) { return flexible ? 1 : 2; }

  template <typename T>
  void ReadElements(std::vector<T>& out, bool flexible, int64_t count) {
    out.clear();
    out.reserve(Reservation(count));
    for (; count > 0 && ok(); --count) ReadElement(out.emplace_back(), flexible);
  }
  void ReadElement(int8_t& out, bool) { out = Int8(); }
  void ReadElement(int16_t& out, bool) { out = Int16(); }
  void ReadElement(int32_t& out, bool) { out = Int32(); }
  void ReadElement(int64_t& out, bool) { out = Int64(); }
  void ReadElement(Uuid& out, bool) { out = Uuid128(); }
  void ReadElement(std::string& out, bool flexible) { out = String(flexible); }

  // The length before a string (2 bytes) or before bytes (4 bytes); -1 for null. Not more than
  // remaining().
  int64_t Length(bool flexible, size_t wide, bool null_ok);
  std::string_view Take(size_t length);

  SharedBytes frame_;
  size_t position_ = 0;  // <= end_
  size_t end_ = 0;       // end of what may be read now; = position_ after an error
  const char* error_ = nullptr;
  size_t error_position_ = 0;
};

}  // namespace quorate::kafka
