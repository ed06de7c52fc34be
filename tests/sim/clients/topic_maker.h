#pragma once

#include <string>
#include <vector>

#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

struct TopicPlan {
  std::string name;
  int32_t partitions = 1;
  std::string durability;  // a value of quorate.durability
  int64_t segment_ms = 0;  // 0 = the default
};

// Creates topics through whatever broker answers, again and again until each exists.
class TopicMaker {
 public:
  TopicMaker(SimClient& client, std::vector<TopicPlan> plans)
      : client_(client), plans_(std::move(plans)) {}
  void Start() { Ask(); }
  bool done() const { return next_ >= plans_.size(); }
  // Why the last try failed, for messages.
  const std::string& last_error() const { return last_error_; }

 private:
  void Ask();

  SimClient& client_;
  const std::vector<TopicPlan> plans_;
  size_t next_ = 0;
  std::string last_error_ = "no answer yet";
};

}  // namespace quorate::sim
