// broker/handlers/handler_fixture.h
//
// A registry with all handlers over fakes, for handler tests: requests go in as frames, answers
// come out decoded.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/handler_env.h"
#include "broker/testing/fake_rpc.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "proto/kafka/error.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

// Keeps appends and fetches for the test to answer.
class FakeReplicas final : public ReplicaApi {
 public:
  void Append(AppendRequest request, AppendDone done) override {
    appends.emplace_back(std::move(request), std::move(done));
  }
  FetchId Fetch(FetchSpec spec, FetchDone done) override {
    if (answer_fetch) {
      done(answer_fetch(spec));
      fetched.push_back(std::move(spec));
      return FetchId::kNone;
    }
    const auto id = FetchId{++last_fetch};
    fetched.push_back(std::move(spec));
    parked.emplace(id, std::move(done));
    return id;
  }
  void CancelFetch(FetchId id) override { parked.erase(id); }
  void ListOffsets(std::vector<ListOffsetsQuery> asked,
                   ReplicaManager::ListOffsetsDone done) override {
    std::vector<ListOffsetsOutcome> outcomes;
    for (const auto& query : asked) {
      outcomes.push_back(answer_offsets ? answer_offsets(query) : ListOffsetsOutcome());
    }
    offset_queries = std::move(asked);
    done(std::move(outcomes));
  }
  std::vector<EpochEndOutcome> EndOffsetsFor(const std::vector<EpochEndQuery>& asked) override {
    epoch_queries = asked;
    return std::vector<EpochEndOutcome>(asked.size(), epoch_answer);
  }

  std::deque<std::pair<AppendRequest, AppendDone>> appends;
  std::vector<FetchSpec> fetched;
  std::map<FetchId, FetchDone> parked;
  uint64_t last_fetch = 0;
  std::function<FetchResult(const FetchSpec&)> answer_fetch;
  std::function<ListOffsetsOutcome(const ListOffsetsQuery&)> answer_offsets;
  std::vector<ListOffsetsQuery> offset_queries;
  std::vector<EpochEndQuery> epoch_queries;
  EpochEndOutcome epoch_answer;
};

// One request and what became of it.
struct Exchange : Responder::Sink {
  void Complete(uint64_t, std::vector<OutPiece> reply) override {
    answered = true;
    for (const OutPiece& piece : reply) frame += std::get<SharedBytes>(piece).view();
  }
  void Abandon(const absl::Status& why) override { closed = why; }
  bool answered = false;
  std::string frame;    // with its size; empty: answered with nothing
  absl::Status closed;  // not OK: the connection was closed
};

class HandlerFixture : public ::testing::Test {
 protected:
  static constexpr char kListener[] = "PLAINTEXT";
  HandlerFixture() {
    config.node_id = NodeId(1);
    config.cluster_id = "test-cluster";
    HandlerEnv env;
    env.loop = &loop;
    env.config = &config;
    env.images = &images;
    env.controller = &channel;
    env.replicas = &replicas;
    env.topics = &topics;
    env.producer_ids = &producer_ids;
    env.broker_epoch = [] { return BrokerEpoch(7); };
    handler_env = env;
  }

  // Makes `records` the broker's image.
  void SetImage(const std::vector<std::string>& records) {
    images.Update(std::make_shared<const MetadataImage>(quorate::testing::ImageOf(records)));
  }
  // Three brokers (3 fenced); topic "orders" with partitions 0 (led by 1) and 1 (led by 2).
  static std::vector<std::string> BaseRecords() {
    using namespace quorate::testing;  // NOLINT: short names of records
    return {RegisterRecord(1, 0),
            RegisterRecord(2, 1, false, "rack-2"),
            RegisterRecord(3, 2, true),
            TopicRecord("orders", OrdersId()),
            PartitionRecord(OrdersId(), 0, {1, 2}),
            PartitionRecord(OrdersId(), 1, {2, 3})};
  }
  static Uuid OrdersId() { return quorate::testing::TestUuid(77); }
  static TopicPartition Orders(int partition) { return {OrdersId(), PartitionIndex(partition)}; }

  template <typename Request>
  std::shared_ptr<Exchange> Send(const Request& request, int16_t version, bool internal = false) {
    kafka::RequestHeader header;
    header.api_version = version;
    header.correlation_id = 42;
    header.client_id = "client";
    std::string frame;
    for (const OutPiece& piece : kafka::RequestFrame(header, request)) {
      frame += std::get<SharedBytes>(piece).view();
    }
    return SendFrame(frame.substr(4), internal);
  }
  std::shared_ptr<Exchange> SendFrame(const std::string& frame, bool internal = false) {
    auto info = std::make_shared<ConnectionInfo>();
    info->id = internal ? 900 : 901;
    info->listener = internal ? "REPLICATION" : kListener;
    info->internal = internal;
    auto exchange = std::make_shared<Exchange>();
    registry.HandleFrame(info, SharedBytes::Copy(frame), Responder(exchange, 0));
    exchanges.push_back(exchange);
    return exchange;
  }

  // The decoded answer. Fails the test if there is none.
  template <typename Response>
  static Response Answer(const Exchange& exchange, int16_t version) {
    EXPECT_TRUE(exchange.answered) << exchange.closed;
    if (exchange.frame.size() < 4) return Response();
    kafka::Reader in(SharedBytes::Copy(exchange.frame.substr(4)));
    auto correlation =
        kafka::DecodeResponseHeader(in, static_cast<kafka::ApiKey>(Response::kApiKey), version);
    EXPECT_TRUE(correlation.ok() && *correlation == 42);
    auto response = kafka::DecodeMessage<Response>(in, version);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : Response();
  }
  template <typename Response, typename Request>
  Response Call(const Request& request, int16_t version, bool internal = false) {
    return Answer<Response>(*Send(request, version, internal), version);
  }

  TestLoop loop;
  FakeRpcClient rpc;
  SeededRandom random{1};
  BrokerConfig config;
  ImageView images{&loop};
  ControllerChannel channel{
      &loop, &rpc, &random, {{NodeId(9), {"c9", 1}}}, [] { return NodeId(9); }};
  FakeReplicas replicas;
  TopicCreator topics{&loop,     &channel,  &images,
                      "cluster", NodeId(1), [] { return BrokerEpoch(7); }};
  ProducerIdAllocator producer_ids{
      &loop, &channel, {"cluster", NodeId(1)}, [] { return BrokerEpoch(7); }};
  HandlerEnv handler_env;
  HandlerRegistry registry{&loop};
  std::vector<std::shared_ptr<Exchange>> exchanges;
};

}  // namespace quorate
