// storage/byte_order.h
//
// Big-endian integers in byte buffers, and the zigzag varints of records.
//
// Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace quorate {

static_assert(std::endian::native == std::endian::little, "byte swaps below assume it");

inline int16_t LoadBe16(const char* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof(v));
  return static_cast<int16_t>(__builtin_bswap16(v));
}
inline int32_t LoadBe32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof(v));
  return static_cast<int32_t>(__builtin_bswap32(v));
}
inline int64_t LoadBe64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof(v));
  return static_cast<int64_t>(__builtin_bswap64(v));
}
inline void StoreBe16(char* p, int16_t value) {
  const uint16_t v = __builtin_bswap16(static_cast<uint16_t>(value));
  std::memcpy(p, &v, sizeof(v));
}
inline void StoreBe32(char* p, int32_t value) {
  const uint32_t v = __builtin_bswap32(static_cast<uint32_t>(value));
  std::memcpy(p, &v, sizeof(v));
}
inline void StoreBe64(char* p, int64_t value) {
  const uint64_t v = __builtin_bswap64(static_cast<uint64_t>(value));
  std::memcpy(p, &v, sizeof(v));
}

inline void AppendBe16(std::string* out, int16_t value) {
  char b[2];
  StoreBe16(b, value);
  out->append(b, sizeof(b));
}
inline void AppendBe32(std::string* out, int32_t value) {
  char b[4];
  StoreBe32(b, value);
  out->append(b, sizeof(b));
}
inline void AppendBe64(std::string* out, int64_t value) {
  char b[8];
  StoreBe64(b, value);
  out->append(b, sizeof(b));
}

// Appends `value` as a zigzag varint (at most 10 bytes).
inline void AppendVarint(std::string* out, int64_t value) {
  uint64_t v = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (v >= 0x80) {
    out->push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out->push_back(static_cast<char>(v));
}

// Takes a zigzag varint off the front of `*in`; nullopt (and `*in` as it was) if it is cut short or
// longer than 10 bytes.
inline std::optional<int64_t> TakeVarint(std::string_view* in) {
  uint64_t v = 0;
  for (size_t i = 0; i < in->size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>((*in)[i]);
    v |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      in->remove_prefix(i + 1);
      return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
    }
  }
  return std::nullopt;
}

}  // namespace quorate
