#include "broker/group/group.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace quorate {

using kafka::KafkaError;

std::string_view ToString(GroupState state) {
  switch (state) {
    case GroupState::kEmpty:
      return "Empty";
    case GroupState::kPreparingRebalance:
      return "PreparingRebalance";
    case GroupState::kCompletingRebalance:
      return "CompletingRebalance";
    case GroupState::kStable:
      return "Stable";
    case GroupState::kDead:
      return "Dead";
  }
  return "";
}

Group::Group(std::string id, const GroupLimits* limits, const GroupSnapshot& snapshot,
             GroupTime time)
    : id_(std::move(id)),
      limits_(limits),
      state_time_(snapshot.state_time),
      generation_(snapshot.generation),
      protocol_type_(snapshot.protocol_type) {
  if (snapshot.members.empty()) return;
  state_ = GroupState::kStable;
  protocol_ = snapshot.protocol.value_or("");
  for (const auto& stored : snapshot.members) {
    Member& member = members_[stored.member_id];
    member.id = stored.member_id;
    member.instance_id = stored.instance_id;
    member.client_id = stored.client_id;
    member.client_host = stored.client_host;
    member.session_timeout = stored.session_timeout;
    member.rebalance_timeout = stored.rebalance_timeout;
    member.protocols = {{*protocol_, stored.subscription}};
    member.assignment = stored.assignment;
    member.session_deadline = time.now + member.session_timeout;
    if (stored.instance_id.has_value()) static_ids_[*stored.instance_id] = stored.member_id;
  }
  leader_ = snapshot.leader;
  if (!leader_.has_value() || !members_.contains(*leader_)) leader_ = members_.begin()->first;
}

bool Group::HasMember(std::string_view member_id) const { return members_.contains(member_id); }

KafkaError Group::Check(const MemberIdentity& member) const {
  if (member.instance_id.has_value()) {
    const auto it = static_ids_.find(*member.instance_id);
    if (it == static_ids_.end()) return KafkaError::kUnknownMemberId;
    if (it->second != member.member_id) return KafkaError::kFencedInstanceId;
    return KafkaError::kNone;
  }
  return HasMember(member.member_id) ? KafkaError::kNone : KafkaError::kUnknownMemberId;
}

void Group::Sync(const SyncRequest& request, GroupTicket ticket, GroupTime time, GroupOutput& out) {
  const auto refuse = [&](KafkaError error) {
    SyncResult result;
    result.error = error;
    out.syncs.push_back({ticket, std::move(result)});
  };
  if (state_ == GroupState::kDead) return refuse(KafkaError::kCoordinatorNotAvailable);
  const KafkaError error = Check({request.member_id, request.instance_id});
  if (error != KafkaError::kNone) return refuse(error);
  if (request.generation != generation_) return refuse(KafkaError::kIllegalGeneration);
  if ((request.protocol_type.has_value() && *request.protocol_type != protocol_type_) ||
      (request.protocol_name.has_value() && request.protocol_name != protocol_)) {
    return refuse(KafkaError::kInconsistentGroupProtocol);
  }
  Member& member = members_.find(request.member_id)->second;
  switch (state_) {
    case GroupState::kEmpty:
    case GroupState::kDead:
      return refuse(KafkaError::kUnknownMemberId);
    case GroupState::kPreparingRebalance:
      return refuse(KafkaError::kRebalanceInProgress);
    case GroupState::kStable:
      member.needs_sync = false;
      member.session_deadline = time.now + member.session_timeout;
      out.syncs.push_back({ticket, SyncResultFor(member)});
      return;
    case GroupState::kCompletingRebalance:
      break;
  }
  if (member.sync != GroupTicket::kNone) {
    SyncResult superseded;
    superseded.error = KafkaError::kRebalanceInProgress;
    out.syncs.push_back({member.sync, std::move(superseded)});
  }
  member.sync = ticket;
  member.needs_sync = false;
  member.session_deadline = MonoTime::Max();
  if (leader_ != member.id || assignment_write_ != 0) return;
  pending_assignments_.clear();
  for (const auto& [id, unused] : members_) pending_assignments_[id] = SharedBytes();
  for (const auto& given : request.assignments) {
    // An assignment for somebody who is no member is of no use to anyone.
    if (auto it = pending_assignments_.find(given.member_id); it != pending_assignments_.end()) {
      it->second = SharedBytes::Copy(given.assignment.view());
    }
  }
  GroupSnapshot snapshot = SnapshotWith(pending_assignments_);
  snapshot.state_time = time.wall;
  assignment_write_ = Write(std::move(snapshot), out);
}

KafkaError Group::Heartbeat(const MemberIdentity& identity, int32_t generation, GroupTime time) {
  if (state_ == GroupState::kDead) return KafkaError::kCoordinatorNotAvailable;
  const KafkaError error = Check(identity);
  if (error != KafkaError::kNone) return error;
  if (generation != generation_) return KafkaError::kIllegalGeneration;
  if (state_ == GroupState::kEmpty) return KafkaError::kUnknownMemberId;
  Member& member = members_.find(identity.member_id)->second;
  if (member.join == GroupTicket::kNone && member.sync == GroupTicket::kNone) {
    member.session_deadline = time.now + member.session_timeout;
  }
  return state_ == GroupState::kPreparingRebalance ? KafkaError::kRebalanceInProgress
                                                   : KafkaError::kNone;
}

KafkaError Group::CheckCommit(const MemberIdentity& identity, int32_t generation, GroupTime time) {
  if (state_ == GroupState::kDead) return KafkaError::kCoordinatorNotAvailable;
  const bool simple =
      generation < 0 && identity.member_id.empty() && !identity.instance_id.has_value();
  if (generation < 0 && state_ == GroupState::kEmpty) return KafkaError::kNone;
  // Who is no member must not commit for those who are.
  if (simple) return KafkaError::kUnknownMemberId;
  const KafkaError error = Check(identity);
  if (error != KafkaError::kNone) return error;
  if (generation != generation_) return KafkaError::kIllegalGeneration;
  if (state_ == GroupState::kCompletingRebalance) return KafkaError::kRebalanceInProgress;
  Member& member = members_.find(identity.member_id)->second;
  if (member.join == GroupTicket::kNone && member.sync == GroupTicket::kNone) {
    member.session_deadline = time.now + member.session_timeout;
  }
  return KafkaError::kNone;
}

std::vector<KafkaError> Group::Leave(const std::vector<MemberIdentity>& members, GroupTime time,
                                     GroupOutput& out) {
  const size_t before = members_.size();
  std::vector<KafkaError> errors;
  errors.reserve(members.size());
  for (const auto& identity : members) {
    errors.push_back(state_ == GroupState::kDead ? KafkaError::kCoordinatorNotAvailable
                                                 : LeaveOne(identity, out));
  }
  if (members_.size() < before) {
    AfterRemoval(time, out);
  } else {
    MaybeCompleteJoin(time, out);  // ids given out may have been handed back
  }
  return errors;
}

KafkaError Group::LeaveOne(const MemberIdentity& identity, GroupOutput& out) {
  if (identity.member_id.empty()) {
    // An administrator names static members by instance id alone.
    if (!identity.instance_id.has_value()) return KafkaError::kUnknownMemberId;
    const auto it = static_ids_.find(*identity.instance_id);
    if (it == static_ids_.end()) return KafkaError::kUnknownMemberId;
    RemoveMember(members_.find(it->second), KafkaError::kUnknownMemberId, out);
    return KafkaError::kNone;
  }
  if (!identity.instance_id.has_value() && pending_.erase(identity.member_id) > 0) {
    return KafkaError::kNone;
  }
  const KafkaError error = Check(identity);
  if (error != KafkaError::kNone) return error;
  RemoveMember(members_.find(identity.member_id), KafkaError::kUnknownMemberId, out);
  return KafkaError::kNone;
}

void Group::RemoveMember(Members::iterator it, KafkaError error, GroupOutput& out) {
  Member& member = it->second;
  if (member.join != GroupTicket::kNone) {
    JoinResult result;
    result.error = error;
    result.member_id = member.id;
    out.joins.push_back({member.join, std::move(result)});
  }
  if (member.sync != GroupTicket::kNone) {
    SyncResult result;
    result.error = error;
    out.syncs.push_back({member.sync, std::move(result)});
  }
  if (member.instance_id.has_value()) static_ids_.erase(*member.instance_id);
  const bool led = leader_ == member.id;
  members_.erase(it);
  if (led) {
    leader_.reset();
    if (!members_.empty()) leader_ = members_.begin()->first;
  }
}

void Group::AfterRemoval(GroupTime time, GroupOutput& out) {
  if (state_ == GroupState::kStable || state_ == GroupState::kCompletingRebalance) {
    PrepareRebalance(time, out);
  } else {
    MaybeCompleteJoin(time, out);
  }
}

void Group::MarkDead() {
  QCHECK(state_ == GroupState::kEmpty);
  state_ = GroupState::kDead;
}

void Group::Revive() {
  QCHECK(state_ == GroupState::kDead);
  state_ = GroupState::kEmpty;
}

GroupSnapshot Group::SnapshotWith(const std::map<std::string, SharedBytes>& assignments) const {
  GroupSnapshot snapshot;
  snapshot.protocol_type = protocol_type_;
  snapshot.generation = generation_;
  snapshot.protocol = protocol_;
  snapshot.leader = leader_;
  snapshot.state_time = state_time_;
  for (const auto& [id, member] : members_) {
    auto& out = snapshot.members.emplace_back();
    out.member_id = id;
    out.instance_id = member.instance_id;
    out.client_id = member.client_id;
    out.client_host = member.client_host;
    out.session_timeout = member.session_timeout;
    out.rebalance_timeout = member.rebalance_timeout;
    for (const auto& protocol : member.protocols) {
      if (protocol.name == protocol_) out.subscription = protocol.metadata;
    }
    const auto given = assignments.find(id);
    out.assignment = given == assignments.end() ? member.assignment : given->second;
  }
  return snapshot;
}

GroupDescription Group::Describe() const {
  GroupDescription description;
  description.state = ToString(state_);
  description.protocol_type = protocol_type_;
  const bool stable = state_ == GroupState::kStable;
  if (stable) description.protocol = protocol_.value_or("");
  for (const auto& member : Snapshot().members) {
    auto& out = description.members.emplace_back();
    out.member_id = member.member_id;
    out.instance_id = member.instance_id;
    out.client_id = member.client_id;
    out.client_host = member.client_host;
    if (!stable) continue;
    out.metadata = member.subscription;
    out.assignment = member.assignment;
  }
  return description;
}

}  // namespace quorate
