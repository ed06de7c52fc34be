#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// One thing that happened, with what it was about.
struct RunLogEntry {
  enum class Kind {
    kFault,   // injected, or ended
    kNode,    // a process started or ended
    kQuorum,  // a new leader of the metadata quorum
    kLeader,  // a new leader of a partition
    kIsr,     // a change of a partition's in-sync replicas
    kCut,     // a replica's log is shorter than it was
    kViolation,
  };
  Kind kind;
  std::string text;
  std::vector<int32_t> nodes = {};  // empty: all, or none in particular
  std::string partition = {};       // kLeader, kIsr, kCut
  int64_t from = 0;                 // kCut: the end before
  int64_t to = 0;                   // kCut: the end now
  MonoTime at = {};
};

std::string Timed(MonoTime at, const std::string& text);

// What a person reads of a run: faults, starts and ends of processes, changes of leaders. Keeps
// the latest entries; `loud` prints each as it comes.
class RunLog {
 public:
  RunLog(World& world, bool loud) : world_(world), loud_(loud) {}

  void Add(RunLogEntry entry) {
    entry.at = world_.now();
    if (loud_) std::fprintf(stderr, "%s\n", Timed(entry.at, entry.text).c_str());
    entries_.push_back(std::move(entry));
    if (entries_.size() > kKept) entries_.pop_front();
  }
  void Node(int32_t node, std::string text) {
    Add({.kind = RunLogEntry::Kind::kNode, .text = std::move(text), .nodes = {node}});
  }
  // A fault was injected; `number` is its place in the plan.
  void Fault(int number, const std::string& kind, std::string text, std::vector<int32_t> nodes) {
    ++faults_[kind];
    injected_.emplace_back(number, kind);
    Add({.kind = RunLogEntry::Kind::kFault,
         .text = absl::StrFormat("fault %d, %s: %s", number, kind, text),
         .nodes = std::move(nodes)});
  }
  void FaultEnds(std::string text, std::vector<int32_t> nodes) {
    Add({.kind = RunLogEntry::Kind::kFault, .text = std::move(text), .nodes = std::move(nodes)});
  }
  const std::deque<RunLogEntry>& entries() const { return entries_; }
  // Injected faults: how many of each kind, and all with their numbers.
  const std::map<std::string, uint64_t>& faults() const { return faults_; }
  const std::vector<std::pair<int, std::string>>& injected() const { return injected_; }

 private:
  static constexpr size_t kKept = 20'000;

  World& world_;
  const bool loud_;
  std::deque<RunLogEntry> entries_;
  std::map<std::string, uint64_t> faults_;
  std::vector<std::pair<int, std::string>> injected_;
};

inline std::string Timed(MonoTime at, const std::string& text) {
  return absl::StrFormat("%10.6f  %s", static_cast<double>(at.since_zero().count()) / 1e6, text);
}

}  // namespace quorate::sim
