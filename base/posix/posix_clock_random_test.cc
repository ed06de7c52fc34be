#include <ctime>
#include <set>

#include "base/posix/posix_clock.h"
#include "base/posix/posix_random.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(PosixClockTest, MonotonicTimeNeverGoesBack) {
  PosixClock clock;
  MonoTime last = clock.Now();
  for (int i = 0; i < 10'000; ++i) {
    const MonoTime now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(PosixClockTest, WallTimeIsMillisecondsSinceTheEpoch) {
  EXPECT_NEAR(static_cast<double>(PosixClock().WallNow()), std::time(nullptr) * 1000.0, 5000);
}

TEST(PosixRandomTest, GeneratorsDifferAndDoNotRepeat) {
  std::set<uint64_t> seen;
  for (int generator = 0; generator < 10; ++generator) {
    PosixRandom random;
    for (int i = 0; i < 1000; ++i) seen.insert(random.Next());
  }
  EXPECT_EQ(seen.size(), 10'000u);
}

TEST(PosixRandomTest, EveryBitIsSetAboutHalfOfTheTime) {
  PosixRandom random;
  int ones[64] = {};
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t word = random.Next();
    for (int bit = 0; bit < 64; ++bit) ones[bit] += static_cast<int>(word >> bit & 1);
  }
  for (int count : ones) EXPECT_NEAR(count, 5000, 500);  // ten standard deviations
}

}  // namespace
}  // namespace quorate
