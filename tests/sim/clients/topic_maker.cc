#include "tests/sim/clients/topic_maker.h"

#include <chrono>

#include "proto/kafka/error.h"
#include "proto/kafka/messages/create_topics.h"

namespace quorate::sim {

void TopicMaker::Ask() {
  if (done()) return;
  const TopicPlan& plan = plans_[next_];
  kafka::CreateTopicsRequest request;
  request.timeout_ms = 2000;
  auto& topic = request.topics.emplace_back();
  topic.name = plan.name;
  topic.num_partitions = plan.partitions;
  topic.replication_factor = 3;
  const auto set = [&topic](const char* key, std::string value) {
    auto& config = topic.configs.emplace_back();
    config.name = key;
    config.value = std::move(value);
  };
  set("min.insync.replicas", "2");
  set("quorate.durability", plan.durability);
  if (plan.segment_ms > 0) set("segment.ms", std::to_string(plan.segment_ms));
  client_.AnyPeer()->Call<kafka::CreateTopicsRequest, kafka::CreateTopicsResponse>(
      7, request, std::chrono::seconds(3),
      [this](absl::StatusOr<kafka::CreateTopicsResponse> response) {
        if (response.ok() && response->topics.size() == 1) {
          const auto& result = response->topics[0];
          const auto error = kafka::ErrorFromCode(result.error_code);
          if (error == kafka::KafkaError::kNone ||
              error == kafka::KafkaError::kTopicAlreadyExists) {
            ++next_;
          } else {
            last_error_ = std::string(kafka::Name(error)) + " " + result.error_message.value_or("");
          }
        } else {
          last_error_ = response.status().ToString();
        }
        client_.loop().RunAfter(Millis(20), [this] { Ask(); });
      });
}

}  // namespace quorate::sim
