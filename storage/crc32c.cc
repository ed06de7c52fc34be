#include "storage/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace quorate {

uint32_t Crc32cExtend(uint32_t crc, std::string_view bytes) {
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const size_t length = std::min<size_t>(bytes.size(), 1u << 30);  // the library takes an int
    // The library's parameter is not const, but it only reads.
    auto* start = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    state = crc32_iscsi(start, static_cast<int>(length), state);
    bytes.remove_prefix(length);
  }
  return ~state;
}

uint32_t Crc32c(std::string_view bytes) { return Crc32cExtend(0, bytes); }

}  // namespace quorate
