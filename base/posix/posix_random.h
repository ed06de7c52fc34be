// base/posix/posix_random.h
#pragma once

#include <array>
#include <cstdint>

#include "base/random.h"

namespace quorate {

// xoshiro256** seeded with 256 bits from getrandom(2): two of them never share a stream in
// practice. Fast, not for secrets. Thread-compatible: one per loop.
// Source: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators".
class PosixRandom final : public Random {
 public:
  PosixRandom();
  uint64_t Next() override;

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace quorate
