// tests/search/raft/model.h
//
// Model: all that can happen next in a cluster of three real Raft cores and their network.
//
// A cluster state is three node states, a set of messages under way and a little history. Node
// states and messages are stored once and named by number, and what an event does to a node state
// is computed once: a core is stepped once per pair of (node state, event), however many cluster
// states it is part of.
//
// The network is a set: a message stays until it is delivered, in any order; it may be delivered
// and stay (duplication, within a budget); one that is never delivered is lost. A message goes when
// it can change nothing any more (a stale answer, a pre-vote that nobody counts).
//
// Thread-compatible; tests only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "tests/search/raft/node_state.h"

namespace quorate::raft::search {

struct ModelOptions {
  int terms = 2;       // no node goes beyond
  int values = 2;      // proposals
  int crashes = 1;     // with a restart; any part of what is not fsynced is lost
  int duplicates = 1;  // deliveries of a message that stays
  int failures = 0;    // fetches whose caller learns that there will be no answer
  size_t entries_per_answer = 1;
  // Fewer, larger steps, to see deeper: a request and its answer are one (or the answer is lost);
  bool whole_calls = false;
  // an append is durable at once.
  bool fsync_at_once = false;
  // Where the nodes start from: by node, the term on its disk and the terms of its log. To look at
  // what is too far away from empty disks.
  struct Disk {
    int term = 0;
    std::vector<Term> log;
  };
  std::array<Disk, kNodes> disks;
  BugSwitches bugs;
};

// What is remembered besides the nodes: for the invariants and for the budgets.
struct History {
  std::array<int8_t, 8> leaders{};  // by term; 0: none yet
  std::vector<Entry> committed;
  std::vector<Term> committed_in;  // for each, the term in which it was
  uint8_t values = 0;
  uint8_t crashes = 0;
  uint8_t duplicates = 0;
  uint8_t failures = 0;
};

struct ClusterState {
  std::array<uint32_t, kNodes> nodes{};  // numbers of node states
  uint32_t history = 0;
  std::vector<uint32_t> net;  // numbers of messages, rising
};

// One step, in 32 bits: enough to repeat it on the state it was taken in.
enum class StepKind : uint8_t {
  kTimer,
  kFlush,
  kPropose,
  kCrash,
  kDeliver,
  kKeep,  // delivered, and stays under way
  kCall,  // a request and its answer
  kLost,  // a request whose answer is lost
  kFail,
  kNudge
};
struct ClusterStep {
  StepKind kind = StepKind::kTimer;
  uint32_t argument = 0;  // node; kCrash: node * 16 + kept; else a message
  uint32_t Code() const { return (static_cast<uint32_t>(kind) << 28) | argument; }
  static ClusterStep Of(uint32_t code) {
    return {static_cast<StepKind>(code >> 28), code & 0x0fffffff};
  }
};

// What was seen on the way, so that a search that found nothing wrong is known to have looked.
struct Reached {
  int leader_term = 0;       // the highest one with a leader
  int commit = 0;            // the highest commit index
  uint64_t truncations = 0;  // different ones: node state and event
};

class Model {
 public:
  explicit Model(const ModelOptions& options);

  ClusterState First();

  // The steps that `state` allows.
  void ListSteps(const ClusterState& state, std::vector<ClusterStep>* steps);

  // Takes `step`; false if it leads out of the bounds. *violation is set if it breaks an invariant.
  bool Take(const ClusterState& state, ClusterStep step, ClusterState* next,
            std::string* violation);

  static uint64_t FingerprintOf(const ClusterState& state);

  // As in transcripts: "> pass vote 1 2", and behind '#' what the message says.
  std::string TextOf(ClusterStep step) const;
  std::string TextOf(const ClusterState& state) const;

  const Reached& reached() const { return reached_; }
  size_t node_states() const { return nodes_.size(); }
  size_t messages() const { return messages_.size(); }
  size_t core_steps() const { return transitions_.size(); }

 private:
  struct Message {
    Packet packet;
    bool request = false;
    bool idle = false;  // see IsIdleAnswer
    uint8_t from = 0, to = 0, caller = 0, call = 0;
    bool pre_vote = false;
    int32_t term = 0;
    std::array<uint32_t, 4> as_call{};  // the same with another call number; + 1, 0: not made yet
  };
  struct Transition {
    uint32_t next = 0;
    std::vector<uint32_t> sent;
    std::array<uint8_t, 8> calls{};
    bool look = false;  // log, commit index or leadership changed
    std::string violation;
  };

  uint32_t NumberOf(NodeState&& state);
  uint32_t NumberOf(const Packet& packet);
  uint32_t NumberOf(const History& history);
  // The history with one more of what `step` counts.
  uint32_t Counted(uint32_t history, StepKind step);
  uint32_t WithCall(uint32_t message, uint8_t call);
  void NoteReached(const NodeState& from, const NodeState& to, NodeEvent::Kind kind);
  const Transition& RunCached(uint32_t node, NodeEvent::Kind kind, uint32_t argument);
  // Applies one event of node `at` to `state`; `message`: what is taken out of the network.
  bool Apply(ClusterState* state, size_t at, NodeEvent::Kind kind, uint32_t argument,
             uint32_t taken, std::vector<uint32_t>* sent, std::string* violation);
  void DropIdle(ClusterState* state);
  // `before`: the state of node `at` before the step.
  void CheckTogether(uint32_t before, ClusterState* after, size_t at, std::string* violation);
  void CheckLogs(const ClusterState& state, size_t at, std::string* violation) const;
  void CheckCommit(const ClusterState& state, size_t at, History* history,
                   std::string* violation) const;
  int32_t TermOfNode(uint32_t node) const { return terms_[node]; }

  const ModelOptions options_;
  std::deque<NodeState> nodes_;
  std::vector<int32_t> terms_;  // by node state
  absl::flat_hash_map<std::string, uint32_t> node_numbers_;
  std::deque<Message> messages_;
  absl::flat_hash_map<std::string, uint32_t> message_numbers_;
  std::deque<History> histories_;
  absl::flat_hash_map<std::string, uint32_t> history_numbers_;
  std::deque<std::array<uint32_t, 10>> counted_;  // by history and step; + 1, 0: not made yet
  std::deque<Transition> transitions_;
  absl::flat_hash_map<uint64_t, uint32_t> transition_numbers_;
  Reached reached_;
};

}  // namespace quorate::raft::search
