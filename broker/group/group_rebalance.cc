// Rebalances: how one begins, completes, and what time does to members.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "broker/group/group.h"

namespace quorate {

using kafka::KafkaError;

Micros Group::RebalanceTimeout() const {
  Micros longest{0};
  for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout);
  return longest;
}

void Group::SetState(GroupState state, GroupTime time) {
  state_ = state;
  state_time_ = time.wall;
}

uint64_t Group::Write(GroupSnapshot snapshot, GroupOutput& out) {
  out.writes.push_back({++last_write_, std::move(snapshot)});
  return last_write_;
}

void Group::MaybePrepareRebalance(GroupTime time, GroupOutput& out) {
  if (state_ == GroupState::kPreparingRebalance) {
    MaybeCompleteJoin(time, out);
  } else {
    PrepareRebalance(time, out);
  }
}

void Group::PrepareRebalance(GroupTime time, GroupOutput& out) {
  QCHECK(state_ != GroupState::kPreparingRebalance);
  QCHECK(state_ != GroupState::kDead);
  if (state_ == GroupState::kCompletingRebalance) {
    AnswerSyncs(KafkaError::kRebalanceInProgress, time, out);
  }
  assignment_write_ = 0;
  pending_assignments_.clear();
  sync_deadline_ = MonoTime::Max();
  for (auto& [id, member] : members_) member.needs_sync = false;

  initial_ = state_ == GroupState::kEmpty;
  newcomers_ = false;
  const Micros limit = RebalanceTimeout();
  Micros wait = limit;
  if (initial_) {
    wait = std::min(limits_->initial_rebalance_delay, limit);
    initial_left_ = limit - wait;
  }
  rebalance_deadline_ = time.now + wait;
  SetState(GroupState::kPreparingRebalance, time);
  MaybeCompleteJoin(time, out);
  if (state_ == GroupState::kPreparingRebalance && rebalance_deadline_ <= time.now) {
    OnRebalanceDeadline(time, out);
  }
}

void Group::MaybeCompleteJoin(GroupTime time, GroupOutput& out) {
  if (state_ != GroupState::kPreparingRebalance || initial_ || !pending_.empty()) return;
  const bool all = std::all_of(members_.begin(), members_.end(),
                               [](const auto& m) { return m.second.join != GroupTicket::kNone; });
  if (all) CompleteJoin(time, out);
}

void Group::OnRebalanceDeadline(GroupTime time, GroupOutput& out) {
  if (initial_ && newcomers_ && initial_left_ > Micros(0)) {
    // Members still arrive: wait once more, but never longer than the rebalance timeout in all.
    newcomers_ = false;
    const Micros more = std::min(limits_->initial_rebalance_delay, initial_left_);
    initial_left_ -= more;
    rebalance_deadline_ = time.now + more;
    return;
  }
  CompleteJoin(time, out);
}

bool Group::ElectJoinedLeader() {
  if (leader_.has_value() && members_.find(*leader_)->second.join != GroupTicket::kNone) {
    return true;
  }
  for (const auto& [id, member] : members_) {
    if (member.join == GroupTicket::kNone) continue;
    leader_ = id;
    return true;
  }
  return false;
}

void Group::CompleteJoin(GroupTime time, GroupOutput& out) {
  initial_ = false;
  for (auto it = members_.begin(); it != members_.end();) {
    // A static member may be restarting: its session decides.
    const auto next = std::next(it);
    if (it->second.join == GroupTicket::kNone && !it->second.instance_id.has_value()) {
      RemoveMember(it, KafkaError::kUnknownMemberId, out);
    }
    it = next;
  }
  if (!members_.empty() && !ElectJoinedLeader()) {
    rebalance_deadline_ = time.now + std::max(RebalanceTimeout(), Micros(Millis(1)));
    return;
  }
  rebalance_deadline_ = MonoTime::Max();
  ++generation_;
  if (members_.empty()) {
    protocol_.reset();
    leader_.reset();
    SetState(GroupState::kEmpty, time);
    Write(Snapshot(), out);
    return;
  }
  protocol_ = SelectProtocol();
  SetState(GroupState::kCompletingRebalance, time);
  sync_deadline_ = time.now + std::max(RebalanceTimeout(), Micros(Millis(1)));
  for (auto& [id, member] : members_) {
    member.needs_sync = true;
    member.is_new = false;
    member.session_deadline = time.now + member.session_timeout;
    const GroupTicket ticket = std::exchange(member.join, GroupTicket::kNone);
    if (ticket != GroupTicket::kNone) out.joins.push_back({ticket, CurrentJoinResult(member)});
  }
}

SyncResult Group::SyncResultFor(const Member& member) const {
  SyncResult result;
  result.protocol_type = protocol_type_;
  result.protocol_name = protocol_;
  result.assignment = member.assignment;
  return result;
}

void Group::AnswerSyncs(KafkaError error, GroupTime time, GroupOutput& out) {
  for (auto& [id, member] : members_) {
    const GroupTicket ticket = std::exchange(member.sync, GroupTicket::kNone);
    if (ticket == GroupTicket::kNone) continue;
    member.session_deadline = time.now + member.session_timeout;
    SyncResult result;
    if (error == KafkaError::kNone) {
      result = SyncResultFor(member);
    } else {
      result.error = error;
    }
    out.syncs.push_back({ticket, std::move(result)});
  }
}

void Group::OnWritten(uint64_t id, KafkaError error, GroupTime time, GroupOutput& out) {
  if (auto node = static_writes_.extract(id); !node.empty()) {
    ReplacedStatic& replaced = node.mapped();
    if (replaced.ticket == GroupTicket::kNone) return;
    if (error != KafkaError::kNone) {
      const std::string member_id = replaced.result.member_id;
      replaced.result = JoinResult();
      replaced.result.error = error;
      replaced.result.member_id = member_id;
    }
    out.joins.push_back({replaced.ticket, std::move(replaced.result)});
    return;
  }
  if (id != assignment_write_ || id == 0) return;
  // A rebalance that began meanwhile would have reset assignment_write_.
  QCHECK(state_ == GroupState::kCompletingRebalance);
  assignment_write_ = 0;
  if (error != KafkaError::kNone) {
    AnswerSyncs(error, time, out);
    PrepareRebalance(time, out);
    return;
  }
  for (auto& [member_id, member] : members_) {
    member.assignment = std::move(pending_assignments_[member_id]);
  }
  pending_assignments_.clear();
  SetState(GroupState::kStable, time);
  AnswerSyncs(KafkaError::kNone, time, out);
}

void Group::ExpireMissingSyncs(GroupTime time, GroupOutput& out) {
  sync_deadline_ = MonoTime::Max();
  const size_t before = members_.size();
  for (auto it = members_.begin(); it != members_.end();) {
    const auto next = std::next(it);
    if (it->second.needs_sync) RemoveMember(it, KafkaError::kUnknownMemberId, out);
    it = next;
  }
  // With nobody missing the leader's assignment is being written: that has its own time limit.
  if (members_.size() < before) AfterRemoval(time, out);
}

void Group::Tick(GroupTime time, GroupOutput& out) {
  if (state_ == GroupState::kDead) return;
  const size_t pending_before = pending_.size();
  std::erase_if(pending_, [&](const auto& entry) { return entry.second <= time.now; });
  const size_t before = members_.size();
  for (auto it = members_.begin(); it != members_.end();) {
    const auto next = std::next(it);
    if (it->second.session_deadline <= time.now) {
      RemoveMember(it, KafkaError::kUnknownMemberId, out);
    }
    it = next;
  }
  if (members_.size() < before) {
    AfterRemoval(time, out);
  } else if (pending_.size() < pending_before) {
    MaybeCompleteJoin(time, out);
  }
  if (sync_deadline_ <= time.now) ExpireMissingSyncs(time, out);
  if (state_ == GroupState::kPreparingRebalance && rebalance_deadline_ <= time.now) {
    OnRebalanceDeadline(time, out);
  }
}

MonoTime Group::NextDeadline() const {
  if (state_ == GroupState::kDead) return MonoTime::Max();
  MonoTime next = MonoTime::Max();
  for (const auto& [id, until] : pending_) next = std::min(next, until);
  for (const auto& [id, member] : members_) next = std::min(next, member.session_deadline);
  if (state_ == GroupState::kPreparingRebalance) next = std::min(next, rebalance_deadline_);
  return std::min(next, sync_deadline_);
}

}  // namespace quorate
