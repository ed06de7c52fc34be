// Followers and observers: fetch, append, truncate. Part of RaftCore (raft_core.h).
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

void RaftCore::MaybeFetch() {
  if (fetcher_.in_flight || fetcher_.source == kNoNode) return;
  if (now_ < fetcher_.retry_at && fetcher_.retry_at != MonoTime::Max()) return;
  if (IsDownloading() && !download_->checking) return FetchChunk();
  // A voter (or who may become one) acknowledges by its fetch index, so it waits for its own fsync;
  // only if that takes long does it show, with what is durable, that it lives (scenario C19).
  const bool sign_of_life = OnlySignsOfLife();
  if (sign_of_life && now_ < fetcher_.last_answer + config_.fetch_timeout / 4) return;

  FetchRequest request;
  request.term = hard_.term;
  request.replica = config_.self;
  request.fetch_index = sign_of_life ? durable_end_ : log_end_;
  request.last_fetched_term =
      request.fetch_index > LogIndex(0) ? term_starts_.TermAt(request.fetch_index - 1) : Term(0);
  request.known_commit = commit_;
  request.observer_only = !electable_;
  request.read_round = fetcher_.read_round;
  // A bootstrap address is asked only who leads.
  if (!sign_of_life && !IsBootstrap(fetcher_.source)) {
    request.max_wait_ms = static_cast<int32_t>(config_.fetch_wait / Millis(1));
    request.max_bytes = config_.fetch_bytes;
  }
  fetcher_.fetch_index = request.fetch_index;
  fetcher_.sign_of_life = sign_of_life;
  fetcher_.retry_at = MonoTime::Max();
  fetcher_.in_flight = Send(fetcher_.source, request);
}

bool RaftCore::OnlySignsOfLife() const {
  const bool waits_for_fsync = electable_ && durable_end_ < log_end_;
  return waits_for_fsync || (IsDownloading() && download_->checking);
}

MonoTime RaftCore::NextFetchAt() const {
  if (fetcher_.in_flight) return MonoTime::Max();
  if (!OnlySignsOfLife()) return fetcher_.retry_at;
  const MonoTime sign_of_life = fetcher_.last_answer + config_.fetch_timeout / 4;
  return fetcher_.retry_at == MonoTime::Max() ? sign_of_life
                                              : std::max(fetcher_.retry_at, sign_of_life);
}

void RaftCore::FetcherTick() {
  if (may_campaign()) {
    if (!stopping_ && (now_ >= fetcher_.deadline || now_ >= fetcher_.campaign_at)) {
      return BecomeProspective();
    }
    if (now_ >= fetcher_.deadline) fetcher_.deadline = now_ + config_.fetch_timeout;
  } else if (now_ >= fetcher_.deadline) {
    return HandleFetchFailed();
  }
  MaybeFetch();
}

void RaftCore::Handle(const Response<FetchResponse>& event) {
  const FetchResponse& response = event.message;
  // Only the answer to the fetch under way counts: a late one of an older term or role may not cut
  // what was committed since (scenarios A11, A12).
  if (fetcher_.in_flight != event.call) return;
  fetcher_.in_flight.reset();
  if (response.term > hard_.term) return AdoptTerm(response.term, response.leader);
  if (response.term < hard_.term) return HandleFetchFailed();
  if (IsBootstrap(fetcher_.source) && IsPlausibleLeader(response.leader)) {
    // Whoever answers at that address, now the leader has a name.
    hard_.leader = response.leader;
    failures_ = 0;
    return ObserveFrom(response.leader, now_);
  }
  NoteReadRound(response);
  switch (response.outcome) {
    case FetchOutcome::kOk:
      return HandleFetchOk(response);
    case FetchOutcome::kDiverging:
      return HandleDiverging(response);
    case FetchOutcome::kNotLeader:
      return HandleNotLeader(response.leader);
    case FetchOutcome::kSnapshotNeeded:
      return HandleSnapshotNeeded(response);
    case FetchOutcome::kFencedTerm:
    case FetchOutcome::kWrongCluster:
      return HandleFetchFailed();
  }
}

void RaftCore::NoteLeaderAnswered() {
  failures_ = 0;
  fetcher_.heard = true;
  fetcher_.link_broken = false;
  fetcher_.last_answer = now_;
  fetcher_.deadline = now_ + config_.fetch_timeout;
  fetcher_.campaign_at = MonoTime::Max();
  hard_.leader = fetcher_.source;
}

void RaftCore::NoteReadRound(const FetchResponse& response) {
  if (response.leader == fetcher_.source) {
    fetcher_.read_round = std::max(fetcher_.read_round, response.read_round);
  }
}

bool RaftCore::CheckSpans(const FetchResponse& response) {
  LogIndex next = fetcher_.fetch_index;
  Term term = term_starts_.last_term();
  for (const BatchSpan& span : response.batches) {
    if (span.first != next || span.end <= span.first) {
      Note("fetched batches are not contiguous: refused");
      return false;
    }
    if (span.term < term || span.term > hard_.term || span.term <= Term(0)) {
      Note("a fetched batch has an impossible term: refused");
      return false;
    }
    next = span.end;
    term = span.term;
  }
  if (!response.batches.empty() && fetcher_.fetch_index != log_end_) {
    Note("batches came that were not asked for: refused");
    return false;
  }
  return true;
}

void RaftCore::HandleFetchOk(const FetchResponse& response) {
  if (response.leader != fetcher_.source || !CheckSpans(response)) return HandleFetchFailed();
  NoteLeaderAnswered();
  for (const BatchSpan& span : response.batches) {
    AppendSpan(span.term, span.first, span.end, span.voters);
  }
  ready_.append_fetched = !response.batches.empty();
  VotersMayHaveChanged();
  // Up to here our log is the leader's.
  const LogIndex matches = fetcher_.sign_of_life ? fetcher_.fetch_index : log_end_;
  const LogIndex commit = std::min(response.commit_index, matches);
  if (commit > commit_) {
    SetCommit(commit);
    VotersMayHaveChanged();  // a removal of this node may be final now
  }
  MaybeFetch();
}

void RaftCore::HandleDiverging(const FetchResponse& response) {
  // The answer's commit index is not looked at: first the logs must agree (scenario A10).
  if (response.diverging_term < Term(0) || response.diverging_end < LogIndex(0) ||
      response.leader != fetcher_.source) {
    Note("a diverging point that makes no sense: refused");
    return HandleFetchFailed();
  }
  NoteLeaderAnswered();
  const TermEnd own = term_starts_.EndFor(response.diverging_term, log_start_, log_end_);
  const LogIndex cut =
      own.term == response.diverging_term ? std::min(own.end, response.diverging_end) : own.end;
  if (cut >= log_end_) {
    Note("a diverging point at the end of the log: refused");
    return HandleFetchFailed();
  }
  // What is committed is on a majority for ever; a leader without it means that a majority lost
  // its disks. Going on would lose more (scenario C13).
  QCHECK_GE(cut, commit_);
  log_end_ = std::max(cut, log_start_);
  durable_end_ = std::min(durable_end_, log_end_);
  term_starts_.TruncateTo(log_end_);
  if (config_.bugs.keep_truncated_voters) {
    voter_history_ = VoterHistory(voter_history_.latest(), voter_history_.dynamic());
  } else {
    voter_history_.TruncateTo(log_end_);
  }
  ++truncations_;
  ready_.truncate_to = log_end_;
  VotersMayHaveChanged();
  MaybeFetch();
}

void RaftCore::HandleNotLeader(NodeId leader) {
  if (may_campaign()) {
    // Of this term, and leads no more: it resigned.
    const NodeId gone = fetcher_.source;
    BecomeUnattached(false,
                     now_ + Between(config_.unreachable_delay_min, config_.unreachable_delay_max));
    ended_leader_ = gone;
    return;
  }
  if (IsPlausibleLeader(leader) && leader != fetcher_.source) {
    hard_.leader = leader;
    const Micros delay = failures_ == 0 ? Micros(0) : config_.unreachable_delay_min;
    ++failures_;
    return ObserveFrom(leader, now_ + delay);
  }
  HandleFetchFailed();
}

void RaftCore::HandleFetchFailed() {
  failures_ = std::min(failures_ + 1, 1000);
  // A voter backs off at each failure; an observer asks all others in turn before it does.
  const int others = std::max(1, static_cast<int>(NodesToAsk().size()));
  const int doublings = may_campaign() ? failures_ - 1 : failures_ / (2 * others);
  Micros delay = Between(config_.unreachable_delay_min, config_.unreachable_delay_max);
  delay = std::min(delay * (1 << std::min(doublings, 10)), config_.election_timeout);
  if (!may_campaign()) {
    hard_.leader = kNoNode;
    const bool all_asked = failures_ % others == 0;
    return ObserveFrom(NextToAsk(fetcher_.source),
                       now_ + (all_asked ? delay : config_.unreachable_delay_min));
  }
  fetcher_.in_flight.reset();
  fetcher_.link_broken = true;
  fetcher_.campaign_at = std::min(fetcher_.campaign_at, now_ + delay);
  fetcher_.retry_at = now_ + delay / 2;
}

std::vector<NodeId> RaftCore::NodesToAsk() const {
  std::vector<NodeId> nodes = config_.bootstrap;
  for (NodeId node : voters().nodes()) {
    if (node != config_.self.node) nodes.push_back(node);  // its wiped disk may still be a voter
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

NodeId RaftCore::NextToAsk(NodeId after) {
  const std::vector<NodeId> nodes = NodesToAsk();
  if (nodes.empty()) return kNoNode;
  if (after == kNoNode) return nodes[random_.Below(nodes.size())];
  const auto next = std::upper_bound(nodes.begin(), nodes.end(), after);
  return next == nodes.end() ? nodes.front() : *next;
}

}  // namespace quorate::raft
