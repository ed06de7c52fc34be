// base/posix/posix_clock.h
#pragma once

#include "base/clock.h"

namespace quorate {

// The machine's clocks: CLOCK_MONOTONIC (does not count suspend) and CLOCK_REALTIME. Thread-safe.
class PosixClock final : public Clock {
 public:
  MonoTime Now() const override;
  WallMillis WallNow() const override;
};

}  // namespace quorate
