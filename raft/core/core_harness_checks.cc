// What is checked after each step of CoreCluster.
#include <sstream>

#include "raft/core/core_harness.h"

namespace quorate::raft {

// Scenario D12: the voters are those of the log as it is, whatever became of it.
void CoreCluster::CheckVoters(const CoreNode& node) {
  const RaftCore& core = *node.core;
  if (core.voters() != VotersOf(node)) Violated("I8: the voters are not those of the log");
  const Role role = core.role();
  const bool may_be_either = role == Role::kLeader || role == Role::kResigned;
  bool votes = VotersOf(node).Contains(KeyOf(node.id));
  if (!votes && core.voter_change_pending()) {  // its removal is not final
    const auto last = static_cast<size_t>(core.voter_history().latest_index()->value());
    votes = core.voter_history().At(LogIndex(static_cast<int64_t>(last))).Contains(KeyOf(node.id));
  }
  if (!may_be_either && (role == Role::kObserver) == votes) {
    Violated("I8: an observer votes, or a voter observes");
  }
}

// I8: one change that is not committed, and only behind a committed record of the leader's term
// (scenario D1); one voter comes or goes. A record that changes nobody is free.
void CoreCluster::CheckVoterChange(const CoreNode& node, const VoterSet& next) {
  const VoterSet& before = VotersOf(node);
  if (before.DistanceTo(next) > 1) Violated("I8: more than one voter changed at once");
  if (before.DistanceTo(next) == 0) return;
  const auto commit = static_cast<size_t>(node.core->commit_index().value());
  for (size_t i = commit; i < node.log.size(); ++i) {
    if (node.log[i].voters) Violated("I8: a second change of voters before the first is committed");
  }
  if (commit == 0 || node.log[commit - 1].term != node.core->term()) {
    Violated("I8: a change of voters before a record of the term was committed");
  }
}

// I9: one vote per term and disk, and never by a disk that was not asked.
void CoreCluster::CheckGrant(const CoreNode& node, const VoteRequest& request) {
  if (request.pre_vote || last_ready_.replies.empty()) return;
  const auto* answer = std::get_if<VoteResponse>(&last_ready_.replies.back().message);
  if (answer == nullptr || !answer->granted) return;
  if (request.voter != KeyOf(node.id)) Violated("I9: a vote by a disk that was not asked");
  const auto [it, first] = votes_.try_emplace({KeyOf(node.id), request.term}, request.candidate);
  const bool voter_bug =
      config.bugs.vote_without_persisting || config.bugs.forget_vote_on_step_down;
  if (!first && it->second != request.candidate && !voter_bug) {
    Violated("I9: two votes in a term");
  }
}

void CoreCluster::CheckAfterStep(CoreNode& node, const Ready& ready) {
  RaftCore& core = *node.core;
  const bool voter_bug =
      config.bugs.vote_without_persisting || config.bugs.forget_vote_on_step_down;
  if (core.term() < terms_[node.id] && !voter_bug) Violated("I2: a term went back");
  terms_[node.id] = core.term();
  if (!voter_bug && (core.hard_state().term != node.hard.term ||
                     core.hard_state().voted_for != node.hard.voted_for)) {
    Violated("I2: term and vote in memory differ from the disk");
  }
  if (core.log_end().value() != static_cast<int64_t>(node.log.size())) {
    Violated("the core's log end is not the log's");
  }
  if (core.log_start().value() != static_cast<int64_t>(node.log_start)) {
    Violated("the core's log start is not the log's");
  }
  if (node.log_start > 0 &&
      (node.snapshots.empty() || core.log_start() > node.snapshots.back().end)) {
    Violated("I7: no snapshot at the log's start");
  }
  if (core.role() == Role::kLeader) CheckLeader(node);
  if (dynamic_) CheckVoters(node);
  if (core.commit_index() < commits_[node.id]) Violated("I5: a commit index went back");
  if (core.commit_index() > commits_[node.id]) CheckCommit(node);
  commits_[node.id] = core.commit_index();
}

void CoreCluster::CheckLeader(CoreNode& node) {
  auto [it, added] = leaders_.try_emplace(node.core->term(), node.id);
  if (it->second != node.id) Violated("I1: two leaders in one term");
  if (!added) return;
  // I4: what was committed in a term is in the log of every leader of a later one. (A leader of an
  // older term may still come up; it lacks some and commits nothing.)
  size_t end = 0;
  while (end < committed_.size() && committed_in_[end] < node.core->term()) ++end;
  if (node.log.size() < end || (end > 0 && node.log[end - 1].chain != committed_[end - 1])) {
    Violated("I4: a leader lacks a committed entry");
  }
}

void CoreCluster::CheckCommit(CoreNode& node) {
  const auto end = static_cast<size_t>(node.core->commit_index().value());
  for (size_t i = static_cast<size_t>(commits_[node.id].value()); i < end; ++i) {
    if (i < committed_.size()) {
      if (committed_[i] != node.log[i].chain) Violated("I5: a committed entry changed");
      continue;
    }
    // First time: a majority must hold it durably, of the voters as the leader has them.
    const VoterSet& voters = VotersOf(node);
    size_t holders = 0;
    for (const auto& [id, other] : nodes_) {
      if (voters.Contains(KeyOf(id)) && other.durable > i &&
          other.log[i].chain == node.log[i].chain) {
        ++holders;
      }
    }
    // A disk may be lost after it acknowledged and before the leader committed.
    for (const auto& [key, log] : lost_disks_) {
      if (voters.Contains(key) && log.size() > i && log[i].chain == node.log[i].chain) ++holders;
    }
    if (holders < voters.majority()) Violated("I5: committed without a durable majority");
    const LogIndex index(static_cast<int64_t>(i));
    if (node.log[i].voters &&
        node.core->voter_history().At(index).DistanceTo(*node.log[i].voters) > 0) {
      ++changes_;
    }
    committed_.push_back(node.log[i].chain);
    committed_in_.push_back(node.core->term());
  }
}

void CoreCluster::Violated(const std::string& what) {
  if (!violation_.empty()) return;
  std::ostringstream text;
  text << what;
  for (const auto& [id, node] : nodes_) {
    text << "\n  node " << id << ": log " << node.log.size() << " durable " << node.durable;
    if (node.core) {
      text << " " << node.core->role() << " term " << node.core->term() << " commit "
           << node.core->commit_index();
    }
  }
  violation_ = text.str();
}

}  // namespace quorate::raft
