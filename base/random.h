// base/random.h
//
// Random is the only source of randomness in production code; a simulation gives every node one
// that follows from its seed.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace quorate {

// A stream of random numbers. Thread-compatible; real ones are made per loop.
class Random {
 public:
  virtual ~Random() = default;

  // 64 uniform random bits.
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound). REQUIRES: bound > 0. (The modulo bias of at most bound / 2^64 is
  // accepted.)
  uint64_t Below(uint64_t bound) {
    QCHECK_GT(bound, 0u);
    return Next() % bound;
  }
  // Uniform in [low, high]. REQUIRES: low <= high.
  int64_t Between(int64_t low, int64_t high) {
    QCHECK_LE(low, high);
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  // True with probability `p`, 0 <= p <= 1.
  bool Chance(double p) { return static_cast<double>(Next() >> 11) * 0x1.0p-53 < p; }
};

// A small deterministic generator (SplitMix64): equal seeds give equal streams on all machines.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace quorate
