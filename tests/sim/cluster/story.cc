#include "tests/sim/cluster/story.h"

#include <algorithm>
#include <chrono>

namespace quorate::sim {
namespace {

using Kind = RunLogEntry::Kind;

// Entries this close to a moment that matters explain it.
constexpr Micros kNear = std::chrono::seconds(5);

// How much an entry says about `subject`; 0 = nothing.
int Weight(const RunLogEntry& entry, const Subject& subject, MonoTime from) {
  const bool about_partition = !subject.partition.topic.empty();
  const bool its_partition = about_partition && entry.partition == subject.partition.ToString();
  switch (entry.kind) {
    case Kind::kViolation:
      return 200;
    case Kind::kCut:
      if (!its_partition) return 0;
      return subject.offset >= 0 && entry.to <= subject.offset && subject.offset < entry.from &&
                     entry.at >= from
                 ? 150
                 : 60;
    case Kind::kLeader:
      return its_partition ? 80 : 0;
    case Kind::kIsr:
      return its_partition ? 50 : 0;
    case Kind::kFault:
      return 45;
    case Kind::kNode:
      return 40;
    case Kind::kQuorum:
      return about_partition ? 20 : 80;
  }
  return 0;
}

}  // namespace

std::vector<std::string> TellStory(const std::deque<RunLogEntry>& log, const Violation& violation,
                                   const std::optional<AckMoment>& ack, size_t max_lines) {
  if (log.empty() || max_lines == 0) return {};
  const MonoTime end = log.back().at;
  const MonoTime from = ack ? ack->at : end - std::chrono::seconds(20);
  // What did it: the first cut of the record after it was acknowledged, else the end.
  std::vector<MonoTime> moments = {from, end};
  for (const RunLogEntry& entry : log) {
    if (Weight(entry, violation.subject, from) == 150) {
      moments.push_back(entry.at);
      break;
    }
  }
  struct Candidate {
    int weight;
    size_t index;
  };
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < log.size(); ++i) {
    int weight = Weight(log[i], violation.subject, from);
    if (weight == 0) continue;
    const bool near = std::any_of(moments.begin(), moments.end(), [&](MonoTime moment) {
      return log[i].at >= moment - kNear && log[i].at <= moment + kNear;
    });
    if (!near) weight -= log[i].at < from - kNear ? 60 : 25;
    if (violation.subject.node != 0 && std::find(log[i].nodes.begin(), log[i].nodes.end(),
                                                 violation.subject.node) != log[i].nodes.end()) {
      weight += 15;
    }
    if (weight > 0) candidates.push_back({weight, i});
  }
  // The heaviest; of equals the latest.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) {
                     return a.weight != b.weight ? a.weight > b.weight : a.index > b.index;
                   });
  candidates.resize(std::min(candidates.size(), max_lines - (ack ? 1 : 0)));
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.index < b.index; });
  std::vector<std::string> lines;
  bool ack_told = !ack;
  for (const Candidate& candidate : candidates) {
    const RunLogEntry& entry = log[candidate.index];
    if (!ack_told && ack->at <= entry.at) {
      lines.push_back(Timed(ack->at, ack->text));
      ack_told = true;
    }
    lines.push_back(Timed(entry.at, entry.text));
  }
  if (!ack_told) lines.push_back(Timed(ack->at, ack->text));
  return lines;
}

}  // namespace quorate::sim
