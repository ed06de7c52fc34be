#include "controller/testing/controller_harness.h"

#include <utility>

#include "controller/image/testing/records.h"

namespace quorate::testing {
namespace {

class TestCall final : public RpcCall {
 public:
  explicit TestCall(std::shared_ptr<CallState> state) : state_(std::move(state)) {}
  ~TestCall() override {
    state_->dropped = !state_->reply && state_->failed.ok();
    state_->alive = false;
    state_->on_broken = nullptr;
  }
  std::string_view request() const override { return state_->request; }
  void Reply(std::string response) override {
    QCHECK(!state_->reply && state_->failed.ok());
    state_->reply = std::move(response);
  }
  void Fail(const absl::Status& status) override {
    QCHECK(!state_->reply && state_->failed.ok());
    state_->failed = status;
  }
  void OnBroken(Task task) override { state_->on_broken = std::move(task); }

 private:
  std::shared_ptr<CallState> state_;
};

}  // namespace

std::shared_ptr<CallState> TestRpcServer::Call(const std::string& method, std::string request) {
  auto state = std::make_shared<CallState>();
  state->request = std::move(request);
  handlers_.at(method)(std::make_unique<TestCall>(state));
  return state;
}

ControllerConfig ControllerHarness::Config() {
  ControllerConfig config;
  config.node_id = NodeId(kSelf);
  config.cluster_id = "cluster";
  return config;
}

ControllerHarness::ControllerHarness(ControllerConfig config, uint64_t seed)
    : random(seed), quorum(NodeId(kSelf)) {
  if (config.cluster_id.empty()) {
    config.node_id = NodeId(kSelf);
    config.cluster_id = "cluster";
  }
  controller = std::make_unique<QuorumController>(config, &loop, &random, &quorum);
  controller->RegisterMethods(&server);
}

pb::CallerHeader ControllerHarness::Caller(int id) const {
  pb::CallerHeader caller;
  caller.set_cluster_id("cluster");
  caller.set_broker_id(id);
  const BrokerImage* broker = controller->speculative().FindBroker(NodeId(id));
  caller.set_broker_epoch(broker == nullptr ? -1 : broker->epoch.value());
  return caller;
}

pb::RegisterBrokerRequest ControllerHarness::Registration(int id, int incarnation,
                                                          int64_t previous_epoch,
                                                          std::string rack) const {
  pb::RegisterBrokerRequest request;
  request.mutable_caller()->set_cluster_id("cluster");
  request.mutable_caller()->set_broker_id(id);
  request.mutable_caller()->set_broker_epoch(-1);
  request.set_incarnation_id(TestUuid(10000 + incarnation).ToBytes());
  auto* listener = request.add_listeners();
  listener->set_name("PLAINTEXT");
  listener->set_host("host" + std::to_string(id));
  listener->set_port(9092);
  *request.mutable_replication_listener() = *listener;
  request.set_rack(std::move(rack));
  request.set_previous_broker_epoch(previous_epoch);
  request.add_log_directory_ids(TestUuid(20000 + id).ToBytes());
  return request;
}

void ControllerHarness::StartBroker(int id, int incarnation, int64_t previous_epoch,
                                    std::string rack) {
  const auto response = Do<pb::RegisterBrokerResponse>(
      "RegisterBroker", Registration(id, incarnation, previous_epoch, std::move(rack)));
  QCHECK_EQ(response.header().error(), 0);
  pb::SessionRequest session;
  *session.mutable_caller() = Caller(id);
  sessions[id] = server.Call("Controller.Session", session.SerializeAsString());
  Beat(id);
}

pb::HeartbeatResponse ControllerHarness::Beat(int id, bool want_shutdown) {
  pb::HeartbeatRequest request;
  *request.mutable_caller() = Caller(id);
  request.set_applied_index(controller->committed().index().value());
  request.set_want_shutdown(want_shutdown);
  return Do<pb::HeartbeatResponse>("Heartbeat", request);
}

void ControllerHarness::BreakSession(int id) {
  auto state = sessions.at(id);
  sessions.erase(id);
  if (state->on_broken) std::exchange(state->on_broken, nullptr)();
}

void ControllerHarness::Kill(int id) {
  BreakSession(id);
  loop.Advance(Millis(60));
  quorum.CommitAll();
}

pb::CreateTopicsResponse_Topic ControllerHarness::CreateTopic(
    const std::string& name, int partitions, int factor,
    std::map<std::string, std::string> configs) {
  pb::CreateTopicsRequest request;
  request.mutable_caller()->set_cluster_id("cluster");
  request.mutable_caller()->set_broker_id(-1);
  auto* topic = request.add_topics();
  topic->set_name(name);
  topic->set_partitions(partitions);
  topic->set_replication_factor(factor);
  for (const auto& [key, value] : configs) {
    auto* entry = topic->add_configs();
    entry->set_name(key);
    entry->set_value(value);
  }
  return Do<pb::CreateTopicsResponse>("CreateTopics", request).topics(0);
}

PartitionState ControllerHarness::Partition(const std::string& topic, int partition) const {
  const PartitionState* state = controller->committed().FindPartition(Name(topic, partition));
  QCHECK(state != nullptr);
  return *state;
}

TopicPartition ControllerHarness::Name(const std::string& topic, int partition) const {
  const TopicImage* found = controller->committed().FindTopicByName(topic);
  QCHECK(found != nullptr);
  return {found->id, PartitionIndex(partition)};
}

pb::AlterPartitionRequest ControllerHarness::Proposal(const std::string& topic, int partition,
                                                      std::vector<int> isr) const {
  const PartitionState state = Partition(topic, partition);
  pb::AlterPartitionRequest request;
  *request.mutable_caller() = Caller(state.leader.value());
  auto* out = request.add_partitions();
  out->set_topic_id(Name(topic, partition).topic_id.ToBytes());
  out->set_partition(partition);
  out->set_leader_epoch(state.leader_epoch.value());
  out->set_partition_epoch(state.partition_epoch.value());
  for (int id : isr) {
    auto* member = out->add_new_isr();
    member->set_broker_id(id);
    member->set_broker_epoch(Caller(id).broker_epoch());
  }
  return request;
}

int ControllerHarness::AlterIsr(const std::string& topic, int partition, std::vector<int> isr) {
  const auto response =
      Do<pb::AlterPartitionResponse>("AlterPartition", Proposal(topic, partition, std::move(isr)));
  return response.header().error() != 0 ? response.header().error()
                                        : response.partitions(0).error();
}

Cause ControllerHarness::LastCause() const {
  auto cause = DecodeCause(quorum.log().back()->cause);
  QCHECK(cause.ok());
  return *cause;
}

}  // namespace quorate::testing
