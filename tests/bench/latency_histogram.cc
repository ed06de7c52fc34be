#include "tests/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace quorate::bench {
namespace {

constexpr int kSubBits = 6;  // 64 buckets per power of two.
constexpr int64_t kSub = int64_t{1} << kSubBits;
constexpr int kMaxBits = 44;  // About 4.9 hours.

// Values below 2 * kSub have a bucket each; above, a value's top kSubBits + 1 bits name it.
size_t BucketOf(int64_t value) {
  const int width = std::bit_width(static_cast<uint64_t>(value));
  const int shift = std::max(0, width - kSubBits - 1);
  return static_cast<size_t>(shift * kSub + (value >> shift));
}

int64_t UpperEdge(size_t bucket) {
  const auto number = static_cast<int64_t>(bucket);
  if (number < 2 * kSub) return number;
  const int64_t shift = number / kSub - 1;
  return ((number - shift * kSub + 1) << shift) - 1;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_(BucketOf((int64_t{1} << kMaxBits) - 1) + 1) {}

void LatencyHistogram::Add(int64_t nanoseconds) {
  const int64_t value = std::clamp<int64_t>(nanoseconds, 0, (int64_t{1} << kMaxBits) - 1);
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

int64_t LatencyHistogram::Percentile(double share) const {
  const auto wanted = static_cast<int64_t>(share * static_cast<double>(count_) + 0.5);
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen > 0 && seen >= wanted) return std::min(UpperEdge(i), max_);
  }
  return max_;
}

std::string LatencyHistogram::ToJson() const {
  char text[160];
  std::snprintf(text, sizeof(text), R"({"p50":%.4f,"p99":%.4f,"p99_9":%.4f,"max":%.4f})",
                static_cast<double>(Percentile(0.5)) / 1e6,
                static_cast<double>(Percentile(0.99)) / 1e6,
                static_cast<double>(Percentile(0.999)) / 1e6, static_cast<double>(max_) / 1e6);
  return text;
}

}  // namespace quorate::bench
