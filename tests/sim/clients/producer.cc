#include "tests/sim/clients/producer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/error.h"
#include "proto/kafka/messages/init_producer_id.h"
#include "proto/kafka/messages/produce.h"
#include "storage/record_batch_builder.h"

namespace quorate::sim {
namespace {

using kafka::KafkaError;

constexpr size_t kMaxInFlight = 3;
constexpr Micros kRequestTimeout = std::chrono::seconds(4);
constexpr int32_t kAckTimeoutMs = 1500;

// Errors that a cluster under faults may give; the batch is sent again.
bool MayHappen(KafkaError error) {
  switch (error) {
    case KafkaError::kNotLeaderOrFollower:
    case KafkaError::kUnknownTopicOrPartition:
    case KafkaError::kUnknownTopicId:
    case KafkaError::kLeaderNotAvailable:
    case KafkaError::kBrokerNotAvailable:
    case KafkaError::kRequestTimedOut:
    case KafkaError::kNotEnoughReplicas:
    case KafkaError::kNotEnoughReplicasAfterAppend:
    case KafkaError::kKafkaStorageError:
    case KafkaError::kFencedLeaderEpoch:
    case KafkaError::kNetworkException:
      return true;
    default:
      return false;
  }
}

}  // namespace

SimProducer::SimProducer(int32_t id, SimClient& client, std::vector<PartitionName> partitions,
                         const ProducerOptions& options, History& history)
    : id_(id),
      client_(client),
      options_(options),
      history_(history),
      version_(static_cast<int16_t>(client.random().Between(9, 13))) {
  for (PartitionName& partition : partitions) {
    lanes_.emplace_back().partition = std::move(partition);
  }
}

void SimProducer::Start() {
  client_.OnMetadata([this] { PumpSoon(Micros(0)); });
  client_.RefreshMetadata();
  AskForId();
}

bool SimProducer::Idle() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.batches.empty(); });
}

std::string SimProducer::Describe() const {
  std::string text;
  for (const Lane& lane : lanes_) {
    if (lane.batches.empty()) continue;
    absl::StrAppendFormat(&text, " %s: %d batches, last error %s;", lane.partition.ToString(),
                          lane.batches.size(), kafka::Name(kafka::ErrorFromCode(lane.last_error)));
  }
  return text;
}

void SimProducer::AskForId() {
  kafka::InitProducerIdRequest request;
  request.transactional_id.reset();
  request.transaction_timeout_ms = 60000;
  client_.AnyPeer()->Call<kafka::InitProducerIdRequest, kafka::InitProducerIdResponse>(
      4, request, kRequestTimeout, [this](absl::StatusOr<kafka::InitProducerIdResponse> response) {
        if (!response.ok() || response->error_code != 0) {
          if (response.ok() &&
              response->error_code != kafka::Code(KafkaError::kCoordinatorLoadInProgress)) {
            history_.OnOutrage(
                "producer",
                absl::StrFormat("no producer id: %s",
                                kafka::Name(kafka::ErrorFromCode(response->error_code))),
                {});
          }
          client_.loop().RunAfter(Millis(50), [this] { AskForId(); });
          return;
        }
        history_.OnProducerId(response->producer_id);
        AskAgainLater();
        if (producer_id_ >= 0) return;
        producer_id_ = response->producer_id;
        producer_epoch_ = response->producer_epoch;
        MakeOne();
      });
}

// Further ids are not used: only to see that none is given out twice (invariant I29).
void SimProducer::AskAgainLater() {
  const Micros pause(client_.random().Between(0, 2 * options_.id_pause.count()));
  client_.loop().RunAfter(pause, [this] {
    if (!stopped_) AskForId();
  });
}

void SimProducer::MakeOne() {
  if (stopped_) return;
  Random& random = client_.random();
  client_.loop().RunAfter(
      Micros(random.Between(options_.pause_low.count(), options_.pause_high.count())),
      [this] { MakeOne(); });
  Lane& lane = lanes_[random.Below(lanes_.size())];
  if (paused_ || lane.batches.size() >= options_.max_queued) return;
  BatchOptions batch_options;
  batch_options.producer_id = ProducerId(producer_id_);
  batch_options.producer_epoch = ProducerEpoch(producer_epoch_);
  batch_options.base_sequence = lane.next_sequence;
  RecordBatchBuilder builder(batch_options);
  auto batch = std::make_shared<Batch>();
  batch->first_number = lane.next_number;
  batch->base_sequence = lane.next_sequence;
  batch->count =
      static_cast<int32_t>(random.Between(1, static_cast<int64_t>(options_.max_records)));
  for (int32_t i = 0; i < batch->count; ++i) {
    const RecordName name{id_, lane.next_number++};
    // Now and then a large one, so that segments and pages fill.
    const size_t filler = random.Below(random.Chance(0.02) ? 9000 : options_.max_filler + 1);
    builder.Add(client_.loop().clock().WallNow(), std::nullopt,
                MakeValue(lane.partition, name, filler));
    history_.OnSend(lane.partition, name);
  }
  lane.next_sequence += batch->count;
  batch->bytes = builder.Build();
  lane.batches.push_back(std::move(batch));
  PumpSoon(Micros(0));
}

void SimProducer::PumpSoon(Micros delay) {
  if (delay == Micros(0)) {
    if (std::exchange(pump_posted_, true)) return;
    client_.loop().Post([this] {
      pump_posted_ = false;
      Pump();
    });
  } else {
    client_.loop().RunAfter(delay, [this] { Pump(); });
  }
}

void SimProducer::Pump() {
  std::map<int32_t, std::vector<size_t>> ready;  // lanes by broker
  bool leader_missing = false;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[i];
    if (lane.rewind && lane.outstanding == 0) {
      lane.rewind = false;
      lane.sent = 0;
    }
    if (lane.rewind || lane.sent >= lane.batches.size() || lane.outstanding >= kMaxInFlight ||
        client_.loop().Now() < lane.not_before) {
      continue;
    }
    const LeaderView* leader = client_.LeaderOf(lane.partition);
    if (leader == nullptr || client_.TopicId(lane.partition.topic) == nullptr) {
      leader_missing = true;
      continue;
    }
    if (lane.outstanding > 0 && lane.target != leader->leader) continue;
    ready[leader->leader].push_back(i);
  }
  if (leader_missing) client_.RefreshMetadata();
  for (const auto& [broker, lanes] : ready) SendTo(broker, lanes);
}

void SimProducer::SendTo(int32_t broker, const std::vector<size_t>& lanes) {
  KafkaPeer* peer = client_.PeerOf(broker);
  if (peer == nullptr) return client_.RefreshMetadata();
  kafka::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = kAckTimeoutMs;
  std::vector<Sent> sent;
  for (size_t index : lanes) {
    Lane& lane = lanes_[index];
    while (lane.sent < lane.batches.size() && lane.batches[lane.sent]->acked) ++lane.sent;
    if (lane.sent >= lane.batches.size()) continue;
    const std::shared_ptr<Batch>& batch = lane.batches[lane.sent];
    auto& topic = request.topic_data.emplace_back();
    topic.name = lane.partition.topic;
    topic.topic_id = *client_.TopicId(lane.partition.topic);
    auto& data = topic.partition_data.emplace_back();
    data.index = lane.partition.index;
    data.records = kafka::Records(SharedBytes::Copy(batch->bytes));
    sent.push_back({index, batch, broker, lane.outstanding == 0 && lane.sent == 0});
    ++lane.sent;
    ++lane.outstanding;
    lane.target = broker;
  }
  if (sent.empty()) return;
  peer->Call<kafka::ProduceRequest, kafka::ProduceResponse>(
      version_, request, kRequestTimeout,
      [this, sent = std::move(sent)](absl::StatusOr<kafka::ProduceResponse> response) {
        std::map<std::pair<std::string, int32_t>, std::pair<int16_t, int64_t>> outcomes;
        if (response.ok()) {
          for (const auto& topic : response->responses) {
            const std::string name =
                version_ >= 13 ? client_.TopicName(topic.topic_id) : topic.name;
            for (const auto& partition : topic.partition_responses) {
              outcomes[{name, partition.index}] = {partition.error_code, partition.base_offset};
            }
          }
        }
        for (const Sent& one : sent) {
          const PartitionName& partition = lanes_[one.lane].partition;
          const auto it = outcomes.find({partition.topic, partition.index});
          if (response.ok() && it == outcomes.end()) {
            history_.OnOutrage("protocol", "a produce response leaves out " + partition.ToString(),
                               {partition});
          }
          if (it == outcomes.end()) {
            OnAnswer(one, kafka::Code(KafkaError::kNetworkException), -1);
          } else {
            OnAnswer(one, it->second.first, it->second.second);
          }
        }
        PumpSoon(Micros(0));
      });
  PumpSoon(Micros(0));  // More of the same lanes may follow at once.
}

void SimProducer::OnAnswer(const Sent& sent, int16_t code, int64_t base_offset) {
  Lane& lane = lanes_[sent.lane];
  --lane.outstanding;
  lane.last_error = code;
  const KafkaError error = kafka::ErrorFromCode(code);
  // Clients take "it is there already, I have forgotten where" for a success.
  const bool somewhere = error == KafkaError::kDuplicateSequenceNumber;
  if (error == KafkaError::kNone || somewhere) {
    if (!sent.batch->acked) {
      sent.batch->acked = true;
      for (int32_t i = 0; i < sent.batch->count; ++i) {
        history_.OnAck(lane.partition, {id_, sent.batch->first_number + i},
                       somewhere ? -1 : base_offset + i);
      }
      acked_ += static_cast<uint64_t>(sent.batch->count);
    }
    while (!lane.batches.empty() && lane.batches.front()->acked) {
      lane.batches.pop_front();
      if (lane.sent > 0) --lane.sent;
    }
    return;
  }
  // Ahead of a batch that failed, at a leader that has not seen that one.
  const bool sequence =
      error == KafkaError::kOutOfOrderSequenceNumber || error == KafkaError::kUnknownProducerId;
  const bool damaged = error == KafkaError::kCorruptMessage && options_.corrupt_frames;
  // A leader that was replaced, and has not heard of it, lacks what its successor acknowledged.
  const bool expected = sequence && (!sent.alone || !history_.Leads(lane.partition, sent.broker));
  if (!MayHappen(error) && !damaged && !expected) {
    history_.OnOutrage(
        "producer",
        absl::StrFormat("%s, records %d..%d of producer %d: %s", lane.partition.ToString(),
                        sent.batch->first_number, sent.batch->first_number + sent.batch->count - 1,
                        id_, kafka::Name(error)),
        {lane.partition});
  }
  Retry(lane);
}

void SimProducer::Retry(Lane& lane) {
  ++retries_;
  lane.rewind = true;
  const Micros pause(client_.random().Between(5'000, 100'000));
  lane.not_before = client_.loop().Now() + pause;
  client_.RefreshMetadata();
  PumpSoon(pause);
}

}  // namespace quorate::sim
