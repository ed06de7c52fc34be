#include "broker/group/group_placement.h"

#include <limits>

#include "base/check.h"

namespace quorate {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

// Takes one code point off the front of `text`.
uint32_t NextCodePoint(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  size_t length = 1;
  uint32_t point = lead;
  uint32_t least = 0;
  if (lead >= 0xf0 && lead < 0xf8) {
    length = 4;
    point = lead & 0x07u;
    least = 0x10000;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    length = 3;
    point = lead & 0x0fu;
    least = 0x800;
  } else if (lead >= 0xc0 && lead < 0xe0) {
    length = 2;
    point = lead & 0x1fu;
    least = 0x80;
  } else if (lead >= 0x80) {
    point = kReplacement;
  }
  bool valid = length <= text.size();
  for (size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0u) == 0x80u;
    point = (point << 6) | (byte(i) & 0x3fu);
  }
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (!valid || point < least || point > 0x10ffff || surrogate) {
    length = 1;
    point = kReplacement;
  }
  text.remove_prefix(length);
  return point;
}

}  // namespace

int32_t JavaStringHash(std::string_view text) {
  uint32_t hash = 0;
  while (!text.empty()) {
    const uint32_t point = NextCodePoint(text);
    if (point < 0x10000) {
      hash = hash * 31 + point;
    } else {
      hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
      hash = hash * 31 + (0xdc00 + ((point - 0x10000) & 0x3ff));
    }
  }
  return static_cast<int32_t>(hash);
}

PartitionIndex PartitionForGroup(std::string_view group_id, int32_t partitions) {
  QCHECK_GT(partitions, 0);
  const int32_t hash = JavaStringHash(group_id);
  if (hash == std::numeric_limits<int32_t>::min()) return PartitionIndex(0);
  return PartitionIndex((hash < 0 ? -hash : hash) % partitions);
}

}  // namespace quorate
