#include "tests/sim/clients/admin_storm.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/error.h"
#include "proto/kafka/messages/create_partitions.h"
#include "proto/kafka/messages/create_topics.h"
#include "proto/kafka/messages/delete_topics.h"
#include "proto/kafka/messages/incremental_alter_configs.h"

namespace quorate::sim {
namespace {

using kafka::KafkaError;

constexpr Micros kPauseHigh = std::chrono::milliseconds(300);
constexpr Micros kTimeout = std::chrono::seconds(3);
constexpr uint64_t kTopics = 5;
constexpr int32_t kMaxPartitions = 6;
constexpr int8_t kTopicResource = 2;

// What is an answer to requests that cross each other, or of a cluster under faults.
bool MayHappen(KafkaError error) {
  switch (error) {
    case KafkaError::kNone:
    case KafkaError::kTopicAlreadyExists:
    case KafkaError::kUnknownTopicOrPartition:
    case KafkaError::kInvalidPartitions:
    case KafkaError::kInvalidReplicationFactor:  // too few brokers are up
    case KafkaError::kInvalidConfig:
    case KafkaError::kRequestTimedOut:
    case KafkaError::kNotController:
    case KafkaError::kBrokerNotAvailable:
    case KafkaError::kLeaderNotAvailable:
    case KafkaError::kNetworkException:
    case KafkaError::kCoordinatorNotAvailable:
      return true;
    default:
      return false;
  }
}

}  // namespace

void AdminStorm::BlowUntil(MonoTime end) {
  end_ = end;
  if (std::exchange(asking_, true)) return;
  client_.loop().Post([this] { Ask(); });
}

void AdminStorm::Ask() {
  if (client_.loop().Now() >= end_) {
    asking_ = false;
    return;
  }
  Random& random = client_.random();
  client_.loop().RunAfter(Micros(random.Between(1'000, kPauseHigh.count())), [this] { Ask(); });
  const std::string topic = absl::StrFormat("storm-%d", random.Below(kTopics));
  switch (random.Below(5)) {
    case 0:
    case 1:
      return Create(topic);
    case 2:
      return Delete(topic);
    case 3:
      return Grow(topic);
    default:
      return Configure(topic);
  }
}

void AdminStorm::OnAnswer(const char* what, const std::string& topic, int16_t code) {
  ++answers_;
  const KafkaError error = kafka::ErrorFromCode(code);
  if (error == KafkaError::kNone) ++done_;
  if (MayHappen(error)) return;
  history_.OnOutrage("admin",
                     absl::StrFormat("%s of topic %s: %s", what, topic, kafka::Name(error)), {});
}

void AdminStorm::Create(const std::string& topic) {
  Random& random = client_.random();
  kafka::CreateTopicsRequest request;
  request.timeout_ms = 2000;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.num_partitions = static_cast<int32_t>(random.Between(1, 3));
  wanted.replication_factor = static_cast<int16_t>(random.Between(1, 3));
  auto& config = wanted.configs.emplace_back();
  config.name = "quorate.durability";
  config.value = random.Chance(0.5) ? "os" : "flush-before-ack";
  client_.AnyPeer()->Call<kafka::CreateTopicsRequest, kafka::CreateTopicsResponse>(
      7, request, kTimeout, [this, topic](absl::StatusOr<kafka::CreateTopicsResponse> response) {
        if (!response.ok() || response->topics.size() != 1) return;
        OnAnswer("the creation", topic, response->topics[0].error_code);
      });
}

void AdminStorm::Delete(const std::string& topic) {
  kafka::DeleteTopicsRequest request;
  request.timeout_ms = 2000;
  request.topics.emplace_back().name = topic;
  client_.AnyPeer()->Call<kafka::DeleteTopicsRequest, kafka::DeleteTopicsResponse>(
      6, request, kTimeout, [this, topic](absl::StatusOr<kafka::DeleteTopicsResponse> response) {
        if (!response.ok() || response->responses.size() != 1) return;
        OnAnswer("the deletion", topic, response->responses[0].error_code);
      });
}

void AdminStorm::Grow(const std::string& topic) {
  kafka::CreatePartitionsRequest request;
  request.timeout_ms = 2000;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.count = static_cast<int32_t>(client_.random().Between(2, kMaxPartitions));
  client_.AnyPeer()->Call<kafka::CreatePartitionsRequest, kafka::CreatePartitionsResponse>(
      3, request, kTimeout,
      [this, topic](absl::StatusOr<kafka::CreatePartitionsResponse> response) {
        if (!response.ok() || response->results.size() != 1) return;
        OnAnswer("more partitions", topic, response->results[0].error_code);
      });
}

void AdminStorm::Configure(const std::string& topic) {
  Random& random = client_.random();
  kafka::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = topic;
  auto& config = resource.configs.emplace_back();
  switch (random.Below(3)) {
    case 0:
      config.name = "min.insync.replicas";
      config.value = std::to_string(random.Between(1, 3));
      break;
    case 1:
      config.name = "quorate.durability";
      config.value = random.Chance(0.5) ? "os" : "flush-before-ack";
      break;
    default:
      config.name = "segment.bytes";
      config.value = std::to_string(random.Between(1 << 20, 1 << 24));
  }
  client_.AnyPeer()
      ->Call<kafka::IncrementalAlterConfigsRequest, kafka::IncrementalAlterConfigsResponse>(
          1, request, kTimeout,
          [this, topic](absl::StatusOr<kafka::IncrementalAlterConfigsResponse> response) {
            if (!response.ok() || response->responses.size() != 1) return;
            OnAnswer("a change of configs", topic, response->responses[0].error_code);
          });
}

}  // namespace quorate::sim
