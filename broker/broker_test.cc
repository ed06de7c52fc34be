// The composed broker over fakes of network, Rpc, disk and time.
#include "broker/broker.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "broker/testing/fake_rpc.h"
#include "broker/testing/memory_network.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "proto/kafka/messages/api_versions.h"
#include "proto/kafka/messages/fetch.h"
#include "proto/kafka/messages/metadata.h"
#include "proto/kafka/messages/produce.h"
#include "proto/quorate/controller.pb.h"
#include "storage/record_batch_builder.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

namespace records = quorate::testing;

constexpr char kRegister[] = "Controller.RegisterBroker";
constexpr char kHeartbeat[] = "Controller.Heartbeat";

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() {
    EXPECT_TRUE(files.CreateDirectories("/data").ok());
    BrokerEnv env;
    env.loop = &loop;
    env.pool = &pool;
    env.file_system = &files;
    env.network = &network;
    env.rpc = &rpc;
    env.random = &random;
    env.controllers = {{NodeId(9), {"c9", 1}}};
    env.leader_hint = [] { return NodeId(9); };
    env.on_active = [this](bool active) { activity.push_back(active); };
    BrokerConfig config;
    config.node_id = NodeId(1);
    config.cluster_id = "test-cluster";
    BrokerListenerConfig listener;
    listener.bind = {"host1", 9092};
    config.listeners = {listener};
    config.log_dirs = {"/data"};
    broker = std::make_unique<Broker>(env, config);
  }

  static Uuid TopicId() { return records::TestUuid(50); }

  void Register(int64_t epoch) {
    pb::RegisterBrokerResponse response;
    response.set_broker_epoch(epoch);
    rpc.Answer(kRegister, response);
  }
  void Publish(const std::vector<std::string>& all) {
    auto image = std::make_shared<const MetadataImage>(records::ImageOf(all));
    auto delta = std::make_shared<MetadataDelta>(WholeAsDelta(*image));
    broker->OnImage(image, delta);
    loop.RunPosted();
  }
  // Registered, unfenced, leading partition 0 of "orders".
  void BecomeActive() {
    ASSERT_TRUE(broker->Start().ok());
    Register(0);
    Publish({records::RegisterRecord(1, 0), records::TopicRecord("orders", TopicId()),
             records::PartitionRecord(TopicId(), 0, {1})});
    loop.Advance(std::chrono::milliseconds(1));
  }

  template <typename Request>
  static std::string Frame(const Request& request, int16_t version) {
    kafka::RequestHeader header;
    header.api_version = version;
    header.correlation_id = 42;
    std::string frame;
    for (const OutPiece& piece : kafka::RequestFrame(header, request)) {
      frame += std::get<SharedBytes>(piece).view();
    }
    return frame;
  }
  // Sends `request` and gives the answer that came by then.
  template <typename Response, typename Request>
  Response Call(MemoryNetwork::Client& client, const Request& request, int16_t version) {
    client.stream->from_server.clear();
    client.Write(Frame(request, version));
    loop.RunPosted();
    Response response;
    const std::string& got = client.stream->from_server;
    EXPECT_GE(got.size(), 8u) << "no answer";
    if (got.size() < 8) return response;
    kafka::Reader in(SharedBytes::Copy(got.substr(4)));
    auto id =
        kafka::DecodeResponseHeader(in, static_cast<kafka::ApiKey>(Response::kApiKey), version);
    EXPECT_TRUE(id.ok() && *id == 42);
    EXPECT_TRUE(response.Decode(in, version).ok());
    return response;
  }

  TestLoop loop;
  TestPool pool{&loop};
  MemoryFileSystem files;
  MemoryNetwork network{&loop};
  FakeRpcClient rpc;
  SeededRandom random{1};
  std::vector<bool> activity;
  std::unique_ptr<Broker> broker;
};

TEST_F(BrokerTest, RegistersWithTheListenersItBound) {
  ASSERT_TRUE(broker->Start().ok());
  const auto request = rpc.RequestOf<pb::RegisterBrokerRequest>(kRegister);
  ASSERT_EQ(request.listeners_size(), 1);
  EXPECT_EQ(request.listeners(0).host(), "host1");
  EXPECT_EQ(request.listeners(0).port(), 9092);
  EXPECT_EQ(request.replication_listener().host(), "host1");
  EXPECT_EQ(request.replication_listener().port(), broker->replication_endpoint().port);
  EXPECT_NE(request.replication_listener().port(), 9092);
  EXPECT_EQ(request.incarnation_id().size(), 16u);
  EXPECT_EQ(request.previous_broker_epoch(), -1);
}

TEST_F(BrokerTest, AnAddressInUseStopsTheStart) {
  auto other = network.Listen({"host1", 9092}, [](std::unique_ptr<Connection>) {});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(broker->Start().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(rpc.calls.empty());
}

TEST_F(BrokerTest, ClientsAreServedOnceTheBrokerIsActive) {
  ASSERT_TRUE(broker->Start().ok());
  auto client = network.Open(9092);
  kafka::ApiVersionsRequest request;
  client.Write(Frame(request, 0));
  Register(0);
  Publish({records::RegisterRecord(1, 0, /*fenced=*/true)});
  EXPECT_EQ(client.stream->from_server, "");
  EXPECT_TRUE(activity.empty());
  Publish({records::RegisterRecord(1, 0), records::TopicRecord("x", TopicId())});
  EXPECT_EQ(activity, std::vector<bool>{true});
  EXPECT_GT(client.stream->from_server.size(), 8u);
}

TEST_F(BrokerTest, AnImageThatIsFasterThanTheRegistrationsAnswerCounts) {
  ASSERT_TRUE(broker->Start().ok());
  Publish({records::RegisterRecord(1, 0)});
  EXPECT_FALSE(broker->active());
  Register(0);
  EXPECT_TRUE(broker->active());
}

TEST_F(BrokerTest, WhatIsProducedCanBeFetched) {
  BecomeActive();
  auto client = network.Open(9092);
  kafka::MetadataRequest ask;
  ask.topics = std::nullopt;
  const auto metadata = Call<kafka::MetadataResponse>(client, ask, 12);
  ASSERT_EQ(metadata.topics.size(), 1u);
  EXPECT_EQ(metadata.topics[0].partitions.at(0).leader_id, 1);

  RecordBatchBuilder builder;
  builder.Add(loop.clock().WallNow(), "key", "value");
  kafka::ProduceRequest produce;
  produce.acks = -1;
  produce.timeout_ms = 1000;
  auto& topic = produce.topic_data.emplace_back();
  topic.name = "orders";
  auto& partition = topic.partition_data.emplace_back();
  const std::string batch = builder.Build();
  partition.records = kafka::Records(SharedBytes::Copy(batch));
  const auto produced = Call<kafka::ProduceResponse>(client, produce, 9);
  const auto& outcome = produced.responses.at(0).partition_responses.at(0);
  EXPECT_EQ(outcome.error_code, 0) << outcome.error_message.value_or("");
  EXPECT_EQ(outcome.base_offset, 0);

  kafka::FetchRequest fetch;
  fetch.min_bytes = 1;
  auto& wanted = fetch.topics.emplace_back();
  wanted.topic = "orders";
  wanted.partitions.emplace_back().partition_max_bytes = 1 << 20;
  const auto fetched = Call<kafka::FetchResponse>(client, fetch, 11);
  const auto& records_read = fetched.responses.at(0).partitions.at(0);
  EXPECT_EQ(records_read.high_watermark, 1);
  EXPECT_EQ(records_read.records.size(), batch.size());
}

TEST_F(BrokerTest, ShutdownMovesLeadersAwayThenClosesEverything) {
  BecomeActive();
  auto client = network.Open(9092);
  bool stopped = false;
  broker->Shutdown([&] { stopped = true; });
  while (rpc.Find(kHeartbeat) != RpcCallId::kNone) {
    const bool wanted = rpc.RequestOf<pb::HeartbeatRequest>(kHeartbeat).want_shutdown();
    pb::HeartbeatResponse response;
    response.set_should_shutdown(wanted);
    rpc.Answer(kHeartbeat, response);
    loop.Advance(std::chrono::milliseconds(60));
  }
  loop.Advance(std::chrono::seconds(3));
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(client.stream->server_closed);
  EXPECT_TRUE(rpc.calls.empty());
}

TEST_F(BrokerTest, ShutdownIsBoundedWithoutAController) {
  BecomeActive();
  bool stopped = false;
  broker->Shutdown([&] { stopped = true; });
  loop.Advance(std::chrono::seconds(60));
  EXPECT_TRUE(stopped);
}

TEST_F(BrokerTest, CanBeDestroyedAtAnyTime) {
  BecomeActive();
  auto client = network.Open(9092);
  kafka::FetchRequest fetch;
  fetch.min_bytes = 1;
  fetch.max_wait_ms = 10000;
  auto& wanted = fetch.topics.emplace_back();
  wanted.topic = "orders";
  wanted.partitions.emplace_back().partition_max_bytes = 1 << 20;
  client.Write(Frame(fetch, 11));
  loop.RunPosted();
  broker.reset();
  loop.Advance(std::chrono::seconds(60));
  EXPECT_TRUE(client.stream->server_closed);
}

}  // namespace
}  // namespace quorate
