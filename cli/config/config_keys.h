// cli/config/config_keys.h
//
// The keys of server.properties: Kafka's names, types and defaults for what Quorate uses, and a
// reason for each Kafka key that has no effect here.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate {

enum class ConfigKind {
  kString,
  kList,     // comma separated, blanks around items ignored
  kInteger,  // within [low, high]
  kBoolean,
  kChoice,    // one of `choices` (comma separated)
  kNoEffect,  // accepted; `note` says why it does nothing
};

// One known key.
struct ConfigKey {
  std::string_view name;
  ConfigKind kind;
  std::string_view default_value;  // "" = none
  int64_t low = INT64_MIN;         // kInteger: inclusive bounds
  int64_t high = INT64_MAX;
  std::string_view choices = {};
  std::string_view note = {};  // kNoEffect: why
};

// All known keys, sorted by name.
std::span<const ConfigKey> ConfigKeys();

// The key called `name`, or nullptr.
const ConfigKey* FindConfigKey(std::string_view name);

// The known key most like `name` (edit distance at most a third of its length), or nullopt.
std::optional<std::string_view> NearestConfigKey(std::string_view name);

// OK if `value` is allowed for `key`; else kInvalidArgument whose message says what is allowed
// ("an integer from 1 to 65535").
absl::Status CheckConfigValue(const ConfigKey& key, std::string_view value);

// Splits at commas, drops blanks around items and empty items.
std::vector<std::string> SplitList(std::string_view text);

// Whole decimal number, optional sign; nullopt otherwise or on overflow.
std::optional<int64_t> ParseInteger(std::string_view text);

}  // namespace quorate
