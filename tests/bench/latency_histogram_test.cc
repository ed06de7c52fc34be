#include "tests/bench/latency_histogram.h"

#include <gtest/gtest.h>

namespace quorate::bench {
namespace {

TEST(LatencyHistogramTest, EmptyHasZeroPercentiles) {
  EXPECT_EQ(LatencyHistogram().Percentile(0.99), 0);
}

TEST(LatencyHistogramTest, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.Add(i);
  EXPECT_EQ(histogram.Percentile(0.5), 50);
  EXPECT_EQ(histogram.Percentile(0.99), 99);
  EXPECT_EQ(histogram.Percentile(1.0), 100);
}

TEST(LatencyHistogramTest, APercentileIsNeverBelowAndAtMostOneSixtyFourthAbove) {
  for (int64_t value = 1; value < int64_t{1} << 43; value = value * 3 + 1) {
    LatencyHistogram histogram;
    histogram.Add(value);
    histogram.Add(int64_t{1} << 43);
    const int64_t p50 = histogram.Percentile(0.5);
    EXPECT_GE(p50, value);
    EXPECT_LE(p50 - value, value / 64);
  }
}

TEST(LatencyHistogramTest, ValuesOutOfRangeAreCounted) {
  LatencyHistogram histogram;
  histogram.Add(-5);
  histogram.Add(int64_t{1} << 60);
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.Percentile(0.5), 0);
}

TEST(LatencyHistogramTest, TheMaximumIsExact) {
  LatencyHistogram histogram;
  histogram.Add(1'000'003);
  EXPECT_EQ(histogram.max(), 1'000'003);
  EXPECT_EQ(histogram.Percentile(1.0), 1'000'003);
}

}  // namespace
}  // namespace quorate::bench
