// tests/sim/cluster/story.h
//
// TellStory picks from a run's log what a person needs to understand a violation: who led the
// partition, which replicas cut their logs, which faults hit its nodes, around the moments that
// matter.
//
// Pure.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/cluster/run_log.h"

namespace quorate::sim {

// The acknowledgement of the record at the violation's offset.
struct AckMoment {
  MonoTime at;
  std::string text;
};

// At most `max_lines` lines in order of time.
std::vector<std::string> TellStory(const std::deque<RunLogEntry>& log, const Violation& violation,
                                   const std::optional<AckMoment>& ack, size_t max_lines);

}  // namespace quorate::sim
