// tests/bench/latency_histogram.h
//
// LatencyHistogram counts durations in buckets at most 1/64 wide relative to their value, so that
// a percentile of many millions of samples costs no memory per sample.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::bench {

// Thread-compatible.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // Counts one duration in nanoseconds; a negative one counts as 0.
  void Add(int64_t nanoseconds);

  int64_t count() const { return count_; }
  int64_t max() const { return max_; }

  // Returns the duration, in nanoseconds, that `share` (0 to 1) of the samples do not exceed: the
  // upper edge of its bucket, at most max(). 0 if there are no samples.
  int64_t Percentile(double share) const;

  // Returns {"p50":..,"p99":..,"p99_9":..,"max":..} in milliseconds.
  std::string ToJson() const;

 private:
  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace quorate::bench
