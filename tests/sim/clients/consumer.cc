#include "tests/sim/clients/consumer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/error.h"
#include "proto/kafka/messages/fetch.h"
#include "storage/record_batch.h"
#include "storage/record_iterator.h"

namespace quorate::sim {
namespace {

using kafka::KafkaError;

constexpr Micros kRequestTimeout = std::chrono::seconds(4);
constexpr int32_t kMaxWaitMs = 250;
constexpr int16_t kListOffsetsVersion = 7;
constexpr double kAskForLatest = 0.02;  // with a fetch

bool MayHappen(KafkaError error) {
  switch (error) {
    case KafkaError::kNotLeaderOrFollower:
    case KafkaError::kUnknownTopicOrPartition:
    case KafkaError::kUnknownTopicId:
    case KafkaError::kLeaderNotAvailable:
    case KafkaError::kFencedLeaderEpoch:
    case KafkaError::kUnknownLeaderEpoch:
    case KafkaError::kKafkaStorageError:
    case KafkaError::kOffsetNotAvailable:
      return true;
    default:
      return false;
  }
}

}  // namespace

SimConsumer::SimConsumer(SimClient& client, std::vector<PartitionName> partitions,
                         const ConsumerOptions& options, History& history)
    : client_(client),
      options_(options),
      history_(history),
      version_(static_cast<int16_t>(client.random().Between(9, 17))),
      sends_epoch_(client.random().Chance(0.7)) {
  for (PartitionName& partition : partitions) lanes_[std::move(partition)];
}

void SimConsumer::Start() {
  client_.OnMetadata([this] { PumpSoon(Micros(0)); });
  client_.RefreshMetadata();
}

void SimConsumer::Rewind() {
  for (auto& [name, lane] : lanes_) {
    lane.position = 0;
    ++lane.rewinds;
  }
}

void SimConsumer::PumpSoon(Micros delay) {
  if (delay == Micros(0)) {
    if (std::exchange(pump_posted_, true)) return;
    client_.loop().Post([this] {
      pump_posted_ = false;
      Pump();
    });
  } else {
    client_.loop().RunAfter(delay, [this] { PumpSoon(Micros(0)); });
  }
}

void SimConsumer::Pump() {
  if (stopped_) return;
  std::map<int32_t, std::vector<PartitionName>> wanted;
  bool leader_missing = false;
  for (const auto& [name, lane] : lanes_) {
    const LeaderView* leader = client_.LeaderOf(name);
    if (leader == nullptr || client_.TopicId(name.topic) == nullptr) {
      leader_missing = true;
    } else if (!busy_.contains(leader->leader)) {
      wanted[leader->leader].push_back(name);
    }
  }
  if (leader_missing) client_.RefreshMetadata();
  for (const auto& [broker, partitions] : wanted) {
    FetchFrom(broker, partitions);
    if (client_.random().Chance(kAskForLatest)) AskForLatest(broker, partitions);
  }
}

void SimConsumer::AskForLatest(int32_t broker, const std::vector<PartitionName>& partitions) {
  KafkaPeer* peer = client_.PeerOf(broker);
  if (peer == nullptr) return;
  kafka::ListOffsetsRequest request;
  request.replica_id = -1;  // no replica
  std::map<PartitionName, Asked> asked;
  for (const PartitionName& name : partitions) {
    const int32_t epoch = client_.LeaderOf(name)->epoch;
    asked[name] = {0, epoch, 0, history_.LatestFloor(name, epoch)};
    auto& topic = request.topics.emplace_back();
    topic.name = name.topic;
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = name.index;
    partition.current_leader_epoch = epoch;
    partition.timestamp = -1;  // the latest
  }
  peer->Call<kafka::ListOffsetsRequest, kafka::ListOffsetsResponse>(
      kListOffsetsVersion, request, kRequestTimeout,
      [this, asked = std::move(asked)](absl::StatusOr<kafka::ListOffsetsResponse> response) {
        if (response.ok()) OnLatest(*response, asked);
      });
}

void SimConsumer::OnLatest(const kafka::ListOffsetsResponse& response,
                           const std::map<PartitionName, Asked>& asked) {
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      const PartitionName name{topic.name, partition.partition_index};
      const auto it = asked.find(name);
      const KafkaError error = kafka::ErrorFromCode(partition.error_code);
      if (it != asked.end() && error == KafkaError::kNone) {
        history_.OnLatest(name, it->second.epoch, it->second.floor, partition.offset);
      } else if (it == asked.end() || !MayHappen(error)) {
        history_.OnOutrage("consumer",
                           absl::StrFormat("%s asks for the latest offset of %s: %s",
                                           client_.name(), name.ToString(), kafka::Name(error)),
                           {name});
      }
    }
  }
}

void SimConsumer::FetchFrom(int32_t broker, const std::vector<PartitionName>& partitions) {
  KafkaPeer* peer = client_.PeerOf(broker);
  if (peer == nullptr) return client_.RefreshMetadata();
  kafka::FetchRequest request;
  request.max_wait_ms = kMaxWaitMs;
  request.min_bytes = 1;
  request.max_bytes = 1 << 20;
  std::map<PartitionName, Asked> asked;
  for (const PartitionName& name : partitions) {
    const Lane& lane = lanes_.at(name);
    auto& topic = request.topics.emplace_back();
    topic.topic = name.topic;
    topic.topic_id = *client_.TopicId(name.topic);
    auto& partition = topic.partitions.emplace_back();
    partition.partition = name.index;
    partition.fetch_offset = lane.position;
    partition.partition_max_bytes = 64 << 10;
    asked[name] = {lane.rewinds, client_.LeaderOf(name)->epoch, lane.position, -1};
    if (sends_epoch_) partition.current_leader_epoch = asked[name].epoch;
  }
  busy_.insert(broker);
  peer->Call<kafka::FetchRequest, kafka::FetchResponse>(
      version_, request, kRequestTimeout,
      [this, broker, asked = std::move(asked)](absl::StatusOr<kafka::FetchResponse> response) {
        busy_.erase(broker);
        if (!response.ok() || response->error_code != 0) {
          client_.RefreshMetadata();
          return PumpSoon(Millis(50));
        }
        bool failed = false;
        for (const auto& topic : response->responses) {
          for (const auto& partition : topic.partitions) {
            const PartitionName name{
                version_ >= 13 ? client_.TopicName(topic.topic_id) : topic.topic,
                partition.partition_index};
            const auto it = asked.find(name);
            if (it == asked.end()) {
              history_.OnOutrage(
                  "protocol",
                  "a fetch response has " + name.ToString() + ", which was not asked for", {name});
              continue;
            }
            Lane& lane = lanes_.at(name);
            lane.last_error = partition.error_code;
            const KafkaError error = kafka::ErrorFromCode(partition.error_code);
            if (error == KafkaError::kNone) {
              lane.high_watermark = partition.high_watermark;
              if (sends_epoch_) {
                history_.OnCommittedUpTo(name, it->second.epoch, partition.high_watermark);
              }
              if (it->second.rewinds != lane.rewinds) continue;
              if (!partition.records.empty()) {
                OnRecords(name, lane, it->second.position, partition.records.bytes().view());
              }
              continue;
            }
            failed = true;
            // News that are older than what was read lead to a leader that is none any more.
            const bool deposed =
                error == KafkaError::kOffsetOutOfRange &&
                (it->second.epoch < lane.newest_epoch || !history_.Leads(name, broker));
            if (!MayHappen(error) && !deposed) {
              history_.OnOutrage(
                  error == KafkaError::kOffsetOutOfRange ? "consistent-read" : "consumer",
                  absl::StrFormat("%s reads %s at offset %d from node %d: %s", client_.name(),
                                  name.ToString(), lane.position, broker, kafka::Name(error)),
                  {name, lane.position});
            }
          }
        }
        if (failed) client_.RefreshMetadata();
        PumpSoon(failed ? Millis(30) : options_.pause);
      });
}

void SimConsumer::OnRecords(const PartitionName& name, Lane& lane, int64_t asked,
                            std::string_view bytes) {
  while (!bytes.empty()) {
    const auto batch = RecordBatchView::Parse(bytes);
    if (!batch.ok()) return;  // The last one may be cut short.
    if (!batch->VerifyCrc()) {
      history_.OnOutrage("integrity",
                         absl::StrFormat("%s: a batch at offset %d has a bad CRC", name.ToString(),
                                         batch->base_offset().value()),
                         {name, batch->base_offset().value()});
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(batch->size_bytes()));
    if (batch->last_offset().value() < asked) {
      history_.OnOutrage(
          "nonmonotonic-poll",
          absl::StrFormat("%s asks for %s from offset %d on and gets the batch that ends at %d",
                          client_.name(), name.ToString(), asked, batch->last_offset().value()),
          {name, asked});
    }
    asked = batch->next_offset().value();
    lane.newest_epoch = std::max(lane.newest_epoch, batch->leader_epoch().value());
    auto records = RecordIterator::Open(*batch);
    while (records.ok()) {
      const auto record = records->Next();
      if (!record.ok() || !record->has_value()) break;
      const int64_t offset = (*record)->offset.value();
      if (offset < lane.position) continue;
      if (offset > lane.position) {
        history_.OnOutrage("poll-skip",
                           absl::StrFormat("%s: offsets %d..%d of %s are not there", client_.name(),
                                           lane.position, offset - 1, name.ToString()),
                           {name, lane.position});
      }
      if (offset >= lane.high_watermark) {
        history_.OnOutrage(
            "high-watermark",
            absl::StrFormat("%s got offset %d of %s, high watermark %d", client_.name(), offset,
                            name.ToString(), lane.high_watermark),
            {name, offset});
      }
      const auto record_name = ParseValue(name, (*record)->value.value_or(""));
      if (!record_name) {
        history_.OnOutrage(
            "integrity",
            absl::StrFormat("%s: what is at offset %d was never sent", name.ToString(), offset),
            {name, offset});
      } else {
        history_.OnRead(client_.name(), options_.last, name, offset, *record_name);
      }
      lane.position = offset + 1;
      ++records_read_;
    }
  }
}

}  // namespace quorate::sim
