// Fetch (1): incremental sessions, long polling, file slices straight to the socket. A replica id
// is honoured on the replication listener alone (scenario B13).
#include "proto/kafka/messages/fetch.h"

#include <algorithm>
#include <map>
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
using kafka::FetchRequest;
using kafka::FetchResponse;
using kafka::KafkaError;
using PartitionData = FetchResponse::PartitionData;

constexpr int16_t kFirstWithTopicIds = 13;
constexpr int16_t kFirstWithTopLevelError = 7;

// A partition that was refused before anything was read.
struct Refused {
  std::string topic;
  Uuid topic_id;
  int32_t partition = 0;
  KafkaError error = KafkaError::kNone;
};

// One fetch on its way.
struct Call {
  HandlerEnv env;
  std::string listener;
  int16_t version = 0;
  Isolation isolation = Isolation::kReadUncommitted;
  Reply<FetchResponse> reply;
  FetchSessionContext session;
  std::map<Uuid, std::string> names;  // of this request's topics, before topic ids
  std::vector<Refused> refused;
};

// Waiting fetches by connection, to be dropped with it.
class ParkedFetches {
 public:
  explicit ParkedFetches(ReplicaApi* replicas) : replicas_(replicas) {}
  void Add(uint64_t connection, FetchId id) { parked_[connection].insert(id); }
  void Remove(uint64_t connection, FetchId id) {
    auto found = parked_.find(connection);
    if (found == parked_.end()) return;
    found->second.erase(id);
    if (found->second.empty()) parked_.erase(found);
  }
  void OnClosed(uint64_t connection) {
    auto node = parked_.extract(connection);
    if (node.empty()) return;
    for (FetchId id : node.mapped()) replicas_->CancelFetch(id);
  }

 private:
  ReplicaApi* const replicas_;
  std::map<uint64_t, std::set<FetchId>> parked_;
};

void SetUnread(PartitionData* out, int32_t partition, KafkaError error) {
  out->partition_index = partition;
  out->error_code = Code(error);
  out->aborted_transactions.reset();
  out->high_watermark = -1;
  out->last_stable_offset = -1;
  out->log_start_offset = -1;
}

// The place for a partition of this topic: the last topic's, if it is the same one.
PartitionData* AddPartition(FetchResponse* response, const std::string& name, const Uuid& id) {
  auto& topics = response->responses;
  if (topics.empty() || topics.back().topic_id != id || topics.back().topic != name) {
    auto& topic = topics.emplace_back();
    topic.topic = name;
    topic.topic_id = id;
  }
  return &topics.back().partitions.emplace_back();
}

void Fill(const Call& call, FetchPartitionResult& result, PartitionData* out,
          std::set<NodeId>* new_leaders) {
  if (!result.status.ok()) {
    KafkaError error = ErrorFor(result.status);
    if (error == KafkaError::kUnknownTopicId && call.version < kFirstWithTopicIds) {
      error = KafkaError::kUnknownTopicOrPartition;
    }
    SetUnread(out, result.partition.partition.value(), error);
    out->high_watermark = result.high_watermark.value();
    out->last_stable_offset = result.last_stable_offset.value();
    out->log_start_offset = result.log_start_offset.value();
    if (result.current_leader.leader != kNoNode) {
      out->current_leader.leader_id = result.current_leader.leader.value();
      out->current_leader.leader_epoch = result.current_leader.epoch.value();
      new_leaders->insert(result.current_leader.leader);
    }
    return;
  }
  out->partition_index = result.partition.partition.value();
  out->high_watermark = result.high_watermark.value();
  out->last_stable_offset = result.last_stable_offset.value();
  out->log_start_offset = result.log_start_offset.value();
  if (result.diverging.has_value()) {
    out->diverging_epoch.epoch = result.diverging->epoch.value();
    out->diverging_epoch.end_offset = result.diverging->end_offset.value();
  }
  out->preferred_read_replica = result.preferred_replica.value();
  out->aborted_transactions.reset();
  if (call.isolation == Isolation::kReadCommitted) {
    auto& aborted = out->aborted_transactions.emplace();
    for (const AbortedTransaction& transaction : result.aborted) {
      auto& entry = aborted.emplace_back();
      entry.producer_id = transaction.producer_id.value();
      entry.first_offset = transaction.first_offset.value();
    }
  }
  for (FileSlice& slice : result.records) out->records.Add(std::move(slice));
}

void AddEndpoints(const Call& call, const std::set<NodeId>& leaders, FetchResponse* response) {
  const MetadataImage& image = *call.env.images->image();
  for (NodeId id : leaders) {
    const BrokerListener* address = LiveListener(image, id, call.listener);
    if (address == nullptr) continue;
    auto& node = response->node_endpoints.emplace_back();
    node.node_id = id.value();
    node.host = address->host;
    node.port = address->port;
    node.rack = RackOf(*image.FindBroker(id));
  }
}

void Answer(Call& call, FetchResult result) {
  call.env.sessions->Finish(call.session, &result);
  const ImagePtr image = call.env.images->image();
  FetchResponse response;
  response.session_id = call.session.session_id;
  std::set<NodeId> new_leaders;
  for (const Refused& refused : call.refused) {
    SetUnread(AddPartition(&response, refused.topic, refused.topic_id), refused.partition,
              refused.error);
  }
  for (FetchPartitionResult& partition : result.partitions) {
    std::string name;
    if (call.version < kFirstWithTopicIds) {
      const TopicImage* topic = image->FindTopic(partition.partition.topic_id);
      auto named = call.names.find(partition.partition.topic_id);
      if (topic != nullptr) {
        name = topic->name;
      } else if (named != call.names.end()) {
        name = named->second;
      } else {
        // The session knows a topic that is gone, and this version has no way to name it: a full
        // request by name will tell.
        response = FetchResponse();
        response.error_code = Code(KafkaError::kFetchSessionIdNotFound);
        call.reply.Send(response);
        return;
      }
    }
    Fill(call, partition,
         AddPartition(&response, name,
                      call.version < kFirstWithTopicIds ? Uuid() : partition.partition.topic_id),
         &new_leaders);
  }
  AddEndpoints(call, new_leaders, &response);
  call.reply.Send(response);
}

// Tells `error` at the top, or at every partition where the version has no top.
void RefuseAll(const RequestContext& context, const FetchRequest& request, KafkaError error,
               Reply<FetchResponse> reply) {
  FetchResponse response;
  if (context.version() >= kFirstWithTopLevelError) {
    response.error_code = Code(error);
  } else {
    for (const auto& topic : request.topics) {
      for (const auto& partition : topic.partitions) {
        SetUnread(AddPartition(&response, topic.topic, topic.topic_id), partition.partition, error);
      }
    }
  }
  reply.Send(response);
}

FetchPartition ToFetchPartition(const Uuid& id, const FetchRequest::FetchPartition& asked) {
  FetchPartition out;
  out.partition = {id, PartitionIndex(asked.partition)};
  out.current_leader_epoch = LeaderEpoch(asked.current_leader_epoch);
  out.fetch_offset = Offset(asked.fetch_offset);
  out.last_fetched_epoch = LeaderEpoch(asked.last_fetched_epoch);
  out.log_start_offset = Offset(asked.log_start_offset);
  out.max_bytes = asked.partition_max_bytes;
  out.high_watermark = Offset(asked.high_watermark);
  return out;
}

// Turns the request's topics into ids; those that cannot be go to call.refused.
FetchSessionRequest ToSessionRequest(const FetchRequest& request, bool follower, Call* call) {
  const MetadataImage& image = *call->env.images->image();
  const bool by_id = call->version >= kFirstWithTopicIds;
  FetchSessionRequest out;
  out.session_id = request.session_id;
  out.session_epoch = request.session_epoch;
  out.follower = follower;
  for (const auto& topic : request.topics) {
    Uuid id = topic.topic_id;
    if (!by_id) {
      const TopicImage* found = image.FindTopicByName(topic.topic);
      id = found == nullptr ? Uuid() : found->id;
      call->names[id] = topic.topic;
    }
    for (const auto& partition : topic.partitions) {
      if (id.is_zero()) {
        call->refused.push_back(
            {topic.topic, topic.topic_id, partition.partition,
             by_id ? KafkaError::kUnknownTopicId : KafkaError::kUnknownTopicOrPartition});
      } else {
        out.partitions.push_back(ToFetchPartition(id, partition));
      }
    }
  }
  for (const auto& topic : request.forgotten_topics_data) {
    Uuid id = topic.topic_id;
    if (!by_id) {
      const TopicImage* found = image.FindTopicByName(topic.topic);
      if (found == nullptr) continue;
      id = found->id;
    }
    for (int32_t partition : topic.partitions) {
      out.forgotten.push_back({id, PartitionIndex(partition)});
    }
  }
  return out;
}

void Fetch(const HandlerEnv& env, const std::shared_ptr<ParkedFetches>& parked,
           const RequestContext& context, const FetchRequest& request, Reply<FetchResponse> reply) {
  const int32_t replica =
      context.version() >= 15 ? request.replica_state.replica_id : request.replica_id;
  const bool follower = replica >= 0;
  if (follower && !context.internal()) {
    RefuseAll(context, request, KafkaError::kClusterAuthorizationFailed, std::move(reply));
    return;
  }
  if (request.cluster_id.has_value() && *request.cluster_id != env.config->cluster_id) {
    RefuseAll(context, request, KafkaError::kInconsistentClusterId, std::move(reply));
    return;
  }
  auto call = std::make_shared<Call>(
      Call{env,
           context.listener(),
           context.version(),
           request.isolation_level == 1 ? Isolation::kReadCommitted : Isolation::kReadUncommitted,
           std::move(reply),
           {},
           {},
           {}});
  const uint64_t connection = context.connection->id;
  FetchSessionRequest session = ToSessionRequest(request, follower, call.get());
  call->session = call->refused.empty()
                      ? env.sessions->Begin(connection, std::move(session))
                      : env.sessions->BeginSessionless(connection, std::move(session));
  if (!call->session.error.ok()) {
    RefuseAll(context, request, ErrorFor(call->session.error), std::move(call->reply));
    return;
  }
  FetchSpec spec;
  spec.internal = context.internal();
  spec.replica = follower ? NodeId(replica) : kNoNode;
  spec.replica_epoch = BrokerEpoch(follower ? request.replica_state.replica_epoch : -1);
  spec.isolation = call->isolation;
  // An error is told at once.
  spec.max_wait = call->refused.empty() ? Millis(std::max(0, request.max_wait_ms)) : Millis(0);
  spec.max_bytes = std::max(0, request.max_bytes);
  if (!follower) spec.max_bytes = std::min(spec.max_bytes, env.config->fetch_max_bytes);
  spec.min_bytes = std::clamp(request.min_bytes, 0, spec.max_bytes);
  spec.partitions = call->session.partitions;
  auto id = std::make_shared<FetchId>(FetchId::kNone);
  *id = env.replicas->Fetch(std::move(spec), [call, parked, connection, id](FetchResult result) {
    if (*id != FetchId::kNone) parked->Remove(connection, *id);
    Answer(*call, std::move(result));
  });
  if (*id != FetchId::kNone) parked->Add(connection, *id);
}

}  // namespace

void RegisterFetch(HandlerRegistry& registry, const HandlerEnv& env) {
  auto parked = std::make_shared<ParkedFetches>(env.replicas);
  registry.OnClosed([parked, env](uint64_t connection) {
    parked->OnClosed(connection);
    env.sessions->OnConnectionClosed(connection);
  });
  registry.Register<FetchRequest, FetchResponse>(
      Listeners::kBoth, [env, parked](const RequestContext& context, const FetchRequest& request,
                                      Reply<FetchResponse> reply) {
        Fetch(env, parked, context, request, std::move(reply));
      });
}

}  // namespace quorate
