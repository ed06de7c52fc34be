// cli/demo/ack_clock.h
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

namespace quorate {

// Measures how long a producer went without acknowledgements: over all partitions, and within
// each one. Fed with the time of each acknowledgement.
class AckClock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A partition's first gap counts from `start`.
  void Start(Time start) { start_ = last_ = start; }

  void OnAck(int32_t partition, Time now) {
    longest_ = std::max(longest_, now - last_);
    last_ = now;
    auto [it, fresh] = last_of_.try_emplace(partition, start_);
    if (!fresh) longest_in_partition_ = std::max(longest_in_partition_, now - it->second);
    it->second = now;
  }

  int64_t longest_gap_ms() const { return Ms(longest_); }
  int64_t longest_partition_gap_ms() const { return Ms(longest_in_partition_); }

 private:
  static int64_t Ms(Time::duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  }
  Time start_;
  Time last_;
  std::map<int32_t, Time> last_of_;
  Time::duration longest_{};
  Time::duration longest_in_partition_{};
};

}  // namespace quorate
