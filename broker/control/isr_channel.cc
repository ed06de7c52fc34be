#include "broker/control/isr_channel.h"

#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

pb::AlterPartitionRequest::Partition ToProto(const IsrProposal& proposal) {
  pb::AlterPartitionRequest::Partition out;
  out.set_topic_id(proposal.partition.topic_id.ToBytes());
  out.set_partition(proposal.partition.partition.value());
  out.set_leader_epoch(proposal.leader_epoch.value());
  out.set_partition_epoch(proposal.partition_epoch.value());
  for (const IsrMember& member : proposal.isr) {
    auto* replica = out.add_new_isr();
    replica->set_broker_id(member.broker.value());
    replica->set_broker_epoch(member.epoch.value());
  }
  out.set_leader_recovering(proposal.leader_recovering);
  return out;
}

IsrOutcome FromProto(const pb::AlterPartitionResponse::Partition& in) {
  IsrOutcome out;
  if (in.error() != 0) {
    out.status = kafka::KafkaStatus(kafka::ErrorFromCode(static_cast<int16_t>(in.error())));
    return out;
  }
  out.leader = NodeId(in.leader());
  out.leader_epoch = LeaderEpoch(in.leader_epoch());
  for (int32_t id : in.isr()) out.isr.push_back(NodeId(id));
  out.partition_epoch = PartitionEpoch(in.partition_epoch());
  out.leader_recovering = in.leader_recovering();
  return out;
}

}  // namespace

IsrChannel::IsrChannel(EventLoop* loop, ControllerChannel* channel, std::string cluster_id,
                       NodeId node_id, std::function<BrokerEpoch()> broker_epoch)
    : loop_(loop),
      channel_(channel),
      cluster_id_(std::move(cluster_id)),
      node_id_(node_id),
      broker_epoch_(std::move(broker_epoch)) {}

IsrChannel::~IsrChannel() {
  *alive_ = false;
  channel_->Cancel(call_);
}

void IsrChannel::Submit(IsrProposal proposal, Done done) {
  waiting_.push_back(Item{std::move(proposal), std::move(done)});
  if (call_ == ControllerCallId::kNone) ScheduleSend();
}

void IsrChannel::ScheduleSend() {
  if (std::exchange(send_posted_, true)) return;
  loop_->Post([this, alive = alive_] {
    if (!*alive) return;
    send_posted_ = false;
    if (call_ == ControllerCallId::kNone && !waiting_.empty()) Send();
  });
}

void IsrChannel::Send() {
  pb::AlterPartitionRequest request;
  request.mutable_caller()->set_cluster_id(cluster_id_);
  request.mutable_caller()->set_broker_id(node_id_.value());
  request.mutable_caller()->set_broker_epoch(broker_epoch_().value());
  request.set_sequence(++last_sequence_);
  std::map<TopicPartition, Done> sent;
  while (!waiting_.empty() && sent.size() < kMaxBatch) {
    // A second proposal of the same partition waits for the next call.
    if (sent.contains(waiting_.front().proposal.partition)) break;
    Item item = std::move(waiting_.front());
    waiting_.pop_front();
    *request.add_partitions() = ToProto(item.proposal);
    sent.emplace(item.proposal.partition, std::move(item.done));
  }
  ControllerChannel::Options options;
  options.deadline = loop_->Now() + kTimeout;
  call_ = channel_->CallFor<pb::AlterPartitionResponse>(
      "Controller.AlterPartition", request, options,
      [this, sent = std::move(sent)](absl::StatusOr<pb::AlterPartitionResponse> response) mutable {
        call_ = ControllerCallId::kNone;
        if (!waiting_.empty()) ScheduleSend();
        const auto alive = alive_;
        IsrOutcome failed;
        if (!response.ok()) {
          failed.status = response.status();
        } else if (response->header().error() != 0) {
          failed.status = absl::UnavailableError(
              absl::StrFormat("the controller refused the call: %d %s", response->header().error(),
                              response->header().error_message()));
        } else {
          failed.status = absl::UnavailableError("the controller did not answer this partition");
          for (const auto& partition : response->partitions()) {
            if (partition.topic_id().size() != 16) continue;
            auto node = sent.extract(TopicPartition{Uuid::FromBytes(partition.topic_id()),
                                                    PartitionIndex(partition.partition())});
            if (node.empty()) continue;
            node.mapped()(FromProto(partition));
            if (!*alive) return;
          }
        }
        for (auto& [partition, done] : sent) {
          done(failed);
          if (!*alive) return;
        }
      });
}

}  // namespace quorate
