// Elections: pre-vote, votes, and how terms begin and end. Part of RaftCore (raft_core.h).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

// --- Asking for votes ---

void RaftCore::BecomeProspective() {
  SetRole(Role::kProspective, false);
  if (config_.bugs.forget_vote_on_step_down) hard_.voted_for = ReplicaKey{};
  campaign_at_ = ElectionDeadline();
  prospective_since_ = now_;
  tally_ = VoteTally(config_.self.node, CallId{next_call_}, is_voter());
  if (tally_.Won(voters())) return BecomeCandidate();
  SendVoteRequests(/*pre_vote=*/true);
}

void RaftCore::BecomeCandidate() {
  SetRole(Role::kCandidate, true);
  hard_ = HardState{hard_.term + 1, config_.self, kNoNode};
  ended_leader_ = kNoNode;
  Persist();
  campaign_at_ = ElectionDeadline();
  tally_ = VoteTally(config_.self.node, CallId{next_call_}, is_voter());
  if (tally_.Won(voters())) return BecomeLeader();
  SendVoteRequests(/*pre_vote=*/false);
}

void RaftCore::SendVoteRequests(bool pre_vote) {
  for (const auto& [node, voter] : voters().voters()) {
    if (node == config_.self.node) continue;
    VoteRequest request;
    request.term = hard_.term;
    request.candidate = config_.self;
    request.voter = {node, voter.directory};
    request.log_end = log_end_;
    request.last_log_term = term_starts_.last_term();
    request.pre_vote = pre_vote;
    Send(node, request);
  }
}

void RaftCore::Handle(const Response<VoteResponse>& event) {
  const VoteResponse& response = event.message;
  if (!voters().ContainsNode(event.from)) return;
  if (response.term > hard_.term) {
    // A refusal that names a newer term; a grant cannot (scenario C9).
    return AdoptTerm(response.term, response.leader);
  }
  if (!tally_.IsOfThisRound(event.call)) return;
  const bool pre_vote = role_ == Role::kProspective;
  if (!pre_vote && role_ != Role::kCandidate) return;
  if (response.pre_vote != pre_vote) return;
  if (!pre_vote && response.granted && response.term != hard_.term) return;

  if (pre_vote && !response.granted && response.term == hard_.term &&
      IsPlausibleLeader(response.leader) && response.leader != ended_leader_) {
    return BecomeFollower(response.leader, false);
  }
  tally_.Count(event.from, response.granted);
  if (tally_.Won(voters())) {
    if (pre_vote) return BecomeCandidate();
    return BecomeLeader();
  }
  if (tally_.Lost(voters())) {
    // Random, so that candidates that tied once do not tie for ever (scenario C20).
    campaign_at_ = std::min(campaign_at_,
                            now_ + Between(config_.election_timeout / 8, config_.election_timeout));
  }
}

// --- Giving votes ---

void RaftCore::Handle(const Request<VoteRequest>& event) {
  const bool granted = DecideVote(event.message);
  ready_.replies.push_back(
      {event.id, VoteResponse{hard_.term, leader(), granted, event.message.pre_vote}});
}

bool RaftCore::MayVote(const VoteRequest& request) const {
  if (request.candidate.node == config_.self.node) return false;
  // Asked by its directory id a node votes also if its own log does not (yet, or any more) say so:
  // the candidate's set counts, and an election may need it (dissertation 4.1, KIP-853). With
  // another disk it is not the one that is asked (scenario D11).
  const bool asked = request.voter == config_.self ||
                     (config_.bugs.ignore_directories && request.voter.node == config_.self.node);
  if (!request.voter.directory.is_zero()) return electable_ && asked;
  return is_voter() && voters().Contains(request.candidate);
}

bool RaftCore::DecideVote(const VoteRequest& request) {
  if (!MayVote(request)) return false;
  if (request.term < hard_.term) return false;
  // Who still hears a leader helps nobody to depose it, and keeps its term (dissertation 4.2.3,
  // KIP-996; scenario C22).
  if (HearsLeader() && (request.pre_vote || request.term > hard_.term)) return false;
  if (request.pre_vote) return DecidePreVote(request);

  if (request.term > hard_.term) AdoptTerm(request.term, kNoNode);
  if (!IsUpToDate(request)) return false;
  if (hard_.voted_for == request.candidate) return true;  // asked again
  if (hard_.voted_for.node != kNoNode) return false;
  if (role_ != Role::kUnattached && role_ != Role::kProspective && role_ != Role::kObserver) {
    return false;
  }

  hard_.voted_for = request.candidate;
  if (config_.bugs.vote_without_persisting) {
    ready_.persist.reset();
  } else {
    Persist();
  }
  if (role_ != Role::kObserver) BecomeUnattached(false, ElectionDeadline());
  return true;
}

bool RaftCore::DecidePreVote(const VoteRequest& request) {
  if (!IsUpToDate(request)) return false;
  // Two that start at the same moment would split the votes: for a short while the better one
  // does not help the other. Nobody is held up for longer (scenario C20).
  const bool just_started =
      role_ == Role::kProspective && now_ < prospective_since_ + config_.unreachable_delay_max;
  const bool same_log =
      request.last_log_term == term_starts_.last_term() && request.log_end == log_end_;
  if (just_started && same_log && config_.self.node < request.candidate.node) return false;
  if (role_ == Role::kFollower && fetcher_.campaign_at != MonoTime::Max()) {
    fetcher_.campaign_at = std::max(fetcher_.campaign_at, now_ + config_.unreachable_delay_max);
  }
  return true;
}

bool RaftCore::HearsLeader() const {
  if (role_ == Role::kLeader) return true;
  return (role_ == Role::kFollower || role_ == Role::kObserver) && fetcher_.heard &&
         !fetcher_.link_broken && now_ < fetcher_.deadline;
}

bool RaftCore::IsUpToDate(const VoteRequest& request) const {
  if (config_.bugs.vote_ignores_log) return true;
  return std::pair(request.last_log_term, request.log_end) >=
         std::pair(term_starts_.last_term(), log_end_);
}

// --- Begin and end of a leader's term ---

void RaftCore::Handle(const Request<BeginTermRequest>& event) {
  const BeginTermRequest& request = event.message;
  if (IsPlausibleLeader(request.leader) && request.term >= hard_.term) {
    if (request.term > hard_.term) {
      AdoptTerm(request.term, request.leader);
    } else if (role_ == Role::kUnattached || role_ == Role::kProspective ||
               role_ == Role::kCandidate) {
      if (request.leader != ended_leader_) BecomeFollower(request.leader, false);
    } else if (role_ == Role::kObserver && fetcher_.source != request.leader) {
      hard_.leader = request.leader;
      ObserveFrom(request.leader, now_);
    } else if (role_ == Role::kLeader || role_ == Role::kResigned ||
               (role_ == Role::kFollower && fetcher_.source != request.leader)) {
      Note("another leader announced itself in this term: refused");
    }
  }
  ready_.replies.push_back({event.id, BeginTermResponse{hard_.term, leader()}});
}

void RaftCore::Handle(const Request<EndTermRequest>& event) {
  const EndTermRequest& request = event.message;
  if (IsPlausibleLeader(request.leader) && request.term >= hard_.term && may_campaign()) {
    if (request.term > hard_.term) AdoptTerm(request.term, kNoNode);
    const bool ours = (role_ == Role::kFollower && fetcher_.source == request.leader) ||
                      role_ == Role::kUnattached;
    if (ours && ended_leader_ == kNoNode) {
      const auto& preferred = request.preferred;
      const auto place = std::find(preferred.begin(), preferred.end(), config_.self.node);
      const Micros slot = config_.election_timeout / 4;
      const Micros delay = Between(Micros(0), Millis(2)) + (place - preferred.begin()) * slot;
      BecomeUnattached(false, now_ + std::min(delay, 2 * config_.election_timeout));
      ended_leader_ = request.leader;
    }
  } else if (!may_campaign() && request.term == hard_.term && hard_.leader == request.leader) {
    hard_.leader = kNoNode;
  }
  ready_.replies.push_back({event.id, EndTermResponse{hard_.term}});
}

}  // namespace quorate::raft
