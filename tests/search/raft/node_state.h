// tests/search/raft/node_state.h
//
// NodeState: one node of the search, a real RaftCore with its disk, as a value that can be copied,
// stepped and compared. RunEvent does what a driver does with the core's Ready.
//
// Two node states are the same if no later event can tell them apart, so a state is normalised
// after each step:
//   * Time: only "due" and "not yet" are told apart. `now` stands still, except that an event timer
//     comes after every deadline.
//   * Calls are numbered from 1 again; those whose answer changes nothing any more become call 0.
//   * What only tunes delays or is only shown to people (failures, hints, progress ages) is reset.
// RunEvent runs each event on a core that was never normalised in the second and third way as well
// and fails if the outcome differs.
//
// Pure; tests only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "raft/core/core_harness.h"

namespace quorate::raft::search {

constexpr int kNodes = 3;

struct NodeEvent {
  // kTimer: longer than any time-out has passed. kCrash: and starts again; of what is not fsynced
  // it keeps up to the log end `kept`. kFail: the fetch under way fails (its link broke).
  // kNudge: a follower whose fsync takes long shows that it lives.
  enum class Kind : uint8_t { kTimer, kFlush, kPropose, kCrash, kDeliver, kFail, kNudge };
  Kind kind = Kind::kTimer;
  const Packet* packet = nullptr;  // kDeliver
  uint64_t value = 0;              // kPropose
  size_t kept = 0;                 // kCrash
};

struct NodeState {
  NodeId id;
  // Disk.
  HardState disk;
  std::vector<Entry> log;  // chains are not used
  size_t durable = 0;
  // The fsync under way covers [0, flush_end); 0: none. Stale: the log was cut since it began.
  size_t flush_end = 0;
  bool flush_stale = false;
  RaftCore core;
  // The same core with its true times, delays and hints.
  RaftCore raw;

  // All that the future depends on. Equal for states that are the same.
  std::string Bytes() const;
};

struct Outcome {
  NodeState next;
  std::vector<Packet> sent;
  // What becomes of the calls that were open before, by number (0: nobody waits any more).
  std::array<uint8_t, 8> calls{};
  std::string violation;  // of what one node alone can break; empty if nothing
};

// A node that starts with `term` and a durable log of entries of these terms on its disk.
NodeState FirstState(NodeId id, Term term, const std::vector<Term>& log, const BugSwitches& bugs);

// `entries_per_answer`: how many records an answer to a fetch carries at most. `fsync_at_once`: an
// append is durable within its own step.
Outcome RunEvent(const NodeState& from, const NodeEvent& event, size_t entries_per_answer,
                 bool fsync_at_once);

}  // namespace quorate::raft::search
