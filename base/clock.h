// base/clock.h
//
// Clock gives the two kinds of time. Everything that waits, expires or measures uses monotonic
// time; wall time only stamps records and log lines, and no decision about safety rests on it.
#pragma once

#include <chrono>
#include <cstdint>

namespace quorate {

using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;

// A point on a clock that never goes back. Comparable only within one process (or one simulated
// node); the zero point means nothing.
class MonoTime {
 public:
  constexpr MonoTime() = default;
  constexpr explicit MonoTime(Micros since_zero) : since_zero_(since_zero) {}
  constexpr Micros since_zero() const { return since_zero_; }
  constexpr auto operator<=>(const MonoTime&) const = default;
  constexpr MonoTime operator+(Micros d) const { return MonoTime(since_zero_ + d); }
  constexpr MonoTime operator-(Micros d) const { return MonoTime(since_zero_ - d); }
  constexpr Micros operator-(MonoTime other) const { return since_zero_ - other.since_zero_; }
  static constexpr MonoTime Max() { return MonoTime(Micros::max()); }

 private:
  Micros since_zero_{0};
};

// Milliseconds since 1970-01-01 UTC, as in records. May jump either way.
using WallMillis = int64_t;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual WallMillis WallNow() const = 0;
};

}  // namespace quorate
