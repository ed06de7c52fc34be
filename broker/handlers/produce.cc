// Produce (0): appends one batch per partition and answers when all partitions have. The batches
// stay slices of the frame the socket was read into; nothing here looks at a record.
#include "proto/kafka/messages/produce.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/handler_env.h"
#include "broker/handlers/topic_rules.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using kafka::ProduceRequest;
using kafka::ProduceResponse;
using PartitionResponse = ProduceResponse::PartitionProduceResponse;

// The answer while its partitions come in.
struct Gather {
  HandlerEnv env;
  std::string listener;
  int16_t version = 0;
  int16_t acks = -1;
  Reply<ProduceResponse> reply;
  ProduceResponse response;
  size_t missing = 0;
  bool failed = false;
  std::set<NodeId> new_leaders;  // named in errors; their addresses are told (KIP-951)
};

void Refuse(Gather& gather, PartitionResponse& out, KafkaError error, const std::string& message) {
  gather.failed = true;
  out.error_code = Code(error);
  out.base_offset = -1;
  if (!message.empty()) out.error_message = message;
}

void Fill(Gather& gather, PartitionResponse& out, const AppendOutcome& outcome) {
  if (!outcome.status.ok()) {
    KafkaError error = ErrorFor(outcome.status);
    // Named by name, an id that went away is a topic that is not there.
    if (error == KafkaError::kUnknownTopicId && gather.version < 13) {
      error = KafkaError::kUnknownTopicOrPartition;
    }
    Refuse(gather, out, error, std::string(outcome.status.message()));
    if (error == KafkaError::kNotLeaderOrFollower && outcome.current_leader.leader != kNoNode) {
      out.current_leader.leader_id = outcome.current_leader.leader.value();
      out.current_leader.leader_epoch = outcome.current_leader.epoch.value();
      gather.new_leaders.insert(outcome.current_leader.leader);
    }
    return;
  }
  out.base_offset = outcome.base_offset.value();
  out.log_append_time_ms = outcome.log_append_time;
  out.log_start_offset = outcome.log_start_offset.value();
}

void Finish(Gather& gather) {
  if (gather.acks == 0) {
    // The only way to tell the client is to make it look up leaders again.
    if (gather.failed) {
      gather.reply.CloseConnection(absl::UnavailableError("a produce with acks=0 failed"));
    } else {
      gather.reply.SendNothing();
    }
    return;
  }
  const MetadataImage& image = *gather.env.images->image();
  for (NodeId id : gather.new_leaders) {
    const BrokerListener* address = LiveListener(image, id, gather.listener);
    if (address == nullptr) continue;
    auto& node = gather.response.node_endpoints.emplace_back();
    node.node_id = id.value();
    node.host = address->host;
    node.port = address->port;
    node.rack = RackOf(*image.FindBroker(id));
  }
  gather.reply.Send(gather.response);
}

// Why the request as a whole cannot be served; kNone if it can.
std::pair<KafkaError, std::string> RefusalOf(const ProduceRequest& request) {
  if (request.acks < -1 || request.acks > 1) {
    return {KafkaError::kInvalidRequiredAcks, "acks must be -1, 0 or 1"};
  }
  if (request.transactional_id.has_value()) {
    return {KafkaError::kInvalidTxnState, "transactions are not supported by this cluster"};
  }
  return {KafkaError::kNone, ""};
}

struct Piece {
  size_t topic = 0;
  size_t partition = 0;
  TopicPartition target;
  SharedBytes batch;
};

// Finds the partition's place, or fills in why it has none; true if there is something to append.
bool Resolve(Gather& gather, const MetadataImage& image, const TopicImage* topic,
             ProduceRequest::PartitionProduceData& data, PartitionResponse& out, Piece* piece) {
  out.index = data.index;
  if (topic == nullptr) {
    Refuse(
        gather, out,
        gather.version >= 13 ? KafkaError::kUnknownTopicId : KafkaError::kUnknownTopicOrPartition,
        "");
    return false;
  }
  const PartitionIndex index(data.index);
  if (image.FindPartition(topic->id, index) == nullptr) {
    Refuse(gather, out, KafkaError::kUnknownTopicOrPartition, "");
    return false;
  }
  if (data.records.empty()) {
    Refuse(gather, out, KafkaError::kInvalidRecord, "a partition needs exactly one record batch");
    return false;
  }
  piece->target = TopicPartition{topic->id, index};
  piece->batch = data.records.bytes();
  return true;
}

void Produce(const HandlerEnv& env, const RequestContext& context, ProduceRequest request,
             Reply<ProduceResponse> reply) {
  auto gather = std::make_shared<Gather>(Gather{env,
                                                context.listener(),
                                                context.version(),
                                                request.acks,
                                                std::move(reply),
                                                {},
                                                0,
                                                false,
                                                {}});
  const auto refusal = RefusalOf(request);
  const ImagePtr image = env.images->image();
  std::vector<Piece> pieces;
  gather->response.responses.resize(request.topic_data.size());
  for (size_t t = 0; t < request.topic_data.size(); ++t) {
    auto& data = request.topic_data[t];
    auto& out = gather->response.responses[t];
    const TopicImage* topic = context.version() >= 13 ? image->FindTopic(data.topic_id)
                                                      : image->FindTopicByName(data.name);
    out.name = data.name;
    out.topic_id = data.topic_id;
    out.partition_responses.resize(data.partition_data.size());
    for (size_t p = 0; p < data.partition_data.size(); ++p) {
      auto& partition = out.partition_responses[p];
      if (refusal.first != KafkaError::kNone) {
        partition.index = data.partition_data[p].index;
        Refuse(*gather, partition, refusal.first, refusal.second);
        continue;
      }
      Piece piece{t, p, {}, {}};
      if (Resolve(*gather, *image, topic, data.partition_data[p], partition, &piece)) {
        pieces.push_back(std::move(piece));
      }
    }
  }
  const Micros timeout = Millis(std::max(1, request.timeout_ms));
  request = ProduceRequest();  // only the appends keep the frame from here on
  gather->missing = pieces.size();
  if (pieces.empty()) {
    Finish(*gather);
    return;
  }
  for (Piece& piece : pieces) {
    AppendRequest append;
    append.partition = piece.target;
    append.batches = std::move(piece.batch);
    append.acks = gather->acks;
    append.timeout = timeout;
    env.replicas->Append(std::move(append), [gather, t = piece.topic,
                                             p = piece.partition](const AppendOutcome& outcome) {
      Fill(*gather, gather->response.responses[t].partition_responses[p], outcome);
      if (--gather->missing == 0) Finish(*gather);
    });
  }
}

}  // namespace

void RegisterProduce(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<ProduceRequest, ProduceResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, ProduceRequest request, Reply<ProduceResponse> reply) {
        Produce(env, context, std::move(request), std::move(reply));
      });
}

}  // namespace quorate
