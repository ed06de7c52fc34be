#include "base/posix/posix_clock.h"

#include <time.h>

#include "base/check.h"

namespace quorate {

MonoTime PosixClock::Now() const {
  timespec now;
  QCHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
  return MonoTime(Micros(int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

WallMillis PosixClock::WallNow() const {
  timespec now;
  QCHECK_EQ(clock_gettime(CLOCK_REALTIME, &now), 0);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace quorate
