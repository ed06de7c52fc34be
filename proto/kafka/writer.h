// proto/kafka/writer.h
//
// Writer builds the primitives of the Kafka protocol into one growing buffer and splices records
// in without copying them. The counterpart of Reader.
//
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/uuid.h"

namespace quorate {
struct FileSlice;
using OutPiece = std::variant<SharedBytes, FileSlice>;  // as in base/network.h
}  // namespace quorate

namespace quorate::kafka {

class Records;

class Writer {
 public:
  Writer();
  ~Writer();
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;

  void Bool(bool value) { Fixed<1>(value ? 1 : 0); }
  void Int8(int8_t value) { Fixed<1>(static_cast<uint64_t>(value)); }
  void Int16(int16_t value) { Fixed<2>(static_cast<uint64_t>(value)); }
  void Uint16(uint16_t value) { Fixed<2>(value); }
  void Int32(int32_t value) { Fixed<4>(static_cast<uint64_t>(value)); }
  void Uint32(uint32_t value) { Fixed<4>(value); }
  void Int64(int64_t value) { Fixed<8>(static_cast<uint64_t>(value)); }
  void Uuid128(const Uuid& value);
  void Varint(uint32_t value);
  // Bytes as they are, without a length.
  void Raw(std::string_view bytes);

  // A string of more than 32,767 bytes, which the protocol cannot carry, is cut there.
  void String(std::string_view value, bool flexible);
  // Where null is not allowed it is written as empty; so too in the other Nullable forms.
  void NullableString(const std::optional<std::string>& value, bool flexible, bool null_ok);
  // REQUIRES: value.size() < 2^31 - 1.
  void Bytes(const SharedBytes& value, bool flexible);
  void NullableBytes(const std::optional<SharedBytes>& value, bool flexible, bool null_ok);
  // The pieces are spliced in; none is copied. REQUIRES: value.size() < 2^31 - 1.
  void RecordSet(const Records& value, bool flexible);

  // The length before an array. REQUIRES: count < 2^31 - 1.
  void Count(size_t count, bool flexible);
  void NullCount(bool flexible);

  // Arrays of integers, Uuid or std::string.
  template <typename T>
  void Array(const std::vector<T>& values, bool flexible) {
    Count(values.size(), flexible);
    for (const T& value : values) WriteElement(value, flexible);
  }
  template <typename T>
  void Array(const std::optional<std::vector<T>>& values, bool flexible, bool null_ok) {
    if (values.has_value()) {
      Array(*values, flexible);
    } else if (null_ok) {
      NullCount(flexible);
    } else {
      Count(0, flexible);
    }
  }

  // A tagged field: number, size, content. REQUIRES: `content` has no records.
  void Tag(uint32_t id, const Writer& content);

  // Bytes written so far, those of records included.
  size_t size() const { return size_ - kHeadroom + spliced_; }

  // What was written, in order; the writer is empty afterwards.
  std::vector<OutPiece> Finish();
  // The same behind its 4-byte size. REQUIRES: size() < 2^31.
  std::vector<OutPiece> FinishFrame();
  // What was written, as one string. REQUIRES: no file slices in records.
  std::string ToString() const;

 private:
  struct Splice;
  static constexpr size_t kHeadroom = 4;  // for the frame's size

  // Room for `n` bytes at the end, counted as written.
  char* Extend(size_t n) {
    if (size_ + n > capacity_) Grow(n);
    char* at = buffer_.get() + size_;
    size_ += n;
    return at;
  }
  void Grow(size_t n);
  std::vector<OutPiece> TakePieces(size_t begin);

  template <size_t N>
  void Fixed(uint64_t value) {
    char* at = Extend(N);
    for (size_t i = 0; i < N; ++i) at[i] = static_cast<char>(value >> (8 * (N - 1 - i)));
  }

  void WriteElement(int8_t value, bool) { Int8(value); }
  void WriteElement(int16_t value, bool) { Int16(value); }
  void WriteElement(int32_t value, bool) { Int32(value); }
  void WriteElement(int64_t value, bool) { Int64(value); }
  void WriteElement(const Uuid& value, bool) { Uuid128(value); }
  void WriteElement(const std::string& value, bool flexible) { String(value, flexible); }

  void Length(size_t length, bool flexible);  // before bytes or records

  std::unique_ptr<char[]> buffer_;  // the first kHeadroom bytes wait for the frame's size
  size_t size_ = kHeadroom;
  size_t capacity_ = 0;
  std::vector<Splice> splices_;  // by position in buffer_
  size_t spliced_ = 0;           // bytes in splices_
};

}  // namespace quorate::kafka
