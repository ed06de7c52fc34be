#include "broker/replica/testing/replica_cluster.h"

#include <glog/logging.h>

#include <utility>

#include "base/check.h"
#include "controller/image/replay.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages/fetch.h"
#include "proto/kafka/status_to_error.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"

namespace quorate::testing {
namespace {

constexpr int16_t kVersion = 18;

}  // namespace

// The replication listener of one broker, Fetch only.
class ReplicaServer {
 public:
  ReplicaServer(ReplicaCluster::Broker* broker, EventLoop* loop)
      : replicas_(broker->replicas.get()),
        sessions_(&loop->clock(), broker->random.get()),
        listener_(*broker->network->Listen(
            Endpoint{"", 9094}, [this](std::unique_ptr<Connection> stream) {
              const uint64_t id = ++last_connection_;
              peers_[id] = std::make_unique<Peer>(this, id, std::move(stream));
              peers_[id]->stream->Start(peers_[id].get());
            })) {}

 private:
  struct Peer final : Connection::Handler {
    Peer(ReplicaServer* server, uint64_t id, std::unique_ptr<Connection> stream)
        : server(server), id(id), stream(std::move(stream)) {}
    std::span<char> ReadBuffer() override { return buffer; }
    void OnRead(size_t length) override {
      input.append(buffer.data(), length);
      while (input.size() >= 4) {
        uint32_t size = 0;
        for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(input[i]);
        if (input.size() < 4 + size) return;
        SharedBytes frame = SharedBytes::Copy(std::string_view(input).substr(4, size));
        input.erase(0, 4 + size);
        server->Handle(this, std::move(frame));
      }
    }
    void OnClosed(const absl::Status&) override {
      for (const FetchId parked_id : parked) server->replicas_->CancelFetch(parked_id);
      server->sessions_.OnConnectionClosed(id);
      server->peers_.erase(id);
    }
    ReplicaServer* const server;
    const uint64_t id;
    std::unique_ptr<Connection> stream;
    std::vector<char> buffer = std::vector<char>(65536);
    std::string input;
    std::vector<FetchId> parked;
  };

  static FetchSessionRequest SessionOf(const kafka::FetchRequest& request) {
    FetchSessionRequest session;
    session.session_id = request.session_id;
    session.session_epoch = request.session_epoch;
    session.follower = true;
    for (const auto& topic : request.topics) {
      for (const auto& wire : topic.partitions) {
        FetchPartition& fetch = session.partitions.emplace_back();
        fetch.partition = {topic.topic_id, PartitionIndex(wire.partition)};
        fetch.current_leader_epoch = LeaderEpoch(wire.current_leader_epoch);
        fetch.fetch_offset = Offset(wire.fetch_offset);
        fetch.last_fetched_epoch = LeaderEpoch(wire.last_fetched_epoch);
        fetch.log_start_offset = Offset(wire.log_start_offset);
        fetch.max_bytes = wire.partition_max_bytes;
        fetch.high_watermark = Offset(wire.high_watermark);
      }
    }
    for (const auto& topic : request.forgotten_topics_data) {
      for (const int32_t partition : topic.partitions) {
        session.forgotten.push_back({topic.topic_id, PartitionIndex(partition)});
      }
    }
    return session;
  }

  void Handle(Peer* peer, SharedBytes frame) {
    kafka::Reader in(std::move(frame));
    const auto header = kafka::DecodeRequestHeader(in);
    QCHECK(header.ok());
    const auto request = kafka::DecodeMessage<kafka::FetchRequest>(in, kVersion);
    QCHECK(request.ok());
    auto context =
        std::make_shared<FetchSessionContext>(sessions_.Begin(peer->id, SessionOf(*request)));
    FetchSpec spec;
    spec.internal = true;
    spec.replica = NodeId(request->replica_state.replica_id);
    spec.replica_epoch = BrokerEpoch(request->replica_state.replica_epoch);
    spec.max_wait = std::chrono::milliseconds(request->max_wait_ms);
    spec.min_bytes = request->min_bytes;
    spec.max_bytes = request->max_bytes;
    spec.partitions = context->partitions;
    const auto answer = [this, id = peer->id, context,
                         correlation = header->correlation_id](FetchResult result) {
      sessions_.Finish(*context, &result);
      kafka::FetchResponse response;
      response.error_code = static_cast<int16_t>(kafka::ErrorFor(context->error));
      response.session_id = context->session_id;
      for (FetchPartitionResult& from : result.partitions) {
        auto& topic = response.responses.emplace_back();
        topic.topic_id = from.partition.topic_id;
        auto& to = topic.partitions.emplace_back();
        to.partition_index = from.partition.partition.value();
        to.error_code = static_cast<int16_t>(kafka::ErrorFor(from.status));
        to.high_watermark = from.high_watermark.value();
        to.log_start_offset = from.log_start_offset.value();
        if (from.diverging.has_value()) {
          to.diverging_epoch.epoch = from.diverging->epoch.value();
          to.diverging_epoch.end_offset = from.diverging->end_offset.value();
        }
        for (FileSlice& slice : from.records) to.records.Add(std::move(slice));
      }
      const auto it = peers_.find(id);
      if (it == peers_.end()) return;
      it->second->stream->Send(kafka::ResponseFrame(correlation, kVersion, response));
    };
    if (!context->error.ok()) {
      answer({});
      return;
    }
    const FetchId parked = replicas_->Fetch(std::move(spec), answer);
    if (parked != FetchId::kNone) peer->parked.push_back(parked);
  }

  ReplicaManager* const replicas_;
  FetchSessionCache sessions_;
  uint64_t last_connection_ = 0;
  std::map<uint64_t, std::unique_ptr<Peer>> peers_;
  std::unique_ptr<Listener> listener_;
};

class ClusterIsrUpdater final : public IsrUpdater {
 public:
  ClusterIsrUpdater(ReplicaCluster* cluster, TestLoop* loop) : cluster_(cluster), loop_(loop) {}
  ~ClusterIsrUpdater() override { *alive_ = false; }
  void Submit(IsrProposal proposal, Done done) override {
    loop_->Post([alive = alive_, this, proposal, done = std::move(done)]() mutable {
      if (*alive) cluster_->HandleProposal(proposal, std::move(done));
    });
  }

 private:
  ReplicaCluster* const cluster_;
  TestLoop* const loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

ReplicaCluster::ReplicaCluster(int brokers, BugSwitches bugs)
    : bugs_(bugs), image_(std::make_shared<const MetadataImage>()) {
  hub_.loop = &loop_;
  std::vector<std::string> records;
  for (int id = 1; id <= brokers; ++id) {
    auto broker = std::make_unique<Broker>();
    broker->id = id;
    broker->epoch = id - 1;  // the index of its record
    QCHECK(broker->files.CreateDirectories("/data").ok());
    QCHECK(broker->files.SyncDirectory("/").ok());
    records.push_back(RegisterRecord(id, broker->epoch));
    Boot(broker.get());
    brokers_[id] = std::move(broker);
  }
  Commit(records);
  Run();
}

ReplicaCluster::~ReplicaCluster() {
  for (auto& [id, broker] : brokers_) {
    broker->server.reset();
    broker->replicas.reset();
  }
}

void ReplicaCluster::Boot(Broker* broker) {
  broker->pool = std::make_unique<HeldPool>(&loop_);
  broker->network = std::make_unique<PipeNetwork>(&hub_, "host" + std::to_string(broker->id));
  broker->random = std::make_unique<SeededRandom>(1000 * broker->id + broker->epoch);
  broker->isr_updater = std::make_unique<ClusterIsrUpdater>(this, &loop_);
  ReplicaManagerEnv env;
  env.loop = &loop_;
  env.pool = broker->pool.get();
  env.file_system = &broker->files;
  env.network = broker->network.get();
  env.random = broker->random.get();
  env.isr_updater = broker->isr_updater.get();
  env.on_directory_failed = [broker](const std::string& directory, const absl::Status&) {
    broker->failed_directories.push_back(directory);
  };
  ReplicaManagerOptions options;
  options.broker = NodeId(broker->id);
  options.log_directories = {"/data"};
  options.preallocate_bytes = 0;
  options.bugs = bugs_;
  broker->replicas = std::make_unique<ReplicaManager>(env, options);
  const auto previous = broker->replicas->Start();
  QCHECK(previous.ok());
  broker->previous_epoch = *previous;
  broker->replicas->SetBrokerEpoch(BrokerEpoch(broker->epoch));
  broker->applied = std::make_shared<const MetadataImage>();
  broker->server = std::make_unique<ReplicaServer>(broker, &loop_);
}

void ReplicaCluster::Commit(const std::vector<std::string>& records) {
  MetadataImage next = *image_;
  for (const std::string& record : records) {
    const absl::Status status = Replay(next.index(), record, &next, nullptr);
    if (!status.ok()) LOG(FATAL) << status;
  }
  image_ = std::make_shared<const MetadataImage>(std::move(next));
  for (const auto& [id, broker] : brokers_) {
    if (!broker->deaf) Tell(id);
  }
}

void ReplicaCluster::Tell(int id) {
  Broker& broker = *brokers_.at(id);
  if (broker.replicas == nullptr || broker.applied == image_) return;
  // The difference, as the loader would have it.
  MetadataDelta delta;
  delta.previous = broker.applied;
  for (const auto& entry : image_->brokers()) delta.brokers.insert(entry.first);
  for (const auto& entry : image_->configs()) delta.configs.insert(entry.first);
  for (const auto& [topic_id, topic] : broker.applied->topics()) {
    if (image_->FindTopic(topic_id) == nullptr) delta.topics_deleted.insert(topic_id);
  }
  for (const auto& [topic_id, topic] : image_->topics()) {
    for (const auto& [index, state] : topic.partitions) {
      const PartitionState* const old = broker.applied->FindPartition(topic_id, index);
      if (old == nullptr || !(*old == state)) delta.partitions.insert({topic_id, index});
    }
  }
  broker.applied = image_;
  broker.replicas->ApplyImage(image_, delta);
}

TopicPartition ReplicaCluster::MakeTopic(const std::string& name,
                                         std::initializer_list<int> replicas,
                                         const std::map<std::string, std::string>& configs) {
  const Uuid id = TestUuid(5000 + ++topics_);
  std::vector<std::string> records = {TopicRecord(name, id)};
  for (const auto& [key, value] : configs) records.push_back(TopicConfigRecord(name, key, value));
  records.push_back(PartitionRecord(id, 0, replicas));
  Commit(records);
  Run();
  return {id, PartitionIndex(0)};
}

void ReplicaCluster::HandleProposal(const IsrProposal& proposal, IsrUpdater::Done done) {
  proposals.push_back(proposal);
  IsrOutcome outcome;
  const PartitionState* state = image_->FindPartition(proposal.partition);
  const auto reply = [&](kafka::KafkaError error) {
    outcome.status = kafka::KafkaStatus(error);
    done(outcome);
  };
  if (isr_mode == IsrMode::kHold) return;
  if (isr_mode == IsrMode::kRefuse) return reply(kafka::KafkaError::kIneligibleReplica);
  if (state == nullptr) return reply(kafka::KafkaError::kUnknownTopicId);
  if (state->leader_epoch != proposal.leader_epoch) {
    return reply(kafka::KafkaError::kFencedLeaderEpoch);
  }
  if (state->partition_epoch != proposal.partition_epoch) {
    return reply(kafka::KafkaError::kInvalidUpdateVersion);
  }
  std::vector<int> isr;
  for (const IsrMember& member : proposal.isr) {
    const BrokerImage* const broker = image_->FindBroker(member.broker);
    const bool stale = member.epoch != kNoBrokerEpoch && member.epoch != broker->epoch;
    if (!broker->IsActive() || stale) return reply(kafka::KafkaError::kIneligibleReplica);
    isr.push_back(member.broker.value());
  }
  QCHECK(isr.size() <= 3);
  const TopicPartition id = proposal.partition;
  const auto commit = [&](std::initializer_list<int> list) {
    Commit({IsrRecord(id.topic_id, id.partition.value(), list)});
  };
  if (isr.size() == 1) commit({isr[0]});
  if (isr.size() == 2) commit({isr[0], isr[1]});
  if (isr.size() == 3) commit({isr[0], isr[1], isr[2]});
  if (isr_mode == IsrMode::kLoseReply) {
    outcome.status = absl::DeadlineExceededError("lost");
    done(outcome);
    return;
  }
  state = image_->FindPartition(proposal.partition);
  outcome.leader = state->leader;
  outcome.leader_epoch = state->leader_epoch;
  outcome.isr.assign(state->isr.begin(), state->isr.end());
  outcome.partition_epoch = state->partition_epoch;
  done(outcome);
}

void ReplicaCluster::Crash(int id, bool power) {
  Broker& broker = *brokers_.at(id);
  broker.server.reset();
  broker.pool->Forget();
  broker.replicas.reset();
  broker.isr_updater.reset();
  if (power) {
    broker.files.Crash(*broker.random);
  } else {
    broker.files.Kill();
  }
}

void ReplicaCluster::Fence(int id) {
  Broker& broker = *brokers_.at(id);
  std::vector<std::string> records = {FenceRecord(id, broker.epoch, true)};
  for (const auto& [topic_id, topic] : image_->topics()) {
    for (const auto& [index, state] : topic.partitions) {
      std::vector<int> isr;
      for (const NodeId member : state.isr) {
        if (member != NodeId(id)) isr.push_back(member.value());
      }
      if (isr.size() == state.isr.size()) continue;
      const int leader = isr.empty() ? -1 : state.leader == NodeId(id) ? isr[0] : -2;
      if (isr.empty()) {
        records.push_back(IsrRecord(topic_id, index.value(), {id}, -1));
      } else if (isr.size() == 1) {
        records.push_back(IsrRecord(topic_id, index.value(), {isr[0]}, leader));
      } else {
        records.push_back(IsrRecord(topic_id, index.value(), {isr[0], isr[1]}, leader));
      }
    }
  }
  Commit(records);
}

void ReplicaCluster::Restart(int id) {
  Broker& broker = *brokers_.at(id);
  broker.epoch = image_->index().value();
  Boot(&broker);
  Commit({RegisterRecord(id, broker.epoch)});
  // Partitions without a leader that it may lead.
  std::vector<std::string> records;
  for (const auto& [topic_id, topic] : image_->topics()) {
    for (const auto& [index, state] : topic.partitions) {
      if (state.leader != kNoNode || !Contains(state.isr, NodeId(id))) continue;
      records.push_back(IsrRecord(topic_id, index.value(), {id}, id));
    }
  }
  if (!records.empty()) Commit(records);
  Run();
}

void ReplicaCluster::StopCleanly(int id) {
  Broker& broker = *brokers_.at(id);
  broker.server.reset();
  bool done = false;
  broker.replicas->Stop(true, [&done] { done = true; });
  Run();
  QCHECK(done);
  broker.replicas.reset();
  broker.isr_updater.reset();
  broker.files.Kill();
}

std::string OneRecordBatch(const std::string& value, WallMillis timestamp) {
  RecordBatchBuilder builder;
  builder.Add(timestamp, std::nullopt, value);
  return builder.Build();
}

std::shared_ptr<ReplicaCluster::Produced> ReplicaCluster::Produce(int broker,
                                                                  const TopicPartition& id,
                                                                  const std::string& value,
                                                                  int acks) {
  auto produced = std::make_shared<Produced>();
  AppendRequest request;
  request.partition = id;
  request.acks = static_cast<int16_t>(acks);
  request.batches = SharedBytes::FromString(OneRecordBatch(value, loop_.clock().WallNow()));
  replicas(broker).Append(std::move(request), [produced](AppendOutcome outcome) {
    QCHECK(!produced->outcome.has_value());
    produced->outcome = std::move(outcome);
  });
  return produced;
}

Partition* ReplicaCluster::partition(int broker, const TopicPartition& id) {
  return replicas(broker).impl()->Find(id);
}

PartitionPositions ReplicaCluster::Positions(int broker, const TopicPartition& id) {
  const auto positions = replicas(broker).Positions(id);
  QCHECK(positions.has_value());
  return *positions;
}

std::vector<std::string> ReplicaCluster::Values(int broker, const TopicPartition& id,
                                                Offset upper) {
  const PartitionPositions positions = Positions(broker, id);
  std::vector<std::string> values;
  const auto read = replicas(broker).Read(
      id, positions.log_start_offset, upper == kNoOffset ? positions.end_offset : upper, 1 << 30);
  QCHECK(read.ok());
  const auto bytes = read->ToBytes();
  QCHECK(bytes.ok());
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const auto batch = RecordBatchView::Parse(rest);
    QCHECK(batch.ok());
    rest.remove_prefix(batch->size_bytes());
    // One uncompressed record per batch: its value is at the end, before the header count.
    auto records = RecordIterator::Open(*batch);
    QCHECK(records.ok());
    for (;;) {
      const auto record = records->Next();
      QCHECK(record.ok());
      if (!record->has_value()) break;
      values.emplace_back((*record)->value.value_or(""));
    }
  }
  return values;
}

}  // namespace quorate::testing
