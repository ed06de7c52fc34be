#include "controller/image/state_hash.h"

#include <cstring>

#include "absl/strings/str_format.h"

namespace quorate {
namespace {

// The finaliser of SplitMix64: a bijection that spreads every bit.
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// 64 bits of `bytes` for one `seed`; the same on every machine.
uint64_t HashBytes(std::string_view bytes, uint64_t seed) {
  uint64_t hash = Mix(seed ^ bytes.size());
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t n = bytes.size() < 8 ? bytes.size() : 8;
    for (size_t i = 0; i < n; ++i) {
      word |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    }
    hash = Mix(hash * 0x9e3779b97f4a7c15u + word + seed);
    bytes.remove_prefix(n);
  }
  return Mix(hash + 0x632be59bd9b4e019u);
}

constexpr uint64_t kHighSeed = 0x243f6a8885a308d3u;
constexpr uint64_t kLowSeed = 0x13198a2e03707344u;

}  // namespace

void StateHash::Add(std::string_view entry) {
  high_ += HashBytes(entry, kHighSeed);
  low_ += HashBytes(entry, kLowSeed);
}

void StateHash::Remove(std::string_view entry) {
  high_ -= HashBytes(entry, kHighSeed);
  low_ -= HashBytes(entry, kLowSeed);
}

std::string StateHash::ToString() const { return absl::StrFormat("%016x%016x", high_, low_); }

}  // namespace quorate
