#include "raft/core/leader_state.h"

#include <algorithm>
#include <functional>

namespace quorate::raft {
namespace {

constexpr Micros kForgetObserverAfter = std::chrono::minutes(5);

}  // namespace

LeaderState::LeaderState(NodeId self, const VoterSet& voters, LogIndex term_start, MonoTime now)
    : next_begin_term(now),
      self_(self),
      voters_(voters),
      term_start_(term_start),
      became_leader_(now) {
  for (const auto& [node, directory] : voters_.voters()) {
    if (node == self_) continue;
    ReplicaProgress progress;
    progress.key = {node, directory};
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
                            MonoTime now) {
  ReplicaProgress& progress = ProgressFor(key, now);
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

void LeaderState::NoteContact(const ReplicaKey& key, MonoTime now) {
  ReplicaProgress& progress = ProgressFor(key, now);
  if (progress.key != key) progress.match_end = LogIndex(0);  // another disk: nothing is known
  progress.key = key;
  progress.fetched = true;
  progress.last_fetch = now;
}

LogIndex LeaderState::MajorityEnd(LogIndex own_end) const {
  std::vector<LogIndex> ends = {own_end};
  for (const auto& [node, progress] : voter_progress_) ends.push_back(progress.match_end);
  return ReachedByMajority(std::move(ends));
}

MonoTime LeaderState::QuorumLostAt(Micros timeout) const {
  if (voter_progress_.empty()) return MonoTime::Max();
  std::vector<MonoTime> contacts = {MonoTime::Max()};  // the leader itself
  for (const auto& [node, progress] : voter_progress_) {
    contacts.push_back(progress.fetched ? progress.last_fetch : became_leader_);
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

MonoTime LeaderState::NextParkedDeadline() const {
  MonoTime next = MonoTime::Max();
  for (const auto& [key, fetch] : parked_) next = std::min(next, fetch.deadline);
  return next;
}

}  // namespace quorate::raft
