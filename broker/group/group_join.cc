// Joining: who may, as whom, and what it starts.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "broker/group/group.h"

namespace quorate {

using kafka::KafkaError;

namespace {

void Refuse(GroupTicket ticket, const std::string& member_id, KafkaError error, GroupOutput& out) {
  JoinResult result;
  result.error = error;
  result.member_id = member_id;
  out.joins.push_back({ticket, std::move(result)});
}

bool Offers(const std::vector<GroupProtocol>& protocols, std::string_view name) {
  return std::any_of(protocols.begin(), protocols.end(),
                     [&](const GroupProtocol& p) { return p.name == name; });
}

// Copies, so that a group does not keep request frames alive.
std::vector<GroupProtocol> Own(const std::vector<GroupProtocol>& protocols) {
  std::vector<GroupProtocol> owned;
  owned.reserve(protocols.size());
  for (const auto& p : protocols) owned.push_back({p.name, SharedBytes::Copy(p.metadata.view())});
  return owned;
}

}  // namespace

void Group::Join(const JoinRequest& request, const std::string& new_member_id, GroupTicket ticket,
                 GroupTime time, GroupOutput& out) {
  if (state_ == GroupState::kDead) {
    return Refuse(ticket, request.member_id, KafkaError::kCoordinatorNotAvailable, out);
  }
  if (request.session_timeout < limits_->min_session_timeout ||
      request.session_timeout > limits_->max_session_timeout) {
    return Refuse(ticket, request.member_id, KafkaError::kInvalidSessionTimeout, out);
  }
  if (!HasRoomFor(request)) {
    Refuse(ticket, request.member_id, KafkaError::kGroupMaxSizeReached, out);
    if (auto it = members_.find(request.member_id); it != members_.end()) {
      RemoveMember(it, KafkaError::kGroupMaxSizeReached, out);
      AfterRemoval(time, out);
    } else if (pending_.erase(request.member_id) > 0) {
      MaybeCompleteJoin(time, out);
    }
    return;
  }
  if (!SupportsProtocols(request)) {
    return Refuse(ticket, request.member_id, KafkaError::kInconsistentGroupProtocol, out);
  }
  if (request.member_id.empty()) {
    JoinNew(request, new_member_id, ticket, time, out);
  } else {
    JoinKnown(request, ticket, time, out);
  }
}

bool Group::HasRoomFor(const JoinRequest& request) const {
  std::string_view id = request.member_id;
  if (id.empty() && request.instance_id.has_value()) {
    // Whoever takes a static member's place takes no more room than it.
    if (auto it = static_ids_.find(*request.instance_id); it != static_ids_.end()) id = it->second;
  }
  const auto it = members_.find(id);
  switch (state_) {
    case GroupState::kEmpty:
    case GroupState::kDead:
      return limits_->max_size > 0;
    case GroupState::kPreparingRebalance: {
      // Members that have not rejoined yet may never do so: the first to come fill the room.
      if (it != members_.end() && it->second.join != GroupTicket::kNone) return true;
      const auto waiting = std::count_if(members_.begin(), members_.end(), [](const auto& m) {
        return m.second.join != GroupTicket::kNone;
      });
      return static_cast<size_t>(waiting) < limits_->max_size;
    }
    case GroupState::kCompletingRebalance:
    case GroupState::kStable:
      return it != members_.end() || members_.size() < limits_->max_size;
  }
  return false;
}

bool Group::SupportsProtocols(const JoinRequest& request) const {
  if (request.protocol_type.empty() || request.protocols.empty()) return false;
  if (members_.empty()) return true;
  if (request.protocol_type != protocol_type_) return false;
  return std::any_of(
      request.protocols.begin(), request.protocols.end(), [&](const GroupProtocol& protocol) {
        return std::all_of(members_.begin(), members_.end(), [&](const auto& member) {
          return Offers(member.second.protocols, protocol.name);
        });
      });
}

void Group::JoinNew(const JoinRequest& request, const std::string& id, GroupTicket ticket,
                    GroupTime time, GroupOutput& out) {
  if (request.instance_id.has_value()) {
    if (static_ids_.contains(*request.instance_id)) {
      ReplaceStatic(request, id, ticket, time, out);
    } else {
      AddMember(request, id, ticket, time, out);
    }
    return;
  }
  if (request.require_known_member_id) {
    pending_[id] = time.now + request.session_timeout;
    return Refuse(ticket, id, KafkaError::kMemberIdRequired, out);
  }
  AddMember(request, id, ticket, time, out);
}

void Group::JoinKnown(const JoinRequest& request, GroupTicket ticket, GroupTime time,
                      GroupOutput& out) {
  if (pending_.contains(request.member_id)) {
    if (request.instance_id.has_value()) {
      // An id is given out in advance to dynamic members only.
      return Refuse(ticket, request.member_id, KafkaError::kUnknownMemberId, out);
    }
    return AddMember(request, request.member_id, ticket, time, out);
  }
  const KafkaError error = Check({request.member_id, request.instance_id});
  if (error != KafkaError::kNone) return Refuse(ticket, request.member_id, error, out);
  Member& member = members_.find(request.member_id)->second;
  const bool same = member.protocols == request.protocols;
  const bool leads = leader_ == member.id;
  switch (state_) {
    case GroupState::kCompletingRebalance:
      // The answer to its join may have been lost: the same again, unless it wants something else.
      if (!same) return Rejoin(member, request, ticket, time, out);
      break;
    case GroupState::kStable:
      // The leader rejoins when it saw something that calls for a new assignment.
      if (!same || leads) return Rejoin(member, request, ticket, time, out);
      break;
    case GroupState::kPreparingRebalance:
      return Rejoin(member, request, ticket, time, out);
    case GroupState::kEmpty:
    case GroupState::kDead:
      return Refuse(ticket, request.member_id, KafkaError::kUnknownMemberId, out);
  }
  if (member.sync == GroupTicket::kNone)
    member.session_deadline = time.now + member.session_timeout;
  out.joins.push_back({ticket, CurrentJoinResult(member)});
}

void Group::AddMember(const JoinRequest& request, const std::string& id, GroupTicket ticket,
                      GroupTime time, GroupOutput& out) {
  if (members_.empty()) protocol_type_ = request.protocol_type;
  pending_.erase(id);
  Member& member = members_[id];
  member.id = id;
  member.instance_id = request.instance_id;
  member.is_new = true;
  UpdateMember(member, request);
  if (request.instance_id.has_value()) static_ids_[*request.instance_id] = id;
  if (!leader_.has_value()) leader_ = id;
  if (state_ == GroupState::kPreparingRebalance && initial_) newcomers_ = true;
  ParkJoin(member, ticket, time, out);
  MaybePrepareRebalance(time, out);
}

void Group::UpdateMember(Member& member, const JoinRequest& request) {
  member.protocols = Own(request.protocols);
  member.session_timeout = request.session_timeout;
  member.rebalance_timeout = request.rebalance_timeout;
  member.client_id = request.client_id;
  member.client_host = request.client_host;
}

void Group::Rejoin(Member& member, const JoinRequest& request, GroupTicket ticket, GroupTime time,
                   GroupOutput& out) {
  UpdateMember(member, request);
  ParkJoin(member, ticket, time, out);
  MaybePrepareRebalance(time, out);
}

void Group::ParkJoin(Member& member, GroupTicket ticket, GroupTime time, GroupOutput& out) {
  if (member.join != GroupTicket::kNone) {
    Refuse(member.join, member.id, KafkaError::kRebalanceInProgress, out);
  }
  member.join = ticket;
  member.session_deadline =
      member.is_new ? time.now + limits_->new_member_timeout : MonoTime::Max();
}

void Group::ReplaceStatic(const JoinRequest& request, const std::string& id, GroupTicket ticket,
                          GroupTime time, GroupOutput& out) {
  auto node = members_.extract(static_ids_.at(*request.instance_id));
  QCHECK(!node.empty());
  const std::string old_id = node.key();
  const std::optional<std::string> old_leader = leader_;
  Member& old = node.mapped();
  if (old.join != GroupTicket::kNone) {
    Refuse(std::exchange(old.join, GroupTicket::kNone), old_id, KafkaError::kFencedInstanceId, out);
  }
  if (old.sync != GroupTicket::kNone) {
    SyncResult fenced;
    fenced.error = KafkaError::kFencedInstanceId;
    out.syncs.push_back({std::exchange(old.sync, GroupTicket::kNone), std::move(fenced)});
  }
  for (auto& [write, waiting] : static_writes_) {
    // It came back once more before the last time was written.
    if (waiting.result.member_id != old_id || waiting.ticket == GroupTicket::kNone) continue;
    Refuse(std::exchange(waiting.ticket, GroupTicket::kNone), old_id, KafkaError::kFencedInstanceId,
           out);
  }
  node.key() = id;
  Member& member = members_.insert(std::move(node)).position->second;
  member.id = id;
  static_ids_[*request.instance_id] = id;
  if (leader_ == old_id) leader_ = id;
  UpdateMember(member, request);
  member.session_deadline = time.now + member.session_timeout;

  if (state_ == GroupState::kStable && SelectProtocol() == protocol_) {
    JoinResult result = CurrentJoinResult(member);
    if (!request.can_skip_assignment) {
      // It must not take itself for the leader and bring a new assignment: it hears the old name.
      result.leader = old_leader.value_or("");
      result.members.clear();
    } else {
      result.skip_assignment = leader_ == id;
    }
    const uint64_t write = Write(Snapshot(), out);
    static_writes_[write] = {ticket, std::move(result)};
    return;
  }
  // The leader may have the old id in the assignment it is making: a new rebalance.
  ParkJoin(member, ticket, time, out);
  MaybePrepareRebalance(time, out);
}

JoinResult Group::CurrentJoinResult(const Member& member) const {
  JoinResult result;
  result.generation = generation_;
  result.protocol_type = protocol_type_;
  result.protocol_name = protocol_;
  result.leader = leader_.value_or("");
  result.member_id = member.id;
  if (leader_ == member.id) result.members = JoinedMembers();
  return result;
}

std::vector<JoinedMember> Group::JoinedMembers() const {
  std::vector<JoinedMember> joined;
  for (const auto& [id, member] : members_) {
    auto& out = joined.emplace_back();
    out.member_id = id;
    out.instance_id = member.instance_id;
    for (const auto& protocol : member.protocols) {
      if (protocol.name == protocol_) out.metadata = protocol.metadata;
    }
  }
  return joined;
}

std::string Group::SelectProtocol() const {
  QCHECK(!members_.empty());
  // Each member votes for the first of its protocols that all support; ties go by the leader's
  // order.
  const auto supported = [&](const std::string& name) {
    return std::all_of(members_.begin(), members_.end(),
                       [&](const auto& m) { return Offers(m.second.protocols, name); });
  };
  std::map<std::string, int> votes;
  for (const auto& [id, member] : members_) {
    for (const auto& protocol : member.protocols) {
      if (!supported(protocol.name)) continue;
      ++votes[protocol.name];
      break;
    }
  }
  const auto first = leader_.has_value() ? members_.find(*leader_) : members_.begin();
  QCHECK(first != members_.end());
  std::string best;
  int most = 0;
  for (const auto& protocol : first->second.protocols) {
    const auto it = votes.find(protocol.name);
    if (it == votes.end() || it->second <= most) continue;
    most = it->second;
    best = protocol.name;
  }
  QCHECK_GT(most, 0);
  return best;
}

}  // namespace quorate
