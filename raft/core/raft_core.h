// raft/core/raft_core.h
//
// RaftCore decides all that the metadata quorum does: elections, replication by pull, commitment.
// It is a pure state machine: Step(now, random, event) -> Ready. It holds no record bytes, only
// where the log starts, ends and is durable, where each term begins, and which snapshot stands for
// what the log lacks.
//
//   log start          commit           durable end        log end
//      v                  v                  v                v
//      [ ... term 1 ... )[ ... term 2 ...                     )
//
// Thread-compatible: owned by the Raft loop, through its driver (raft/raft_node.h).
// Invariants: term and commit index never go back; per term at most one vote; commit <= log end;
// a leader never truncates; the voters are those of the last voters record in the log, committed or
// not, or of the snapshot before it, and at most one such record is not committed.
// Source: Ongaro's dissertation, chapters 3, 4, 5, 6 and 9.6; KIP-595, KIP-630, KIP-853, KIP-996.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "raft/core/core_config.h"
#include "raft/core/event.h"
#include "raft/core/fetcher_state.h"
#include "raft/core/leader_state.h"
#include "raft/core/ready.h"
#include "raft/core/role.h"
#include "raft/core/snapshot_download.h"
#include "raft/core/term_starts.h"
#include "raft/core/vote_tally.h"
#include "raft/core/voter_history.h"

namespace quorate::raft {

class RaftCore {
 public:
  // A node as it comes up: unattached in the persisted term, or an observer; never a leader, even
  // if it led that term (scenario C6).
  RaftCore(const CoreConfig& config, InitialState initial);

  // The first Ready. Call once, before Step.
  Ready Start(MonoTime now, uint64_t random);

  // Takes one event. `now` never goes back; `random` is 64 fresh random bits, from which every
  // randomised delay of this step follows.
  // REQUIRES: the previous Ready was carried out (ready.h).
  Ready Step(MonoTime now, uint64_t random, const Event& event);

  // OK if ChangeVoters{next} may be stepped now.
  // ERRORS, each with what to do: kFailedPrecondition: not the active leader (no record of this
  // term is committed yet, scenario D1), or the voters are those of the configuration;
  // kUnavailable: the change before it is not committed (D6), a voter to be added lags, or too few
  // of the next voters have fetched of late to commit anything, this change included;
  // kInvalidArgument: no voter would be left, more than one would come or go, or the new one is not
  // known here or says that it never votes.
  absl::Status CheckVoterChange(const VoterSet& next, MonoTime now) const;

  Role role() const { return role_; }
  Term term() const { return hard_.term; }
  NodeId leader() const;
  // True if this node leads and a record of its term is committed: it may take proposals.
  bool is_active_leader() const;
  LogIndex log_start() const { return log_start_; }
  LogIndex log_end() const { return log_end_; }
  LogIndex durable_end() const { return durable_end_; }
  LogIndex commit_index() const { return commit_; }
  const CoreConfig& config() const { return config_; }
  const HardState& hard_state() const { return hard_; }
  const TermStarts& term_starts() const { return term_starts_; }
  bool is_voter() const {
    return config_.bugs.ignore_directories ? voters().ContainsNode(config_.self.node)
                                           : voters().Contains(config_.self);
  }
  // True if this node is a voter, or its removal is not known to be committed: only with its help,
  // perhaps, can that still be (dissertation 4.2.2). Else it observes.
  bool may_campaign() const;
  const VoterSet& voters() const {
    return config_.bugs.count_committed_voters ? voter_history_.At(commit_)
                                               : voter_history_.latest();
  }
  const VoterHistory& voter_history() const { return voter_history_; }
  // True while the last voters record may still be truncated away, as far as this node knows.
  bool voter_change_pending() const;
  // How often the log was truncated; see Flushed.
  uint64_t truncations() const { return truncations_; }
  // Null unless leader.
  const LeaderState* leader_state() const { return leader_ ? &*leader_ : nullptr; }
  // The fetch (of records or of a snapshot) that waits for its answer; any other one may be
  // cancelled.
  std::optional<CallId> fetch_in_flight() const { return fetcher_.in_flight; }
  // The newest snapshot; end 0 if there is none.
  const SnapshotId& snapshot() const { return snapshot_; }
  // The download under way; what was kept of any other one can go.
  std::optional<uint64_t> snapshot_download() const;

 private:
  friend class RaftCorePeer;  // tests/search: normalises and compares states

  // --- raft_core.cc: dispatch, terms and roles ---
  void Handle(const Tick& event);
  void Handle(const Appended& event);
  void Handle(const Flushed& event);
  void Handle(const StatePersisted& event);
  void Handle(const ChangeVoters& event);
  void Handle(const ReadBarrier& event);
  void Handle(const Shutdown& event);
  void Handle(const CallFailed& event);
  void BeginStep(MonoTime now, uint64_t random);
  Ready EndStep();
  MonoTime NextWake() const;
  // Moves to a higher term, its leader known or not; persists.
  void AdoptTerm(Term term, NodeId leader);
  void SetRole(Role role, bool higher_term);
  void BecomeUnattached(bool higher_term, MonoTime campaign_at);
  void BecomeFollower(NodeId leader, bool higher_term);
  void ObserveFrom(NodeId source, MonoTime fetch_at, bool higher_term = false);
  void Persist() { ready_.persist = hard_; }
  void SetCommit(LogIndex commit);
  void AppendSpan(Term term, LogIndex first, LogIndex end,
                  const std::shared_ptr<const VoterSet>& voters = nullptr);
  // The set in force may be another one: who follows becomes an observer, or the other way round;
  // a leader counts others.
  void VotersMayHaveChanged();
  bool IsPlausibleLeader(NodeId node) const;
  Micros Between(Micros low, Micros high);
  MonoTime ElectionDeadline();  // now + [1, 2) election timeouts
  CallId Send(NodeId to, decltype(OutgoingRequest::message) message);
  void Note(std::string text);

  // --- raft_core_election.cc: prospective, candidate, votes, begin and end of terms ---
  void Handle(const Request<VoteRequest>& event);
  void Handle(const Response<VoteResponse>& event);
  void Handle(const Request<BeginTermRequest>& event);
  void Handle(const Request<EndTermRequest>& event);
  void BecomeProspective();
  void BecomeCandidate();
  void SendVoteRequests(bool pre_vote);
  // True if `request` gets our vote or pre-vote; a vote is then noted and persisted.
  bool DecideVote(const VoteRequest& request);
  bool DecidePreVote(const VoteRequest& request);
  // True if the vote asked for is this node's to give, to this candidate.
  bool MayVote(const VoteRequest& request) const;
  bool HearsLeader() const;
  bool IsUpToDate(const VoteRequest& request) const;

  // --- raft_core_leader.cc: the leader's side of replication ---
  void Handle(const Request<FetchRequest>& event);
  void Handle(const FetchBroken& event);
  void Handle(const Response<BeginTermResponse>& event);
  void Handle(const Response<EndTermResponse>& event);
  void BecomeLeader();
  void AppendVoters(const VoterSet& voters);
  void ConfirmReads();
  void Resign(const char* why);
  void LeaderTick();
  void AnnounceTerm(const std::vector<NodeId>& voters);
  void AnswerFetch(RequestId id, LogIndex fetch_index, int32_t max_bytes);
  void AnswerFetchWith(RequestId id, FetchOutcome outcome, TermEnd diverging = {});
  void AnswerDueFetches();
  void MaybeAdvanceCommit();

  // --- raft_core_fetch.cc: the follower's and observer's side of replication ---
  void Handle(const Response<FetchResponse>& event);
  void HandleFetchOk(const FetchResponse& response);
  void HandleDiverging(const FetchResponse& response);
  void HandleNotLeader(NodeId leader);
  void HandleFetchFailed();
  bool CheckSpans(const FetchResponse& response);
  void NoteLeaderAnswered();
  void NoteReadRound(const FetchResponse& response);
  void MaybeFetch();
  // Nothing is to be fetched for now, but the leader shall know that this node lives.
  bool OnlySignsOfLife() const;
  // When MaybeFetch has to be called again though nothing else happens; Max() if not at all.
  MonoTime NextFetchAt() const;
  void FetcherTick();
  // Of an observer: the node to ask after `after`, voters and bootstrap addresses in turn.
  NodeId NextToAsk(NodeId after);
  std::vector<NodeId> NodesToAsk() const;
  static bool IsBootstrap(NodeId node) { return node < kNoNode; }

  // --- raft_core_snapshot.cc: snapshots taken, served, fetched and installed ---
  void Handle(const SnapshotTaken& event);
  void Handle(const SnapshotChecked& event);
  void Handle(const Request<FetchSnapshotRequest>& event);
  void Handle(const Response<FetchSnapshotResponse>& event);
  void HandleSnapshotNeeded(const FetchResponse& response);
  void HandleChunk(const FetchSnapshotResponse& response);
  // The download under way is from the leader we follow now.
  bool IsDownloading() const;
  void FetchChunk();
  // `voters`: of the snapshot's header, as in SnapshotChecked. REQUIRES: snapshot.end > commit.
  void Install(SnapshotId snapshot, const std::shared_ptr<const VoterSet>& voters);

  const CoreConfig config_;
  const bool electable_;  // is or may become a voter: acknowledges only what is durable

  HardState hard_;
  Role role_ = Role::kUnattached;
  LogIndex log_start_;
  LogIndex log_end_;
  LogIndex durable_end_;  // exclusive; all before it is fsynced
  LogIndex commit_;
  TermStarts term_starts_;
  VoterHistory voter_history_;
  uint64_t truncations_ = 0;
  SnapshotId snapshot_;  // newest; log_start_ <= end <= commit_ unless end is 0

  MonoTime now_;
  SeededRandom random_{0};  // reseeded at each step
  uint64_t next_call_ = 1;
  Ready ready_;           // of the step under way
  RoleChange announced_;  // the last one given out
  bool stopping_ = false;

  // When an unattached, prospective, candidate or resigned voter starts its next pre-vote.
  MonoTime campaign_at_ = MonoTime::Max();
  MonoTime prospective_since_;  // when the round under way began
  // The leader of the current term is known to have resigned; nobody follows it in this term.
  NodeId ended_leader_ = kNoNode;
  // Failed fetches in a row; stretches the delays. Reset by an answer of a leader.
  int failures_ = 0;

  VoteTally tally_;                    // prospective, candidate
  std::optional<LeaderState> leader_;  // leader
  FetcherState fetcher_;               // follower, observer
  // Outlives lost links and changes of role in its term: what has come is not fetched again.
  std::optional<SnapshotDownload> download_;
  uint64_t downloads_ = 0;
};

}  // namespace quorate::raft
