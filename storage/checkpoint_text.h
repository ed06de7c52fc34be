// storage/checkpoint_text.h
//
// Kafka's text checkpoints: a version (0), a count, then so many lines (storage/FORMAT.md).
//
// Pure.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quorate {

// Takes the number after the last space of `*line` (or all of it) off its end; false, and `*line`
// as it was, if there is none.
inline bool TakeLastNumber(std::string_view* line, int64_t* number) {
  const size_t space = line->rfind(' ');
  const std::string_view digits = space == std::string_view::npos ? *line : line->substr(space + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *number);
  if (error != std::errc() || end != digits.data() + digits.size()) return false;
  *line = space == std::string_view::npos ? std::string_view() : line->substr(0, space);
  return true;
}

// The lines after version and count. ERRORS: kDataLoss if the version is not 0, the count does not
// fit or the last line does not end.
inline absl::StatusOr<std::vector<std::string_view>> CheckpointLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return absl::DataLossError("checkpoint: last line torn");
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  int64_t count = 0;
  if (lines.size() < 2 || lines[0] != "0" || !TakeLastNumber(&lines[1], &count) ||
      !lines[1].empty() || count != static_cast<int64_t>(lines.size()) - 2) {
    return absl::DataLossError("checkpoint: version or count do not fit");
  }
  lines.erase(lines.begin(), lines.begin() + 2);
  return lines;
}

}  // namespace quorate
