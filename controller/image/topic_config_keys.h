// controller/image/topic_config_keys.h
//
// What values each topic config key takes; private to topic_config.cc.
//
// Pure.
#pragma once

#include <string_view>
#include <vector>

#include "controller/image/topic_config.h"

namespace quorate {

struct TopicConfigRule {
  TopicConfigKey key;
  int64_t min = 0;  // of numbers, inclusive
  int64_t max = 0;
  std::vector<std::string_view> allowed = {};  // of strings and list elements; empty = any
  bool throttled = false;                      // elements are "partition:broker" or "*"
};

// Sorted by name.
const std::vector<TopicConfigRule>& TopicConfigRules();
const TopicConfigRule* FindTopicConfigRule(std::string_view name);  // nullptr if unknown

}  // namespace quorate
