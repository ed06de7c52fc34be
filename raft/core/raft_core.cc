#include "raft/core/raft_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quorate::raft {

RaftCore::RaftCore(const CoreConfig& config, InitialState initial)
    : config_(config),
      electable_(config.electable || config.voters.Contains(config.self)),
      hard_(initial.hard_state),
      log_start_(initial.log_start),
      log_end_(initial.log_end),
      durable_end_(initial.log_end),
      commit_(std::max(initial.log_start, initial.snapshot.end)),
      term_starts_(std::move(initial.term_starts)),
      voter_history_(initial.voters ? *std::move(initial.voters) : VoterHistory(config.voters)),
      snapshot_(initial.snapshot) {
  QCHECK_LE(log_start_, log_end_);
  QCHECK_LE(snapshot_.end, log_end_);
  QCHECK(log_start_ == LogIndex(0) || log_start_ <= snapshot_.end);
  role_ = may_campaign() ? Role::kUnattached : Role::kObserver;
}

Ready RaftCore::Start(MonoTime now, uint64_t random) {
  BeginStep(now, random);
  if (hard_.term < term_starts_.last_term()) {
    // A term is persisted before its first record; be safe against a state file gone back.
    AdoptTerm(term_starts_.last_term(), kNoNode);
  }
  if (config_.bugs.restart_as_leader && hard_.leader == config_.self.node) {
    role_ = Role::kCandidate;  // scenario C6: it is no such thing
    tally_ = VoteTally(config_.self.node, CallId{next_call_});
    BecomeLeader();
    return EndStep();
  }
  if (!may_campaign()) {
    ObserveFrom(NextToAsk(kNoNode), now_);
  } else if (voters().size() == 1 && is_voter()) {
    campaign_at_ = now_;
    Handle(Tick{});
  } else {
    // A pre-vote disturbs nobody and finds the leader, so there is no need to wait long.
    campaign_at_ = now_ + Between(config_.unreachable_delay_min, config_.election_timeout);
  }
  return EndStep();
}

Ready RaftCore::Step(MonoTime now, uint64_t random, const Event& event) {
  BeginStep(now, random);
  std::visit([this](const auto& e) { Handle(e); }, event);
  return EndStep();
}

void RaftCore::BeginStep(MonoTime now, uint64_t random) {
  QCHECK(now >= now_);
  now_ = now;
  random_ = SeededRandom(random);
  ready_ = Ready{};
}

Ready RaftCore::EndStep() {
  const RoleChange current{role_, hard_.term, leader()};
  if (current != announced_) {
    announced_ = current;
    ready_.role_change = current;
  }
  QCHECK_LE(commit_, log_end_);
  ready_.wake_at = NextWake();
  return std::move(ready_);
}

MonoTime RaftCore::NextWake() const {
  switch (role_) {
    case Role::kLeader:
      return std::min({leader_->QuorumLostAt(config_.check_quorum_timeout),
                       leader_->NextParkedDeadline(), leader_->next_begin_term});
    case Role::kFollower:
    case Role::kObserver: {
      MonoTime next = std::min(NextFetchAt(), fetcher_.deadline);
      if (may_campaign() && !stopping_) next = std::min(next, fetcher_.campaign_at);
      return next;
    }
    default:
      return stopping_ ? MonoTime::Max() : campaign_at_;
  }
}

NodeId RaftCore::leader() const {
  if (role_ == Role::kLeader) return config_.self.node;
  if (role_ == Role::kFollower) return fetcher_.source;
  if (role_ == Role::kObserver) return hard_.leader;
  return kNoNode;
}

bool RaftCore::is_active_leader() const {
  if (role_ == Role::kLeader && config_.bugs.active_before_first_commit) return true;
  return role_ == Role::kLeader && commit_ > leader_->term_start();
}

void RaftCore::Handle(const Tick&) {
  switch (role_) {
    case Role::kLeader:
      return LeaderTick();
    case Role::kFollower:
    case Role::kObserver:
      return FetcherTick();
    default:
      if (!stopping_ && now_ >= campaign_at_) BecomeProspective();
  }
}

void RaftCore::Handle(const Appended& event) {
  QCHECK(role_ == Role::kLeader);
  AppendSpan(hard_.term, log_end_, event.end);
  if (config_.bugs.commit_before_own_fsync) MaybeAdvanceCommit();
  AnswerDueFetches();
}

void RaftCore::Handle(const Flushed& event) {
  LogIndex end = event.end;
  if (event.truncations != truncations_) {
    if (!config_.bugs.trust_stale_flush) return;  // scenario C12
    end = std::min(end, log_end_);
  }
  QCHECK_LE(end, log_end_);
  durable_end_ = std::max(durable_end_, end);
  if (role_ == Role::kLeader) {
    MaybeAdvanceCommit();
  } else if (role_ == Role::kFollower || (role_ == Role::kObserver && electable_)) {
    MaybeFetch();
  }
}

void RaftCore::Handle(const StatePersisted&) {
  switch (role_) {
    case Role::kUnattached:
      campaign_at_ = std::max(campaign_at_, now_ + Between(Micros(0), config_.election_timeout));
      break;
    case Role::kProspective:
    case Role::kCandidate:
      campaign_at_ = ElectionDeadline();
      break;
    case Role::kFollower:
      fetcher_.deadline = std::max(fetcher_.deadline, now_ + config_.fetch_timeout);
      break;
    default:
      break;
  }
}

void RaftCore::Handle(const Shutdown&) {
  stopping_ = true;
  if (role_ == Role::kLeader) Resign("shutdown");
}

void RaftCore::Handle(const CallFailed& event) {
  if (fetcher_.in_flight == event.call) {
    HandleFetchFailed();
  } else if (role_ == Role::kProspective || role_ == Role::kCandidate) {
    // Nobody waits for a node that cannot be reached: if no majority is left, try again soon.
    if (!tally_.IsOfThisRound(event.call)) return;
    tally_.Count(event.to, false);
    if (tally_.Lost(voters())) {
      campaign_at_ = std::min(
          campaign_at_, now_ + Between(config_.election_timeout / 4, config_.election_timeout));
    }
  }
}

void RaftCore::AdoptTerm(Term term, NodeId leader) {
  QCHECK_GT(term, hard_.term);
  const bool known = IsPlausibleLeader(leader);
  hard_ = HardState{term, ReplicaKey{}, known ? leader : kNoNode};
  ended_leader_ = kNoNode;
  Persist();
  if (!may_campaign()) {
    ObserveFrom(known ? leader : NextToAsk(fetcher_.source), now_, true);
  } else if (known) {
    BecomeFollower(leader, true);
  } else {
    BecomeUnattached(true, ElectionDeadline());
  }
}

void RaftCore::SetRole(Role role, bool higher_term) {
  if (higher_term) {
    QCHECK(MayBecomeInHigherTerm(role_, role));
  } else {
    QCHECK(MayBecomeInSameTerm(role_, role));
  }
  const bool was_leader = role_ == Role::kLeader;
  role_ = role;
  fetcher_ = FetcherState{};
  tally_ = VoteTally();
  if (was_leader && role != Role::kLeader) {
    for (const ParkedFetch& fetch : leader_->TakeAll()) {
      AnswerFetchWith(fetch.id, FetchOutcome::kNotLeader);
    }
    for (uint64_t id : leader_->TakeReads()) ready_.reads.push_back({id, false});
    leader_.reset();
  }
}

void RaftCore::BecomeUnattached(bool higher_term, MonoTime campaign_at) {
  SetRole(Role::kUnattached, higher_term);
  if (config_.bugs.forget_vote_on_step_down) hard_.voted_for = ReplicaKey{};
  campaign_at_ = campaign_at;
}

void RaftCore::BecomeFollower(NodeId leader, bool higher_term) {
  SetRole(Role::kFollower, higher_term);
  if (config_.bugs.forget_vote_on_step_down) hard_.voted_for = ReplicaKey{};
  hard_.leader = leader;  // a hint: written with the next term or vote
  fetcher_.source = leader;
  fetcher_.last_answer = now_;
  fetcher_.deadline = now_ + config_.fetch_timeout;
  MaybeFetch();
}

void RaftCore::ObserveFrom(NodeId source, MonoTime fetch_at, bool higher_term) {
  SetRole(Role::kObserver, higher_term);
  fetcher_.source = source;
  fetcher_.last_answer = now_;
  fetcher_.deadline = fetch_at + config_.fetch_timeout;
  if (fetch_at <= now_) {
    MaybeFetch();
  } else {
    fetcher_.retry_at = fetch_at;
  }
}

void RaftCore::SetCommit(LogIndex commit) {
  QCHECK_GE(commit, commit_);
  if (commit == commit_) return;
  commit_ = commit;
  ready_.commit_index = commit;
}

void RaftCore::AppendSpan(Term term, LogIndex first, LogIndex end,
                          const std::shared_ptr<const VoterSet>& voters) {
  QCHECK_EQ(first, log_end_);
  QCHECK_GT(end, first);
  term_starts_.Append(term, first);
  log_end_ = end;
  if (voters) voter_history_.Append(first, *voters);
}

void RaftCore::VotersMayHaveChanged() {
  if (role_ == Role::kLeader) return leader_->SetVoters(voters(), now_);
  const bool follows = role_ == Role::kFollower && !may_campaign();
  const bool observes = role_ == Role::kObserver && may_campaign();
  if (!follows && !observes) return;
  // The source goes on to be the leader, and the fetching goes on as it was.
  const FetcherState kept = fetcher_;
  SetRole(follows ? Role::kObserver : Role::kFollower, false);
  fetcher_ = kept;
  fetcher_.campaign_at = MonoTime::Max();
}

bool RaftCore::may_campaign() const {
  if (is_voter()) return true;
  return voter_change_pending() &&
         voter_history_.At(*voter_history_.latest_index()).Contains(config_.self);
}

bool RaftCore::voter_change_pending() const {
  const std::optional<LogIndex> last = voter_history_.latest_index();
  return last && *last >= commit_;
}

bool RaftCore::IsPlausibleLeader(NodeId node) const {
  if (node < NodeId(0) || node == config_.self.node) return false;
  // Where voters come and go, the leader may be one that this node does not know yet, or one that
  // is removing itself.
  return voters().ContainsNode(node) || voters().empty() || voter_history_.dynamic();
}

Micros RaftCore::Between(Micros low, Micros high) {
  return high <= low ? low : Micros(random_.Between(low.count(), high.count()));
}

MonoTime RaftCore::ElectionDeadline() {
  return now_ + Between(config_.election_timeout, 2 * config_.election_timeout);
}

CallId RaftCore::Send(NodeId to, decltype(OutgoingRequest::message) message) {
  const CallId call{next_call_++};
  ready_.requests.push_back({call, to, std::move(message)});
  return call;
}

void RaftCore::Note(std::string text) {
  if (!ready_.note.empty()) ready_.note += "; ";
  ready_.note += text;
}

}  // namespace quorate::raft
