// raft/big_endian.h
//
// Integers of raft's own files, most significant byte first.
//
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

namespace quorate {

template <typename Unsigned>
void AppendBigEndian(Unsigned value, std::string* out) {
  for (int shift = 8 * (static_cast<int>(sizeof(Unsigned)) - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(static_cast<unsigned char>(value >> shift)));
  }
}

// REQUIRES: position + sizeof(Unsigned) <= bytes.size().
template <typename Unsigned>
Unsigned ReadBigEndian(std::string_view bytes, size_t position) {
  QCHECK_LE(position + sizeof(Unsigned), bytes.size());
  Unsigned value = 0;
  for (size_t i = 0; i < sizeof(Unsigned); ++i) {
    value = static_cast<Unsigned>((value << 8) | static_cast<unsigned char>(bytes[position + i]));
  }
  return value;
}

}  // namespace quorate
