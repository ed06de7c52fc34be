#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// What a person reads of a run: one line per fault, start and end of a process, change of leader.
// Keeps the latest lines; `loud` prints each as it comes.
class RunLog {
 public:
  RunLog(World& world, bool loud) : world_(world), loud_(loud) {}

  void Line(std::string text) {
    text = absl::StrFormat("%10.6f  %s",
                           static_cast<double>(world_.now().since_zero().count()) / 1e6, text);
    if (loud_) std::fprintf(stderr, "%s\n", text.c_str());
    lines_.push_back(std::move(text));
    if (lines_.size() > kKept) lines_.pop_front();
  }
  void Fault(const std::string& kind, std::string text) {
    ++faults_[kind];
    Line(kind + ": " + std::move(text));
  }
  const std::deque<std::string>& lines() const { return lines_; }
  const std::map<std::string, uint64_t>& faults() const { return faults_; }

 private:
  static constexpr size_t kKept = 60;

  World& world_;
  const bool loud_;
  std::deque<std::string> lines_;
  std::map<std::string, uint64_t> faults_;
};

}  // namespace quorate::sim
