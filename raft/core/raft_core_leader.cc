// The leader: answers fetches, commits, resigns. Part of RaftCore (raft_core.h).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

void RaftCore::BecomeLeader() {
  LeaderChangeRecord record;
  record.leader = config_.self.node;
  record.voters = config_.voters.nodes();
  record.granting = tally_.granting();
  SetRole(Role::kLeader, false);
  hard_.leader = config_.self.node;
  if (config_.bugs.restart_as_leader) Persist();
  failures_ = 0;
  leader_.emplace(config_.self.node, config_.voters, log_end_, now_);
  AppendSpan(hard_.term, log_end_, log_end_ + 1);
  ready_.append_leader_change = std::move(record);
  leader_->next_begin_term = now_ + config_.fetch_timeout / 2;
  AnnounceTerm(config_.voters.nodes());
}

void RaftCore::AnnounceTerm(const std::vector<NodeId>& voters) {
  for (NodeId node : voters) {
    if (node != config_.self.node) Send(node, BeginTermRequest{hard_.term, config_.self.node});
  }
}

void RaftCore::Resign(const char* why) {
  const std::vector<NodeId> successors = leader_->VotersByProgress();
  Note(std::string("resigned: ") + why);
  SetRole(Role::kResigned, false);
  hard_.leader = kNoNode;
  ended_leader_ = config_.self.node;
  campaign_at_ = ElectionDeadline();
  for (NodeId node : successors) {
    Send(node, EndTermRequest{hard_.term, config_.self.node, successors});
  }
}

void RaftCore::LeaderTick() {
  if (now_ >= leader_->QuorumLostAt(config_.check_quorum_timeout)) {
    return Resign("no majority of voters fetched in time");
  }
  if (now_ >= leader_->next_begin_term) {
    leader_->next_begin_term = now_ + config_.fetch_timeout / 2;
    AnnounceTerm(leader_->SilentVoters(now_, config_.fetch_wait + config_.fetch_timeout / 4));
  }
  AnswerDueFetches();
}

void RaftCore::Handle(const Response<BeginTermResponse>& event) {
  const BeginTermResponse& response = event.message;
  if (config_.voters.ContainsNode(event.from) && response.term > hard_.term) {
    AdoptTerm(response.term, response.leader);
  }
}

void RaftCore::Handle(const Response<EndTermResponse>& event) {
  if (config_.voters.ContainsNode(event.from) && event.message.term > hard_.term) {
    AdoptTerm(event.message.term, kNoNode);
  }
}

void RaftCore::Handle(const Request<FetchRequest>& event) {
  const FetchRequest& request = event.message;
  const bool from_voter = config_.voters.Contains(request.replica);
  if (request.term > hard_.term && from_voter) AdoptTerm(request.term, kNoNode);
  if (role_ != Role::kLeader || request.term > hard_.term ||
      request.replica.node == config_.self.node) {
    return AnswerFetchWith(event.id, FetchOutcome::kNotLeader);
  }
  if (request.term < hard_.term) return AnswerFetchWith(event.id, FetchOutcome::kFencedTerm);
  if (request.fetch_index < log_start_) {
    leader_->NoteContact(request.replica, now_);
    return AnswerFetchWith(event.id, FetchOutcome::kSnapshotNeeded);
  }
  if (config_.bugs.trust_unverified_fetch) {
    leader_->NoteFetch(request.replica, request.fetch_index, log_end_, now_);
    MaybeAdvanceCommit();
  }
  const TermEnd known = term_starts_.EndFor(request.last_fetched_term, log_start_, log_end_);
  if (known.term == Term(0) && log_start_ > LogIndex(0)) {
    // Where the logs part lies before our log's start. An unknown term is no match (scenario C16).
    leader_->NoteContact(request.replica, now_);
    return AnswerFetchWith(event.id, FetchOutcome::kSnapshotNeeded);
  }
  if (known.term != request.last_fetched_term || known.end < request.fetch_index) {
    leader_->NoteContact(request.replica, now_);
    return AnswerFetchWith(event.id, FetchOutcome::kDiverging, known);
  }
  // (term, index) is in our log: so is all before it, and nothing beyond it is believed (A21).
  leader_->NoteFetch(request.replica, request.fetch_index, log_end_, now_);
  if (from_voter) MaybeAdvanceCommit();
  const Micros wait =
      std::min<Micros>(Millis(std::max(request.max_wait_ms, 0)), config_.fetch_wait);
  const bool anything_new = request.fetch_index < log_end_ || request.known_commit < commit_;
  if (anything_new || request.max_bytes <= 0 || wait <= Micros(0)) {
    return AnswerFetch(event.id, request.fetch_index, request.max_bytes);
  }
  const ParkedFetch fetch{event.id, request.fetch_index, request.known_commit, request.max_bytes,
                          now_ + wait};
  if (const auto replaced = leader_->Park(request.replica, fetch)) {
    AnswerFetch(replaced->id, replaced->fetch_index, 0);
  }
}

void RaftCore::Handle(const FetchBroken& event) {
  if (role_ == Role::kLeader) leader_->Unpark(event.id);
}

void RaftCore::AnswerFetch(RequestId id, LogIndex fetch_index, int32_t max_bytes) {
  FetchAnswer answer;
  answer.response.outcome = FetchOutcome::kOk;
  answer.response.term = hard_.term;
  answer.response.leader = leader();
  answer.response.commit_index = commit_;
  answer.response.log_start = log_start_;
  answer.with_records = max_bytes > 0 && fetch_index < log_end_;
  answer.fetch_index = fetch_index;
  answer.max_bytes = max_bytes;
  ready_.replies.push_back({id, std::move(answer)});
}

void RaftCore::AnswerFetchWith(RequestId id, FetchOutcome outcome, TermEnd diverging) {
  FetchAnswer answer;
  answer.response.outcome = outcome;
  answer.response.term = hard_.term;
  answer.response.leader = leader();
  answer.response.diverging_term = diverging.term;
  answer.response.diverging_end = diverging.end;
  answer.response.log_start = log_start_;
  if (outcome == FetchOutcome::kSnapshotNeeded) answer.response.snapshot = snapshot_;
  ready_.replies.push_back({id, std::move(answer)});
}

void RaftCore::AnswerDueFetches() {
  if (role_ != Role::kLeader) return;
  for (const ParkedFetch& fetch : leader_->TakeDue(log_end_, commit_, now_)) {
    AnswerFetch(fetch.id, fetch.fetch_index, fetch.max_bytes);
  }
}

void RaftCore::MaybeAdvanceCommit() {
  const LogIndex own = config_.bugs.commit_before_own_fsync ? log_end_ : durable_end_;
  const LogIndex end = leader_->MajorityEnd(own);
  // Only a record of this term is committed by counting; it takes the earlier ones with it
  // (dissertation 3.6.2; scenario C1).
  const bool own_term = end > leader_->term_start();
  if (end <= commit_ || (!own_term && !config_.bugs.commit_earlier_terms_by_counting)) return;
  SetCommit(end);
  AnswerDueFetches();
}

}  // namespace quorate::raft
