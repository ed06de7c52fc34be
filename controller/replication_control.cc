#include "controller/replication_control.h"

#include "absl/strings/str_format.h"
#include "controller/image/topic_config.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

CanLead CanLeadIn(const MetadataImage& image) {
  return [&image](NodeId id) {
    const BrokerImage* broker = image.FindBroker(id);
    return broker != nullptr && broker->IsActive();
  };
}

std::string Value(const MetadataImage& image, const std::string& topic, const ConfigMap& file,
                  std::string_view key) {
  return ResolveTopicConfigKey(image, topic, kNoNode, file, *FindTopicConfigKey(key)).value;
}

// A member of a proposed ISR must be a live registration, and the very one the leader means.
absl::Status CheckMember(const MetadataImage& image, const PartitionState& state, NodeId id,
                         int64_t epoch, const ControllerBugSwitches& bugs) {
  const auto ineligible = [&](const std::string& why) {
    return KafkaStatus(KafkaError::kIneligibleReplica,
                       absl::StrFormat("broker %d cannot be in the ISR: %s", id.value(), why));
  };
  const BrokerImage* broker = image.FindBroker(id);
  if (broker == nullptr) return ineligible("it is not registered");
  if (broker->fenced && !bugs.admit_fenced_members) return ineligible("it is fenced");
  if (broker->in_controlled_shutdown && !bugs.admit_fenced_members)
    return ineligible("it is shutting down");
  if (epoch < 0) {
    if (Contains(state.isr, id)) return absl::OkStatus();
    return ineligible("a new member needs the broker epoch it fetched with");
  }
  if (broker->epoch != BrokerEpoch(epoch) && !bugs.ignore_broker_epochs) {
    return ineligible(absl::StrFormat("it fetched with broker epoch %d and now has %d", epoch,
                                      broker->epoch.value()));
  }
  return absl::OkStatus();
}

}  // namespace

ElectionRules ReplicationControl::RulesFor(const MetadataImage& image,
                                           const std::string& topic) const {
  ElectionRules rules;
  rules.min_insync_replicas =
      std::stoi(Value(image, topic, config_.static_broker, "min.insync.replicas"));
  const std::string unclean =
      Value(image, topic, config_.static_broker, "unclean.leader.election.enable");
  rules.forget_eligible_replicas = config_.bugs.forget_eligible_replicas;
  rules.unclean = !unclean.empty() && (unclean[0] == 't' || unclean[0] == 'T');
  return rules;
}

bool ReplicationControl::Update(const TopicPartition& tp, const PartitionState& old,
                                const PartitionChange& change, ChangeSet* changes) const {
  const MetadataImage& image = changes->image();
  const ElectionRules rules = RulesFor(image, image.FindTopic(tp.topic_id)->name);
  const PartitionState next = Next(old, change, rules, CanLeadIn(image));
  const auto record = ChangeRecord(tp, old, next);
  if (!record) return false;
  changes->EndUnit();
  changes->Add(*record);
  changes->EndUnit();
  return true;
}

void ReplicationControl::RemoveBroker(NodeId broker, Leaving leaving, ChangeSet* changes) const {
  for (const TopicPartition& tp : lookup_.PartitionsOf(broker)) {
    const PartitionState* found = changes->image().FindPartition(tp);
    if (found == nullptr) continue;
    if (leaving == Leaving::kFenced && !Contains(found->isr, broker)) continue;
    const PartitionState old = *found;
    PartitionChange change{.isr = Without(old.isr, broker), .lost = {}};
    const bool others = !change.isr.empty() || !Without(old.elr, broker).empty();
    if (leaving == Leaving::kDiskChanged || (leaving == Leaving::kUnclean && others)) {
      change.lost = {broker};
    }
    Update(tp, old, change, changes);
  }
}

void ReplicationControl::ElectLeaders(ChangeSet* changes) const {
  for (const TopicPartition& tp : lookup_.leaderless()) {
    const PartitionState* found = changes->image().FindPartition(tp);
    if (found == nullptr || found->leader != kNoNode) continue;
    const PartitionState old = *found;
    Update(tp, old, {.isr = old.isr, .lost = {}}, changes);
  }
}

void ReplicationControl::ElectPreferred(int32_t limit, ChangeSet* changes) const {
  for (const TopicPartition& tp : lookup_.not_preferred()) {
    if (limit <= 0) return;
    const PartitionState* found = changes->image().FindPartition(tp);
    if (found == nullptr || !Contains(found->isr, found->replicas.front())) continue;
    const PartitionState old = *found;
    if (Update(tp, old, {.isr = old.isr, .lost = {}, .prefer_first = true}, changes)) --limit;
  }
}

void ReplicationControl::ConfigsChanged(const TopicImage* topic, ChangeSet* changes) const {
  for (const PartitionLookup::Set* set : {&lookup_.with_elr(), &lookup_.leaderless()}) {
    auto it = topic == nullptr ? set->begin() : set->lower_bound({topic->id, PartitionIndex(0)});
    for (; it != set->end() && (topic == nullptr || it->topic_id == topic->id); ++it) {
      const PartitionState* found = changes->image().FindPartition(*it);
      if (found == nullptr) continue;
      const PartitionState old = *found;
      Update(*it, old, {.isr = old.isr, .lost = {}}, changes);
    }
  }
}

absl::Status ReplicationControl::CheckProposal(
    const MetadataImage& image, NodeId caller,
    const pb::AlterPartitionRequest_Partition& proposal) const {
  if (proposal.topic_id().size() != 16 ||
      image.FindTopic(Uuid::FromBytes(proposal.topic_id())) == nullptr) {
    return KafkaStatus(KafkaError::kUnknownTopicId);
  }
  const PartitionState* state = image.FindPartition(Uuid::FromBytes(proposal.topic_id()),
                                                    PartitionIndex(proposal.partition()));
  if (state == nullptr) return KafkaStatus(KafkaError::kUnknownTopicOrPartition);
  const LeaderEpoch leader_epoch(proposal.leader_epoch());
  const PartitionEpoch partition_epoch(proposal.partition_epoch());
  // Whoever knows more than this controller has it from a newer one (scenario B6).
  if (leader_epoch > state->leader_epoch || partition_epoch > state->partition_epoch) {
    return KafkaStatus(KafkaError::kNotController, "the caller knows newer epochs");
  }
  if (leader_epoch < state->leader_epoch) return KafkaStatus(KafkaError::kFencedLeaderEpoch);
  if (caller != state->leader) {
    return KafkaStatus(KafkaError::kInvalidRequest,
                       absl::StrFormat("broker %d does not lead the partition", caller.value()));
  }
  if (partition_epoch < state->partition_epoch) {
    return KafkaStatus(KafkaError::kInvalidUpdateVersion);
  }
  ReplicaList isr;
  for (const auto& member : proposal.new_isr()) {
    const NodeId id(member.broker_id());
    if (!Contains(state->replicas, id) || Contains(isr, id)) {
      return KafkaStatus(KafkaError::kInvalidRequest,
                         absl::StrFormat("the new ISR names %d, no replica or twice", id.value()));
    }
    isr.push_back(id);
  }
  if (!Contains(isr, caller)) {
    return KafkaStatus(KafkaError::kInvalidRequest, "the new ISR lacks the leader");
  }
  if (proposal.leader_recovering() && !state->leader_recovering) {
    return KafkaStatus(KafkaError::kInvalidRequest, "a recovered leader cannot be recovering");
  }
  if (proposal.leader_recovering() && isr.size() > 1) {
    return KafkaStatus(KafkaError::kInvalidRequest, "a recovering leader is alone in the ISR");
  }
  for (const auto& member : proposal.new_isr()) {
    const absl::Status status =
        CheckMember(image, *state, NodeId(member.broker_id()), member.broker_epoch(), config_.bugs);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void ReplicationControl::AlterPartitions(const pb::AlterPartitionRequest& request,
                                         ChangeSet* changes,
                                         pb::AlterPartitionResponse* response) const {
  const NodeId caller(request.caller().broker_id());
  for (const auto& proposal : request.partitions()) {
    auto* out = response->add_partitions();
    out->set_topic_id(proposal.topic_id());
    out->set_partition(proposal.partition());
    const absl::Status status = CheckProposal(changes->image(), caller, proposal);
    if (!status.ok()) {
      out->set_error(kafka::Code(kafka::ErrorFor(status)));
      continue;
    }
    const TopicPartition tp{Uuid::FromBytes(proposal.topic_id()),
                            PartitionIndex(proposal.partition())};
    const PartitionState old = *changes->image().FindPartition(tp);
    PartitionChange change{.isr = {}, .lost = {}};
    for (const auto& member : proposal.new_isr()) change.isr.push_back(NodeId(member.broker_id()));
    change.recovered = !proposal.leader_recovering();
    Update(tp, old, change, changes);
    const PartitionState& state = *changes->image().FindPartition(tp);
    out->set_leader(state.leader.value());
    out->set_leader_epoch(state.leader_epoch.value());
    for (NodeId id : state.isr) out->add_isr(id.value());
    out->set_partition_epoch(state.partition_epoch.value());
    out->set_leader_recovering(state.leader_recovering);
  }
}

}  // namespace quorate
