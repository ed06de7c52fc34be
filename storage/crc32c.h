// storage/crc32c.h
//
// CRC-32C (Castagnoli), as in record batches and our own files. Uses the CPU's instructions.
//
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace quorate {

// The CRC-32C of `bytes`; Crc32c("123456789") == 0xe3069283.
uint32_t Crc32c(std::string_view bytes);

// The CRC-32C of A + `bytes`, where `crc` is that of A. Crc32cExtend(0, b) == Crc32c(b).
uint32_t Crc32cExtend(uint32_t crc, std::string_view bytes);

}  // namespace quorate
