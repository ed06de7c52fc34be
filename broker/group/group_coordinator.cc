#include "broker/group/group_coordinator.h"

#include <glog/logging.h>

#include <sstream>

#include "base/check.h"
#include "broker/group/group_placement.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

using kafka::KafkaError;

GroupCoordinator::GroupCoordinator(const GroupCoordinatorEnv& env,
                                   const GroupCoordinatorOptions& options)
    : env_(env), options_(options) {}

GroupCoordinator::~GroupCoordinator() {
  *alive_ = false;
  env_.log->Observe(nullptr);
  env_.loop->Cancel(cleanup_timer_);
  for (auto& [partition, shard] : shards_) {
    env_.loop->Cancel(shard->load_retry);
    for (auto& [id, slot] : shard->slots()) env_.loop->Cancel(slot->timer);
  }
}

void GroupCoordinator::Start() {
  env_.log->Observe(this);
  cleanup_timer_ = env_.loop->RunAfter(options_.offsets_check_interval, [this] { CleanUp(); });
}

PartitionIndex GroupCoordinator::PartitionFor(std::string_view group_id) const {
  const TopicImage* topic = env_.images->image()->FindTopicByName(kOffsetsTopic);
  const size_t known = topic == nullptr ? 0 : topic->partitions.size();
  return PartitionForGroup(group_id,
                           known > 0 ? static_cast<int32_t>(known) : options_.topic_partitions);
}

GroupTime GroupCoordinator::Time() const {
  return {env_.loop->Now(), env_.loop->clock().WallNow()};
}

KafkaError GroupCoordinator::Locate(const std::string& group_id, GroupShard** shard) const {
  const PartitionIndex partition = PartitionFor(group_id);
  const auto it = shards_.find(partition);
  if (it == shards_.end()) return KafkaError::kNotCoordinator;
  // The log may know already what its observer is about to hear.
  const auto positions = env_.log->Find(partition);
  if (!positions.has_value() || positions->epoch != it->second->epoch()) {
    return KafkaError::kNotCoordinator;
  }
  if (!it->second->active()) return KafkaError::kCoordinatorLoadInProgress;
  *shard = it->second.get();
  return KafkaError::kNone;
}

std::string GroupCoordinator::NewMemberId(const JoinRequest& request) {
  const std::string& prefix =
      request.instance_id.has_value() ? *request.instance_id : request.client_id;
  return prefix + "-" + Uuid::Generate(*env_.random).ToString();
}

void GroupCoordinator::Join(const JoinRequest& request, JoinDone done) {
  const auto refuse = [&](KafkaError error) {
    JoinResult result;
    result.error = error;
    result.member_id = request.member_id;
    done(std::move(result));
  };
  if (request.group_id.empty()) return refuse(KafkaError::kInvalidGroupId);
  GroupShard* shard = nullptr;
  const KafkaError error = Locate(request.group_id, &shard);
  if (error != KafkaError::kNone) return refuse(error);
  if (!request.member_id.empty() && shard->Find(request.group_id) == nullptr) {
    return refuse(KafkaError::kUnknownMemberId);
  }
  GroupSlot& slot = shard->FindOrAdd(request.group_id);
  const GroupTicket ticket{++last_ticket_};
  shard->joins.emplace(ticket, std::move(done));
  GroupOutput out;
  slot.group.Join(request, NewMemberId(request), ticket, Time(), out);
  Emit(*shard, slot, std::move(out));
}

void GroupCoordinator::Sync(const SyncRequest& request, SyncDone done) {
  const auto refuse = [&](KafkaError error) {
    SyncResult result;
    result.error = error;
    done(std::move(result));
  };
  if (request.group_id.empty()) return refuse(KafkaError::kInvalidGroupId);
  GroupShard* shard = nullptr;
  KafkaError error = Locate(request.group_id, &shard);
  // Whoever syncs is in a rebalance that the loading ended.
  if (error == KafkaError::kCoordinatorLoadInProgress) error = KafkaError::kRebalanceInProgress;
  if (error != KafkaError::kNone) return refuse(error);
  GroupSlot* slot = shard->Find(request.group_id);
  if (slot == nullptr) return refuse(KafkaError::kUnknownMemberId);
  const GroupTicket ticket{++last_ticket_};
  shard->syncs.emplace(ticket, std::move(done));
  GroupOutput out;
  slot->group.Sync(request, ticket, Time(), out);
  Emit(*shard, *slot, std::move(out));
}

KafkaError GroupCoordinator::Heartbeat(const std::string& group_id, const MemberIdentity& member,
                                       int32_t generation) {
  if (group_id.empty()) return KafkaError::kInvalidGroupId;
  GroupShard* shard = nullptr;
  const KafkaError error = Locate(group_id, &shard);
  if (error == KafkaError::kCoordinatorLoadInProgress) return KafkaError::kNone;
  if (error != KafkaError::kNone) return error;
  GroupSlot* slot = shard->Find(group_id);
  if (slot == nullptr) return KafkaError::kUnknownMemberId;
  // It only moves deadlines on: the timer that is set looks again when it comes.
  return slot->group.Heartbeat(member, generation, Time());
}

void GroupCoordinator::Leave(const std::string& group_id,
                             const std::vector<MemberIdentity>& members,
                             absl::AnyInvocable<void(LeaveResult)> done) {
  LeaveResult result;
  GroupShard* shard = nullptr;
  result.error = group_id.empty() ? KafkaError::kInvalidGroupId : Locate(group_id, &shard);
  if (result.error != KafkaError::kNone) return done(std::move(result));
  GroupSlot* slot = shard->Find(group_id);
  if (slot == nullptr) {
    result.members.assign(members.size(), KafkaError::kUnknownMemberId);
    return done(std::move(result));
  }
  GroupOutput out;
  result.members = slot->group.Leave(members, Time(), out);
  Emit(*shard, *slot, std::move(out),
       [result = std::move(result), done = std::move(done)](KafkaError written) mutable {
         result.error = written;
         done(std::move(result));
       });
}

// Answers and writes what `out` asks for; `after` runs when the last write ended. The slot may be
// gone afterwards.
void GroupCoordinator::Emit(GroupShard& shard, GroupSlot& slot, GroupOutput out,
                            AfterWrites after) {
  std::vector<std::pair<JoinDone, JoinResult>> joins;
  for (auto& answer : out.joins) {
    auto node = shard.joins.extract(answer.ticket);
    QCHECK(!node.empty());
    joins.emplace_back(std::move(node.mapped()), std::move(answer.result));
  }
  std::vector<std::pair<SyncDone, SyncResult>> syncs;
  for (auto& answer : out.syncs) {
    auto node = shard.syncs.extract(answer.ticket);
    QCHECK(!node.empty());
    syncs.emplace_back(std::move(node.mapped()), std::move(answer.result));
  }
  const std::string group_id = slot.group.id();
  slot.pending_writes += static_cast<int>(out.writes.size());
  Rearm(shard, slot);
  ForgetIfBlank(shard, group_id);

  const PartitionIndex partition = shard.partition();
  const LeaderEpoch epoch = shard.epoch();
  const uint64_t shard_id = shard.id();
  // From here on callbacks may come: shard and slot are not touched any more.
  for (size_t i = 0; i < out.writes.size(); ++i) {
    AfterWrites last;
    if (i + 1 == out.writes.size()) last = std::exchange(after, nullptr);
    env_.log->Append(partition, epoch,
                     {EncodeRecord(GroupRecord{group_id, std::move(out.writes[i].snapshot)})},
                     [this, alive = alive_, partition, shard_id, group_id, write = out.writes[i].id,
                      last = std::move(last)](const absl::Status& status) mutable {
                       if (!*alive) return;
                       OnGroupWritten(partition, shard_id, group_id, write, status);
                       if (last) last(OutcomeOf(status).error);
                     });
  }
  for (auto& [done, result] : joins) done(std::move(result));
  for (auto& [done, result] : syncs) done(std::move(result));
  if (after) after(KafkaError::kNone);
}

GroupCoordinator::WriteOutcome GroupCoordinator::OutcomeOf(const absl::Status& status) {
  switch (kafka::ErrorFor(status)) {
    case KafkaError::kNone:
      return {KafkaError::kNone, false};
    case KafkaError::kNotEnoughReplicas:
      return {KafkaError::kCoordinatorNotAvailable, false};
    case KafkaError::kMessageTooLarge:
    case KafkaError::kRecordListTooLarge:
      return {KafkaError::kInvalidCommitOffsetSize, false};
    case KafkaError::kNotEnoughReplicasAfterAppend:
    case KafkaError::kRequestTimedOut:
      return {KafkaError::kCoordinatorNotAvailable, true};
    default:
      return {KafkaError::kNotCoordinator, true};
  }
}

void GroupCoordinator::OnGroupWritten(PartitionIndex partition, uint64_t shard_id,
                                      const std::string& group_id, uint64_t write_id,
                                      const absl::Status& status) {
  GroupShard* shard = FindShard(partition, shard_id);
  if (shard == nullptr) return;
  WriteOutcome outcome = OutcomeOf(status);
  if (outcome.error == KafkaError::kInvalidCommitOffsetSize) {
    outcome.error = KafkaError::kUnknownServerError;  // says "offset" where none is meant
  }
  if (!status.ok()) {
    LOG(WARNING) << "group " << group_id << " was not written: " << status.message();
  }
  GroupSlot* slot = shard->Find(group_id);
  QCHECK(slot != nullptr);
  --slot->pending_writes;
  if (status.ok()) slot->recorded = true;
  GroupOutput out;
  slot->group.OnWritten(write_id, outcome.error, Time(), out);
  Emit(*shard, *slot, std::move(out));
  if (outcome.reload && FindShard(partition, shard_id) != nullptr) Reload(partition);
}

void GroupCoordinator::Rearm(GroupShard& shard, GroupSlot& slot) {
  const MonoTime due = slot.group.NextDeadline();
  if (due >= slot.timer_due) return;  // the timer looks again when it comes
  env_.loop->Cancel(slot.timer);
  slot.timer_due = due;
  slot.timer =
      env_.loop->RunAfter(std::max(due - env_.loop->Now(), Micros(0)),
                          [this, partition = shard.partition(), shard_id = shard.id(),
                           group_id = slot.group.id()] { OnTimer(partition, shard_id, group_id); });
}

void GroupCoordinator::OnTimer(PartitionIndex partition, uint64_t shard_id,
                               const std::string& group_id) {
  GroupShard* shard = FindShard(partition, shard_id);
  QCHECK(shard != nullptr);
  GroupSlot* slot = shard->Find(group_id);
  QCHECK(slot != nullptr);
  slot->timer = TimerId::kNone;
  slot->timer_due = MonoTime::Max();
  GroupOutput out;
  slot->group.Tick(Time(), out);
  Emit(*shard, *slot, std::move(out));
}

void GroupCoordinator::ForgetIfBlank(GroupShard& shard, const std::string& group_id) {
  GroupSlot* slot = shard.Find(group_id);
  if (slot == nullptr || !slot->IsBlank()) return;
  env_.loop->Cancel(slot->timer);
  shard.Erase(group_id);
}

GroupCoordinator::Listing GroupCoordinator::List() const {
  Listing listing;
  for (const auto& [partition, shard] : shards_) {
    if (!shard->active()) {
      listing.loading = true;
      continue;
    }
    for (const auto& [id, slot] : shard->slots()) {
      if (slot->group.state() == GroupState::kDead) continue;
      listing.groups.push_back(
          {id, slot->group.protocol_type(), std::string(ToString(slot->group.state()))});
    }
  }
  return listing;
}

GroupDescription GroupCoordinator::Describe(const std::string& group_id) const {
  GroupDescription description;
  GroupShard* shard = nullptr;
  description.error = group_id.empty() ? KafkaError::kInvalidGroupId : Locate(group_id, &shard);
  if (description.error != KafkaError::kNone) return description;
  const GroupSlot* slot = shard->Find(group_id);
  if (slot == nullptr || slot->group.state() == GroupState::kDead) {
    description.error = KafkaError::kGroupIdNotFound;
    description.state = ToString(GroupState::kDead);
    return description;
  }
  return slot->group.Describe();
}

std::string GroupCoordinator::DumpForTest() const {
  std::ostringstream out;
  for (const auto& [partition, shard] : shards_) {
    for (const auto& [id, slot] : shard->slots()) {
      // Ids that were given out are known to nobody else.
      if (!slot->recorded && slot->offsets.empty() && slot->group.size() == 0) continue;
      // Times are left out: a reload begins the sessions anew.
      out << partition << ' ' << id << " state=" << ToString(slot->group.state())
          << " generation=" << slot->group.generation() << " type=" << slot->group.protocol_type()
          << '\n';
      const GroupSnapshot snapshot = slot->group.Snapshot();
      for (const auto& member : snapshot.members) {
        out << "  member " << member.member_id << ' ' << member.instance_id.value_or("-") << ' '
            << (snapshot.leader == member.member_id ? "leader " : "") << member.assignment.view()
            << '\n';
      }
      for (const auto& [key, offset] : slot->offsets) {
        out << "  offset " << key.topic << '-' << key.partition << ' ' << offset.offset << ' '
            << offset.leader_epoch << ' ' << offset.metadata << ' ' << offset.commit_time << '\n';
      }
    }
  }
  return out.str();
}

}  // namespace quorate
