#include "raft/core/leader_state.h"

#include <algorithm>
#include <functional>

namespace quorate::raft {
namespace {

constexpr Micros kForgetObserverAfter = std::chrono::minutes(5);

}  // namespace

LeaderState::LeaderState(NodeId self, const VoterSet& voters, LogIndex term_start, MonoTime now)
    : next_begin_term(now), self_(self), term_start_(term_start), became_leader_(now) {
  SetVoters(voters, now);
}

void LeaderState::SetVoters(const VoterSet& voters, MonoTime now) {
  const std::map<NodeId, ReplicaProgress> before = std::move(voter_progress_);
  voters_ = voters;
  self_votes_ = voters.ContainsNode(self_);
  voter_progress_.clear();
  for (const auto& [node, progress] : before) {
    if (progress.fetched && !voters.Contains(progress.key)) {
      observer_progress_[progress.key] = progress;
    }
  }
  for (const auto& [node, voter] : voters_.voters()) {
    if (node == self_) continue;
    ReplicaProgress progress;
    progress.key = {node, voter.directory};
    progress.last_fetch = now;  // its silence counts from here
    const auto known = before.find(node);
    const auto observer = observer_progress_.find(progress.key);
    if (known != before.end() && voters_.Contains(known->second.key)) {
      progress = known->second;
    } else if (observer != observer_progress_.end()) {
      // Its index is durable: one that says it never votes is not added.
      progress = observer->second;
      observer_progress_.erase(observer);
    }
    voter_progress_[node] = progress;
  }
}

ReplicaProgress& LeaderState::ProgressFor(const ReplicaKey& key, MonoTime now) {
  if (key.node != self_ && voters_.Contains(key)) return voter_progress_[key.node];
  std::erase_if(observer_progress_, [now](const auto& entry) {
    return now - entry.second.last_fetch > kForgetObserverAfter;
  });
  auto [it, added] = observer_progress_.try_emplace(key);
  if (added) it->second.last_fetch = now;
  return it->second;
}

void LeaderState::NoteFetch(const ReplicaKey& key, LogIndex match_end, LogIndex log_end,
                            MonoTime now, bool observer_only) {
  ReplicaProgress& progress = ProgressFor(key, now);
  progress.observer_only = observer_only;
  if (match_end >= log_end) {
    progress.caught_up = true;
    progress.last_caught_up = now;
  } else if (progress.fetched && match_end >= progress.leader_end_at_last_fetch) {
    // It now holds all that the leader had at its previous fetch: it was caught up then.
    progress.last_caught_up = progress.caught_up
                                  ? std::max(progress.last_caught_up, progress.last_fetch)
                                  : progress.last_fetch;
    progress.caught_up = true;
  }
  progress.key = key;
  progress.match_end = std::min(match_end, log_end);
  progress.fetched = true;
  progress.last_fetch = now;
  progress.leader_end_at_last_fetch = log_end;
}

void LeaderState::NoteContact(const ReplicaKey& key, MonoTime now,
                              std::optional<bool> observer_only) {
  ReplicaProgress& progress = ProgressFor(key, now);
  if (observer_only) progress.observer_only = *observer_only;
  if (progress.key != key) progress.match_end = LogIndex(0);  // another disk: nothing is known
  progress.key = key;
  progress.fetched = true;
  progress.last_fetch = now;
}

const ReplicaProgress* LeaderState::Find(const ReplicaKey& key) const {
  const auto voter = voter_progress_.find(key.node);
  if (voter != voter_progress_.end() && voter->second.key == key) {
    return voter->second.fetched ? &voter->second : nullptr;
  }
  const auto observer = observer_progress_.find(key);
  return observer == observer_progress_.end() ? nullptr : &observer->second;
}

size_t LeaderState::CountPresent(const VoterSet& voters, MonoTime since) const {
  size_t present = voters.ContainsNode(self_) ? 1 : 0;
  for (const ReplicaProgress& progress : Replicas()) {
    if (progress.fetched && progress.last_fetch > since && voters.Contains(progress.key)) ++present;
  }
  return present;
}

LogIndex LeaderState::MajorityEnd(LogIndex own_end) const {
  std::vector<LogIndex> ends;
  if (self_votes_) ends.push_back(own_end);
  for (const auto& [node, progress] : voter_progress_) ends.push_back(progress.match_end);
  return ReachedByMajority(std::move(ends));
}

MonoTime LeaderState::QuorumLostAt(Micros timeout) const {
  if (voter_progress_.empty()) return MonoTime::Max();
  std::vector<MonoTime> contacts;
  if (self_votes_) contacts.push_back(MonoTime::Max());
  for (const auto& [node, progress] : voter_progress_) {
    contacts.push_back(std::max(progress.last_fetch, became_leader_));
  }
  return ReachedByMajority(std::move(contacts)) + timeout;
}

std::vector<NodeId> LeaderState::SilentVoters(MonoTime now, Micros silence) const {
  std::vector<NodeId> silent;
  for (const auto& [node, progress] : voter_progress_) {
    if (!progress.fetched || now - progress.last_fetch >= silence) silent.push_back(node);
  }
  return silent;
}

std::vector<NodeId> LeaderState::VotersByProgress() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, progress] : voter_progress_) nodes.push_back(node);
  std::stable_sort(nodes.begin(), nodes.end(), [this](NodeId a, NodeId b) {
    return voter_progress_.at(a).match_end > voter_progress_.at(b).match_end;
  });
  return nodes;
}

std::vector<ReplicaProgress> LeaderState::Replicas() const {
  std::vector<ReplicaProgress> replicas;
  for (const auto& [node, progress] : voter_progress_) replicas.push_back(progress);
  for (const auto& [key, progress] : observer_progress_) replicas.push_back(progress);
  return replicas;
}

std::optional<ParkedFetch> LeaderState::Park(const ReplicaKey& key, const ParkedFetch& fetch) {
  std::optional<ParkedFetch> replaced;
  auto [it, added] = parked_.try_emplace(key, fetch);
  if (!added) {
    replaced = it->second;
    it->second = fetch;
  }
  return replaced;
}

void LeaderState::Unpark(RequestId id) {
  std::erase_if(parked_, [id](const auto& entry) { return entry.second.id == id; });
}

std::vector<ParkedFetch> LeaderState::TakeDue(LogIndex log_end, LogIndex commit, MonoTime now) {
  std::vector<ParkedFetch> due;
  for (auto it = parked_.begin(); it != parked_.end();) {
    const ParkedFetch& fetch = it->second;
    if (fetch.fetch_index < log_end || fetch.known_commit < commit || fetch.deadline <= now) {
      due.push_back(fetch);
      it = parked_.erase(it);
    } else {
      ++it;
    }
  }
  return due;
}

std::vector<ParkedFetch> LeaderState::TakeAll() {
  std::vector<ParkedFetch> all;
  for (const auto& [key, fetch] : parked_) all.push_back(fetch);
  parked_.clear();
  return all;
}

void LeaderState::NoteRound(const ReplicaKey& key, uint64_t round, MonoTime now) {
  if (round == 0 || round > read_round_) return;
  ReplicaProgress& progress = ProgressFor(key, now);
  if (progress.key == key) progress.read_round = std::max(progress.read_round, round);
}

std::vector<uint64_t> LeaderState::TakeConfirmedReads() {
  std::vector<uint64_t> rounds;
  if (self_votes_) rounds.push_back(read_round_);
  for (const auto& [node, progress] : voter_progress_) rounds.push_back(progress.read_round);
  const uint64_t confirmed = ReachedByMajority(std::move(rounds));
  std::vector<uint64_t> ids;
  while (!reads_.empty() && reads_.front().round <= confirmed) {
    ids.push_back(reads_.front().id);
    reads_.erase(reads_.begin());
  }
  return ids;
}

std::vector<uint64_t> LeaderState::TakeReads() {
  std::vector<uint64_t> ids;
  for (const Read& read : reads_) ids.push_back(read.id);
  reads_.clear();
  return ids;
}

MonoTime LeaderState::NextParkedDeadline() const {
  MonoTime next = MonoTime::Max();
  for (const auto& [key, fetch] : parked_) next = std::min(next, fetch.deadline);
  return next;
}

}  // namespace quorate::raft
