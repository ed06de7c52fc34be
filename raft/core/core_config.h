// raft/core/core_config.h
//
// What a RaftCore is told once: who it is, who votes, how long it waits; and what it finds on disk
// when it starts.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "raft/core/bug_switches.h"
#include "raft/core/messages.h"
#include "raft/core/term_starts.h"
#include "raft/core/voter_history.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

struct CoreConfig {
  ReplicaKey self;
  // The voters where neither log nor snapshot names any: those of the configuration. A node that
  // does not vote is an observer.
  VoterSet voters;
  // An observer that may become a voter (a controller): it acknowledges only what is durable here,
  // and votes when it is asked by its directory id. Voters of `voters` are so anyway.
  bool electable = false;
  // Whom an observer may ask for the leader besides the voters: stand-ins for addresses, each below
  // kNoNode.
  std::vector<NodeId> bootstrap;
  // How recently an observer has to have fetched, and how many records it may lack, to be added.
  Micros add_voter_silence = Millis(1000);
  int64_t add_voter_lag = 1000;

  // How long an election may take before it is tried again; drawn from [1, 2) times this.
  Micros election_timeout = Millis(300);
  // A follower without an answer from its leader for this long takes the leader for hung.
  Micros fetch_timeout = Millis(1000);
  // A leader that a majority has not fetched from for this long resigns.
  Micros check_quorum_timeout = Millis(1000);
  // How long a leader may hold an answer back when there is nothing new. < fetch_timeout.
  Micros fetch_wait = Millis(500);
  // A broken link to the leader starts a pre-vote after a delay drawn from [min, max]; twice as
  // long at each repetition, up to election_timeout.
  Micros unreachable_delay_min = Millis(10);
  Micros unreachable_delay_max = Millis(50);
  // Records, or bytes of a snapshot, asked for by one fetch. > 0.
  int32_t fetch_bytes = 1 << 20;

  BugSwitches bugs;
};

// What the disk held. All of the log is durable.
struct InitialState {
  HardState hard_state;
  // A log that does not start at 0 starts at or below the end of `snapshot`, and term_starts knows
  // the term of the record before it (TermStarts::StartAt).
  LogIndex log_start;
  LogIndex log_end;
  TermStarts term_starts;
  // As the log and the snapshot have it. nullopt: neither names voters, CoreConfig::voters count.
  std::optional<VoterHistory> voters;
  // The newest valid snapshot; all it covers is committed. log_start <= end <= log_end.
  SnapshotId snapshot;
};

}  // namespace quorate::raft
