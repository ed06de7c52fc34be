#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::sim {

// A partition as clients name it.
struct PartitionName {
  std::string topic;
  int32_t index = 0;
  auto operator<=>(const PartitionName&) const = default;
  std::string ToString() const { return topic + "-" + std::to_string(index); }
};

// What a violation is about; an empty topic means no partition.
struct Subject {
  PartitionName partition;
  int64_t offset = -1;  // -1 = none
  int32_t node = 0;     // 0 = none
};

// Names a record of the workload within its partition: the producer and how many it wrote there
// before. Every value carries its name, its partition and a filler that follows from them, so that
// no two are equal and a damaged one shows.
struct RecordName {
  int32_t producer = 0;
  int64_t number = 0;
  auto operator<=>(const RecordName&) const = default;
  std::string ToString() const {
    return "record " + std::to_string(number) + " of producer " + std::to_string(producer);
  }
};

std::string MakeValue(const PartitionName& partition, const RecordName& name, size_t filler);
// nullopt if `value` was not made by MakeValue for this partition.
std::optional<RecordName> ParseValue(const PartitionName& partition, std::string_view value);

}  // namespace quorate::sim
