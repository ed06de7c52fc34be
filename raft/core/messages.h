// raft/core/messages.h
//
// What nodes of the metadata quorum say to each other, as plain values, and the state that
// outlives a restart. The wire form is proto/quorate/raft.proto; the driver converts and checks
// the cluster id.
//
// Indexes: "end" is always exclusive. Terms: 0 is "before any election".
// Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <ostream>
#include <vector>

#include "base/ids.h"
#include "base/network.h"
#include "base/uuid.h"

namespace quorate::raft {

// A node with one disk. A replaced disk has another directory id and is another replica.
struct ReplicaKey {
  NodeId node = kNoNode;
  Uuid directory;
  auto operator<=>(const ReplicaKey&) const = default;
  friend std::ostream& operator<<(std::ostream& os, const ReplicaKey& key) {
    return os << key.node << "/" << key.directory;
  }
};

// Written and fsynced as one record, before any message that rests on it is sent.
struct HardState {
  Term term;
  ReplicaKey voted_for;     // node kNoNode: nobody in `term`
  NodeId leader = kNoNode;  // the leader of `term` if it was known at the time; a hint only
  bool operator==(const HardState&) const = default;
};

// Names a snapshot: the state that all records before `end` make (KIP-630). `end` is where a batch
// ends; `term` is that of the record before it. end 0: no snapshot.
struct SnapshotId {
  LogIndex end;
  Term term;
  auto operator<=>(const SnapshotId&) const = default;
  friend std::ostream& operator<<(std::ostream& os, const SnapshotId& id) {
    return os << id.end << " of term " << id.term;
  }
};

// Pre-vote (KIP-996): `term` is the sender's current term, and granting binds nobody.
// Vote: `term` is the candidate's new term.
struct VoteRequest {
  Term term;
  ReplicaKey candidate;
  // Whose vote is asked for, as the candidate's voter set has it. A zero directory is "any".
  ReplicaKey voter;
  LogIndex log_end;
  Term last_log_term;  // 0 if the log is empty
  bool pre_vote = false;
};

struct VoteResponse {
  Term term;  // the answering node's own
  NodeId leader = kNoNode;
  bool granted = false;
  bool pre_vote = false;
  Endpoint leader_endpoint = {};  // the drivers' affair, here and below: empty if not known
};

struct FetchRequest {
  Term term;
  ReplicaKey replica;
  LogIndex fetch_index;     // all before it is durable at a sending voter
  Term last_fetched_term;   // of the record before fetch_index; 0 if there is none
  LogIndex known_commit;    // exclusive
  int32_t max_wait_ms = 0;  // how long the answer may be held back while there is nothing new
  int32_t max_bytes = 0;    // of records; 0: none wanted, answer at once (a sign of life)
  // The sender votes never (a broker): what it fetched need not be durable there.
  bool observer_only = false;
  uint64_t read_round = 0;  // the latest one that this leader told in this term; see ReadBarrier
};

enum class FetchOutcome {
  kOk,
  kNotLeader,
  kDiverging,
  kFencedTerm,
  kWrongCluster,    // made by drivers only
  kSnapshotNeeded,  // the leader's log does not reach down to where the two logs part
};

class VoterSet;

// The extent of one record batch: all its records have one term. end > first.
struct BatchSpan {
  Term term;
  LogIndex first;
  LogIndex end;
  // Not null: the batch is a voters record, its only one, and brings this set.
  std::shared_ptr<const VoterSet> voters = nullptr;
};

struct FetchResponse {
  FetchOutcome outcome = FetchOutcome::kOk;
  Term term;
  NodeId leader = kNoNode;
  // kDiverging: the largest term <= last_fetched_term in the leader's log, and its end there.
  Term diverging_term;
  LogIndex diverging_end;
  LogIndex commit_index;
  LogIndex log_start;
  SnapshotId snapshot;             // kSnapshotNeeded: the leader's newest one
  std::vector<BatchSpan> batches;  // the bytes stay with the driver
  uint64_t read_round = 0;
  Endpoint leader_endpoint = {};
};

// Asks the leader of `term` for a piece of a snapshot that it named in a kSnapshotNeeded.
struct FetchSnapshotRequest {
  Term term;
  ReplicaKey replica;
  SnapshotId snapshot;
  int64_t position = 0;   // of the first byte wanted
  int32_t max_bytes = 0;  // > 0
};

enum class SnapshotOutcome {
  kOk,
  kNotLeader,
  kFencedTerm,
  kNotFound,  // the leader has no such snapshot (any more), or cannot read it
};

struct FetchSnapshotResponse {
  SnapshotOutcome outcome = SnapshotOutcome::kOk;
  Term term;
  NodeId leader = kNoNode;
  SnapshotId snapshot;
  int64_t size = 0;  // of the whole snapshot, in bytes
  int64_t position = 0;
  int64_t length = 0;  // of this piece; the bytes stay with the driver
};

struct BeginTermRequest {
  Term term;
  NodeId leader = kNoNode;
  Endpoint leader_endpoint = {};
};

struct BeginTermResponse {
  Term term;
  NodeId leader = kNoNode;
};

struct EndTermRequest {
  Term term;
  NodeId leader = kNoNode;
  std::vector<NodeId> preferred;  // who should campaign first
};

struct EndTermResponse {
  Term term;
};

}  // namespace quorate::raft
