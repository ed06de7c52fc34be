// The leader: answers fetches, commits, resigns. Part of RaftCore (raft_core.h).
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

void RaftCore::BecomeLeader() {
  LeaderChangeRecord record;
  record.leader = config_.self.node;
  record.voters = voters().nodes();
  record.granting = tally_.granting();
  SetRole(Role::kLeader, false);
  hard_.leader = config_.self.node;
  if (config_.bugs.restart_as_leader) Persist();
  failures_ = 0;
  leader_.emplace(config_.self.node, voters(), log_end_, now_);
  AppendSpan(hard_.term, log_end_, log_end_ + 1);
  ready_.append_leader_change = std::move(record);
  // Voters that were named at formatting are not in the log yet: whoever joins finds them there.
  if (voter_history_.dynamic() && !voter_history_.latest_index() && log_start_ == LogIndex(0)) {
    AppendVoters(voters());
  }
  leader_->next_begin_term = now_ + config_.fetch_timeout / 2;
  AnnounceTerm(voters().nodes());
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
  if (!may_campaign()) ObserveFrom(NextToAsk(kNoNode), now_ + config_.unreachable_delay_max);
}

// --- Changes of the voters ---

absl::Status RaftCore::CheckVoterChange(const VoterSet& next, MonoTime now) const {
  if (role_ != Role::kLeader) {
    return absl::FailedPreconditionError("this node does not lead the quorum: ask the leader");
  }
  if (!voter_history_.dynamic() && next.DistanceTo(voters()) != 0) {
    return absl::FailedPreconditionError(
        "the voters are those of controller.quorum.voters (kraft.version 0): run `quorate quorum "
        "upgrade` first");
  }
  if (!is_active_leader()) {
    return absl::FailedPreconditionError(
        "the leader has not committed a record of its term yet: try again");
  }
  if (voter_change_pending()) {
    return absl::UnavailableError(absl::StrFormat(
        "the change of voters at index %d is not committed yet: try again when it is",
        voter_history_.latest_index()->value()));
  }
  if (next.empty()) return absl::InvalidArgumentError("the last voter cannot be removed");
  if (next.DistanceTo(voters()) > 1) {
    return absl::InvalidArgumentError("one voter can be added or removed at a time");
  }
  for (const auto& [node, voter] : next.voters()) {
    if (voters().ContainsNode(node)) continue;
    const ReplicaProgress* progress = leader_->Find({node, voter.directory});
    if (progress == nullptr || now - progress->last_fetch > config_.add_voter_silence) {
      return absl::UnavailableError(absl::StrFormat(
          "node %d with directory %s has not fetched from the leader within the last %d ms: start "
          "it as a controller and look at `quorate quorum status`",
          node.value(), voter.directory.ToString(), config_.add_voter_silence / Millis(1)));
    }
    if (progress->observer_only) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "node %d is no controller: process.roles has to name that role", node.value()));
    }
    if (progress->match_end < log_start_) {
      return absl::UnavailableError(absl::StrFormat(
          "node %d is still fetching a snapshot: try again when it has caught up", node.value()));
    }
    if (log_end_ - progress->match_end > config_.add_voter_lag) {
      return absl::UnavailableError(
          absl::StrFormat("node %d lags %d records behind: try again when it has caught up",
                          node.value(), log_end_ - progress->match_end));
    }
  }
  const size_t present = leader_->CountPresent(next, now - config_.check_quorum_timeout);
  if (next.DistanceTo(voters()) > 0 && present < next.majority()) {
    return absl::UnavailableError(absl::StrFormat(
        "of the %d voters that there would be only %d have been heard of lately: start the others, "
        "or remove those that are gone first",
        next.size(), present));
  }
  return absl::OkStatus();
}

void RaftCore::Handle(const ChangeVoters& event) {
  QCHECK(CheckVoterChange(event.next, now_).ok());
  AppendVoters(event.next);
  AnswerDueFetches();
}

// --- Reads ---

void RaftCore::Handle(const ReadBarrier& event) {
  if (config_.bugs.confirm_reads_alone && role_ == Role::kLeader) {
    ready_.reads.push_back({event.id, true});
    return;
  }
  // Before a record of its term is committed the leader may not know all that is (C17).
  if (!is_active_leader()) {
    ready_.reads.push_back({event.id, false});
    return;
  }
  leader_->BeginRead(event.id);
  ConfirmReads();  // at once if it is the only voter
  if (!leader_->has_reads()) return;
  // Whoever waits for records comes again with the number of the round.
  for (const ParkedFetch& fetch : leader_->TakeAll()) {
    AnswerFetch(fetch.id, fetch.fetch_index, fetch.max_bytes);
  }
}

void RaftCore::ConfirmReads() {
  for (uint64_t id : leader_->TakeConfirmedReads()) ready_.reads.push_back({id, true});
}

void RaftCore::AppendVoters(const VoterSet& voters) {
  AppendSpan(hard_.term, log_end_, log_end_ + 1, std::make_shared<const VoterSet>(voters));
  ready_.append_voters = voters;
  VotersMayHaveChanged();
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
  if (voters().ContainsNode(event.from) && response.term > hard_.term) {
    AdoptTerm(response.term, response.leader);
  }
}

void RaftCore::Handle(const Response<EndTermResponse>& event) {
  if (voters().ContainsNode(event.from) && event.message.term > hard_.term) {
    AdoptTerm(event.message.term, kNoNode);
  }
}

void RaftCore::Handle(const Request<FetchRequest>& event) {
  const FetchRequest& request = event.message;
  const bool from_voter = voters().Contains(request.replica);
  // Where voters change, one that this node does not count may have voted in a higher term: it
  // would be fenced off for ever (scenario D15).
  const bool raises_term = from_voter || (voter_history_.dynamic() && !request.observer_only);
  if (request.term > hard_.term && raises_term) AdoptTerm(request.term, kNoNode);
  if (role_ != Role::kLeader || request.term > hard_.term ||
      request.replica.node == config_.self.node) {
    return AnswerFetchWith(event.id, FetchOutcome::kNotLeader);
  }
  if (request.term < hard_.term) return AnswerFetchWith(event.id, FetchOutcome::kFencedTerm);
  if (request.read_round > 0) {
    leader_->NoteRound(request.replica, request.read_round, now_);
    ConfirmReads();
  }
  if (request.fetch_index < log_start_) {
    leader_->NoteContact(request.replica, now_, request.observer_only);
    return AnswerFetchWith(event.id, FetchOutcome::kSnapshotNeeded);
  }
  if (config_.bugs.trust_unverified_fetch) {
    leader_->NoteFetch(request.replica, request.fetch_index, log_end_, now_);
    MaybeAdvanceCommit();
  }
  const TermEnd known = term_starts_.EndFor(request.last_fetched_term, log_start_, log_end_);
  const bool unknown = known.term == Term(0) && log_start_ > LogIndex(0);
  if (unknown && !config_.bugs.match_unknown_terms) {
    // Where the logs part lies before our log's start. An unknown term is no match (scenario C16).
    leader_->NoteContact(request.replica, now_, request.observer_only);
    return AnswerFetchWith(event.id, FetchOutcome::kSnapshotNeeded);
  }
  const bool parts = known.term != request.last_fetched_term || known.end < request.fetch_index;
  if (parts && !unknown) {
    leader_->NoteContact(request.replica, now_, request.observer_only);
    return AnswerFetchWith(event.id, FetchOutcome::kDiverging, known);
  }
  // (term, index) is in our log: so is all before it, and nothing beyond it is believed (A21).
  leader_->NoteFetch(request.replica, request.fetch_index, log_end_, now_, request.observer_only);
  if (from_voter) MaybeAdvanceCommit();
  if (role_ != Role::kLeader) return AnswerFetchWith(event.id, FetchOutcome::kNotLeader);
  const Micros wait =
      std::min<Micros>(Millis(std::max(request.max_wait_ms, 0)), config_.fetch_wait);
  const bool anything_new =
      request.fetch_index < log_end_ || request.known_commit < commit_ ||
      (leader_->has_reads() && request.read_round < leader_->read_round() && from_voter);
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
  answer.response.read_round = leader_ ? leader_->read_round() : 0;
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
  answer.response.read_round = leader_ ? leader_->read_round() : 0;
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
  if (config_.bugs.count_committed_voters) VotersMayHaveChanged();
  AnswerDueFetches();
  // Until then it leads, as somebody has to (dissertation 4.2.2; scenario D4).
  if (!voters().ContainsNode(config_.self.node) && !voter_change_pending()) {
    Resign("removed from the voters");
  }
}

}  // namespace quorate::raft
