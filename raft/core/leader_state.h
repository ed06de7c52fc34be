// raft/core/leader_state.h
//
// LeaderState is what a leader knows of the others: how far each replica's log is durable and
// verified to match its own, when each last fetched, and which fetches wait for an answer.
//
// Thread-compatible: owned by a RaftCore in role leader.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "raft/core/event.h"
#include "raft/core/messages.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

// How far one replica is, from its fetches in this term.
struct ReplicaProgress {
  ReplicaKey key;
  // End of what is verified to match the leader's log and is durable there (a voter's; an
  // observer's need not be). Exclusive.
  LogIndex match_end;
  bool fetched = false;        // in this term; else the rest means nothing
  bool observer_only = false;  // by its own word never a voter; match_end need not be durable
  MonoTime last_fetch;
  bool caught_up = false;  // ever, in this term
  MonoTime last_caught_up;
  LogIndex leader_end_at_last_fetch;
  uint64_t read_round = 0;  // the latest round that it carried back
};

// A fetch that waits for something new.
struct ParkedFetch {
  RequestId id{};
  LogIndex fetch_index;
  LogIndex known_commit;
  int32_t max_bytes = 0;
  MonoTime deadline;
};

class LeaderState {
 public:
  // The leader's term begins with the record at `term_start`.
  LeaderState(NodeId self, const VoterSet& voters, LogIndex term_start, MonoTime now);

  // The voters change; what is known of a replica stays known. The leader itself need not be among
  // them any more: then neither its log nor its presence counts (scenario D3).
  void SetVoters(const VoterSet& voters, MonoTime now);

  LogIndex term_start() const { return term_start_; }

  // `key` showed that its log matches up to `match_end`. Voters are told from observers by
  // `voters`; observers silent for 5 minutes are forgotten.
  void NoteFetch(const ReplicaKey& key, LogIndex match_end, LogIndex log_end, MonoTime now,
                 bool observer_only = false);

  // `key` lives, but its log does not match (yet), or ends before ours starts. `observer_only` as
  // in its fetch; nullopt: not said, what is known of it stays.
  void NoteContact(const ReplicaKey& key, MonoTime now,
                   std::optional<bool> observer_only = std::nullopt);

  // What is known of `key`, voter or not; null if it never fetched in this term.
  const ReplicaProgress* Find(const ReplicaKey& key) const;

  // How many of `voters` fetched after `since`; the leader itself is one if it is among them.
  size_t CountPresent(const VoterSet& voters, MonoTime since) const;

  // The largest index that a majority of voters, `own_end` being the leader's, hold durably.
  LogIndex MajorityEnd(LogIndex own_end) const;

  // When the last fetch of a majority (the leader, if it votes, counts as always here) becomes
  // `timeout` old; Max() if the leader is the only voter.
  MonoTime QuorumLostAt(Micros timeout) const;

  // Voters that have not fetched for `silence`, or not yet in this term.
  std::vector<NodeId> SilentVoters(MonoTime now, Micros silence) const;

  // The other voters, longest log first, then by node id.
  std::vector<NodeId> VotersByProgress() const;

  // All voters and everyone else who fetched, voters first; the leader itself is not among them.
  std::vector<ReplicaProgress> Replicas() const;

  // Parked fetches: one per replica. Park returns the fetch it takes the place of, if any.
  std::optional<ParkedFetch> Park(const ReplicaKey& key, const ParkedFetch& fetch);
  void Unpark(RequestId id);
  // Takes out those that are due: there are records behind their index, the commit index moved
  // past theirs, or their time is over. Rising by replica.
  std::vector<ParkedFetch> TakeDue(LogIndex log_end, LogIndex commit, MonoTime now);
  std::vector<ParkedFetch> TakeAll();
  MonoTime NextParkedDeadline() const;

  // Rounds of reads (ReadBarrier), numbered from 1 in each term.
  uint64_t read_round() const { return read_round_; }
  void BeginRead(uint64_t id) { reads_.push_back({id, ++read_round_}); }
  // `key` carried `round` back.
  void NoteRound(const ReplicaKey& key, uint64_t round, MonoTime now);
  // Takes out the reads whose round a majority of the voters carried back.
  std::vector<uint64_t> TakeConfirmedReads();
  std::vector<uint64_t> TakeReads();
  bool has_reads() const { return !reads_.empty(); }

  MonoTime next_begin_term;  // when silent voters are told again who leads

 private:
  ReplicaProgress& ProgressFor(const ReplicaKey& key, MonoTime now);

  NodeId self_;
  VoterSet voters_;
  bool self_votes_ = false;
  LogIndex term_start_;
  MonoTime became_leader_;
  std::map<NodeId, ReplicaProgress> voter_progress_;  // without self
  std::map<ReplicaKey, ReplicaProgress> observer_progress_;
  std::map<ReplicaKey, ParkedFetch> parked_;
  struct Read {
    uint64_t id;
    uint64_t round;
  };
  std::vector<Read> reads_;  // by round
  uint64_t read_round_ = 0;
};

}  // namespace quorate::raft
