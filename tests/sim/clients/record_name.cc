#include "tests/sim/clients/record_name.h"

#include <charconv>

namespace quorate::sim {
namespace {

char FillerFor(const RecordName& name) {
  return static_cast<char>('a' + (name.number * 7 + name.producer) % 26);
}

// Takes a number and the '|' behind it off `text`.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  const size_t bar = text.find('|');
  if (bar == std::string_view::npos) return std::nullopt;
  int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + bar, number);
  if (result.ec != std::errc() || result.ptr != text.data() + bar) return std::nullopt;
  text.remove_prefix(bar + 1);
  return number;
}

}  // namespace

std::string MakeValue(const PartitionName& partition, const RecordName& name, size_t filler) {
  return partition.ToString() + "|" + std::to_string(name.producer) + "|" +
         std::to_string(name.number) + "|" + std::to_string(filler) + "|" +
         std::string(filler, FillerFor(name));
}

std::optional<RecordName> ParseValue(const PartitionName& partition, std::string_view value) {
  const std::string prefix = partition.ToString() + "|";
  if (!value.starts_with(prefix)) return std::nullopt;
  value.remove_prefix(prefix.size());
  const auto producer = TakeNumber(value);
  const auto number = TakeNumber(value);
  const auto filler = TakeNumber(value);
  if (!producer || !number || !filler) return std::nullopt;
  const RecordName name{static_cast<int32_t>(*producer), *number};
  if (value != std::string(static_cast<size_t>(*filler), FillerFor(name))) return std::nullopt;
  return name;
}

}  // namespace quorate::sim
