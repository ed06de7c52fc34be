// cli/demo/ack_clock.h
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>

namespace quorate {

// Measures how long a producer went without acknowledgements, from one to the next: over all
// partitions, and within each one. Fed with the time of each acknowledgement.
class AckClock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void OnAck(int32_t partition, Time now) {
    const auto [all, first] = last_of_.try_emplace(kAllPartitions, now);
    longest_ = std::max(longest_, now - all->second);
    all->second = now;
    const auto [one, fresh] = last_of_.try_emplace(partition, now);
    longest_in_partition_ = std::max(longest_in_partition_, now - one->second);
    one->second = now;
  }

  int64_t longest_gap_ms() const { return Ms(longest_); }
  int64_t longest_partition_gap_ms() const { return Ms(longest_in_partition_); }

 private:
  static int64_t Ms(Time::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  }
  static constexpr int32_t kAllPartitions = -1;
  std::map<int32_t, Time> last_of_;
  Time::duration longest_{};
  Time::duration longest_in_partition_{};
};

}  // namespace quorate
