#include "broker/control/topic_creator.h"

#include <glog/logging.h>

#include <utility>

#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {

TopicCreator::TopicCreator(EventLoop* loop, ControllerChannel* channel, ImageView* images,
                           std::string cluster_id, NodeId node_id,
                           std::function<BrokerEpoch()> broker_epoch)
    : loop_(loop),
      channel_(channel),
      images_(images),
      cluster_id_(std::move(cluster_id)),
      node_id_(node_id),
      broker_epoch_(std::move(broker_epoch)) {}

TopicCreator::~TopicCreator() {
  *alive_ = false;
  for (auto& [name, pending] : pending_) channel_->Cancel(pending.call);
}

void TopicCreator::Create(const NewTopicSpec& spec, Done done) {
  if (auto found = pending_.find(spec.name); found != pending_.end()) {
    found->second.waiting.push_back(std::move(done));
    return;
  }
  if (pending_.size() >= kMaxPending) {
    loop_->Post([done = std::move(done)]() mutable {
      done(absl::UnavailableError("too many topics are being created"));
    });
    return;
  }
  Pending& pending = pending_[spec.name];
  pending.waiting.push_back(std::move(done));

  pb::CreateTopicsRequest request;
  request.mutable_caller()->set_cluster_id(cluster_id_);
  request.mutable_caller()->set_broker_id(node_id_.value());
  request.mutable_caller()->set_broker_epoch(broker_epoch_().value());
  request.set_automatic(true);
  auto* topic = request.add_topics();
  topic->set_name(spec.name);
  topic->set_partitions(spec.partitions);
  topic->set_replication_factor(spec.replication_factor);
  for (const auto& [key, value] : spec.configs) {
    auto* config = topic->add_configs();
    config->set_name(key);
    config->set_value(value);
  }
  const MonoTime deadline = loop_->Now() + kTimeout;
  ControllerChannel::Options options;
  options.deadline = deadline;
  pending.call = channel_->CallFor<pb::CreateTopicsResponse>(
      "Controller.CreateTopics", request, options,
      [this, name = spec.name, deadline](absl::StatusOr<pb::CreateTopicsResponse> response) {
        pending_.at(name).call = ControllerCallId::kNone;
        if (!response.ok()) return Finish(name, response.status());
        if (response->header().error() != 0) {
          return Finish(name, absl::UnavailableError(response->header().error_message()));
        }
        if (response->topics_size() != 1) {
          return Finish(name, absl::InternalError("the controller answered for no topic"));
        }
        const auto error = kafka::ErrorFromCode(static_cast<int16_t>(response->topics(0).error()));
        if (error != kafka::KafkaError::kNone && error != kafka::KafkaError::kTopicAlreadyExists) {
          LOG(WARNING) << "topic " << name
                       << " was not created: " << response->topics(0).error_message();
          return Finish(name, kafka::KafkaStatus(error, response->topics(0).error_message()));
        }
        images_->WaitFor(LogIndex(response->log_index()), deadline,
                         [this, name, alive = alive_](bool reached) {
                           if (!*alive) return;
                           Finish(name, reached ? absl::OkStatus()
                                                : absl::DeadlineExceededError(
                                                      "the topic was created but is not here yet"));
                         });
      });
}

void TopicCreator::Finish(const std::string& name, const absl::Status& status) {
  auto node = pending_.extract(name);
  for (Done& done : node.mapped().waiting) done(status);
}

}  // namespace quorate
