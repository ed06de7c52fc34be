#include "broker/control/broker_lifecycle.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/testing/fake_rpc.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

constexpr char kRegister[] = "Controller.RegisterBroker";
constexpr char kSession[] = "Controller.Session";
constexpr char kHeartbeat[] = "Controller.Heartbeat";

class BrokerLifecycleTest : public ::testing::Test, public BrokerLifecycle::Observer {
 protected:
  BrokerLifecycleTest() {
    BrokerRegistration registration;
    registration.node_id = NodeId(5);
    registration.cluster_id = "cluster";
    registration.incarnation = testing::TestUuid(9);
    registration.previous_epoch = BrokerEpoch(3);
    lifecycle = std::make_unique<BrokerLifecycle>(&loop, &channel, std::chrono::milliseconds(500),
                                                  registration, this);
  }
  void OnRegistered(BrokerEpoch epoch) override { epochs.push_back(epoch.value()); }
  void OnActive(bool active) override { activity.push_back(active); }

  void Register(int64_t epoch) {
    pb::RegisterBrokerResponse response;
    response.set_broker_epoch(epoch);
    rpc.Answer(kRegister, response);
  }
  static MetadataImage Image(int64_t epoch, bool fenced) {
    std::vector<std::string> records;
    for (int i = 0; i < epoch; ++i) {
      records.push_back(testing::TopicRecord("t" + std::to_string(i), testing::TestUuid(i + 1)));
    }
    records.push_back(testing::RegisterRecord(5, epoch, fenced));
    return testing::ImageOf(records);
  }
  void AnswerHeartbeat(int error = 0, bool should_shutdown = false) {
    pb::HeartbeatResponse response;
    response.mutable_header()->set_error(error);
    response.set_should_shutdown(should_shutdown);
    rpc.Answer(kHeartbeat, response);
  }

  TestLoop loop;
  FakeRpcClient rpc;
  SeededRandom random{1};
  ControllerChannel channel{
      &loop, &rpc, &random, {{NodeId(1), {"c1", 1}}}, [] { return NodeId(1); }};
  std::vector<int64_t> epochs;
  std::vector<bool> activity;
  std::unique_ptr<BrokerLifecycle> lifecycle;
};

TEST_F(BrokerLifecycleTest, RegistersThenOpensASessionAndSendsAHeartbeat) {
  lifecycle->Start();
  const auto request = rpc.RequestOf<pb::RegisterBrokerRequest>(kRegister);
  EXPECT_EQ(request.caller().broker_id(), 5);
  EXPECT_EQ(request.previous_broker_epoch(), 3);
  EXPECT_EQ(request.incarnation_id(), testing::TestUuid(9).ToBytes());
  Register(40);
  EXPECT_EQ(epochs, std::vector<int64_t>{40});
  EXPECT_EQ(rpc.RequestOf<pb::SessionRequest>(kSession).caller().broker_epoch(), 40);
  EXPECT_EQ(rpc.RequestOf<pb::HeartbeatRequest>(kHeartbeat).caller().broker_epoch(), 40);
}

TEST_F(BrokerLifecycleTest, ARefusedRegistrationIsTriedAgain) {
  lifecycle->Start();
  pb::RegisterBrokerResponse refused;
  refused.mutable_header()->set_error(101);
  rpc.Answer(kRegister, refused);
  EXPECT_TRUE(epochs.empty());
  loop.Advance(std::chrono::milliseconds(100));
  EXPECT_NE(rpc.Find(kRegister), RpcCallId::kNone);
}

TEST_F(BrokerLifecycleTest, SendsAHeartbeatEveryInterval) {
  lifecycle->Start();
  Register(40);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(rpc.made[kHeartbeat], i);
    AnswerHeartbeat();
    loop.Advance(std::chrono::milliseconds(500));
  }
}

TEST_F(BrokerLifecycleTest, SaysAtOnceThatItHasAppliedItsOwnRegistration) {
  lifecycle->Start();
  Register(0);
  AnswerHeartbeat();
  EXPECT_EQ(rpc.Find(kHeartbeat), RpcCallId::kNone);
  lifecycle->OnImage(Image(0, /*fenced=*/true));
  EXPECT_EQ(rpc.RequestOf<pb::HeartbeatRequest>(kHeartbeat).applied_index(), 1);
  EXPECT_TRUE(activity.empty());
}

TEST_F(BrokerLifecycleTest, IsActiveOnceItsImageShowsItUnfencedUnderItsEpoch) {
  lifecycle->Start();
  Register(7);
  lifecycle->OnImage(Image(6, /*fenced=*/false));  // an earlier registration
  EXPECT_FALSE(lifecycle->active());
  lifecycle->OnImage(Image(7, /*fenced=*/false));
  EXPECT_TRUE(lifecycle->active());
  lifecycle->OnImage(Image(7, /*fenced=*/true));
  EXPECT_EQ(activity, (std::vector<bool>{true, false}));
}

TEST_F(BrokerLifecycleTest, RegistersAgainWhenItsEpochIsStaleAndNamesThatEpoch) {
  lifecycle->Start();
  Register(7);
  lifecycle->OnImage(Image(7, false));
  AnswerHeartbeat(77);
  EXPECT_EQ(activity, (std::vector<bool>{true, false}));
  EXPECT_EQ(rpc.RequestOf<pb::RegisterBrokerRequest>(kRegister).previous_broker_epoch(), 7);
  EXPECT_EQ(rpc.Find(kSession), RpcCallId::kNone);
  Register(12);
  EXPECT_EQ(lifecycle->epoch(), BrokerEpoch(12));
}

TEST_F(BrokerLifecycleTest, AStaleSessionAnswerAlsoRegistersAgain) {
  lifecycle->Start();
  Register(7);
  pb::SessionResponse response;
  response.mutable_header()->set_error(102);
  rpc.Answer(kSession, response);
  EXPECT_NE(rpc.Find(kRegister), RpcCallId::kNone);
}

TEST_F(BrokerLifecycleTest, ABrokenSessionIsOpenedAgainSoon) {
  lifecycle->Start();
  Register(7);
  loop.Advance(std::chrono::seconds(3));
  rpc.Fail(kSession, absl::UnavailableError("connection reset"));
  loop.Advance(std::chrono::milliseconds(10));
  EXPECT_NE(rpc.Find(kSession), RpcCallId::kNone);
}

TEST_F(BrokerLifecycleTest, ShutdownEndsWhenTheControllerAgrees) {
  lifecycle->Start();
  Register(7);
  AnswerHeartbeat();
  bool stopped = false;
  lifecycle->Shutdown(std::chrono::seconds(30), [&] { stopped = true; });
  EXPECT_TRUE(rpc.RequestOf<pb::HeartbeatRequest>(kHeartbeat).want_shutdown());
  AnswerHeartbeat();
  loop.Advance(std::chrono::milliseconds(50));
  EXPECT_FALSE(stopped);
  AnswerHeartbeat(0, true);
  loop.RunPosted();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(rpc.calls.empty());
  EXPECT_EQ(loop.timer_count(), 0u);
}

TEST_F(BrokerLifecycleTest, ShutdownEndsAtItsBoundIfTheControllerNeverAgrees) {
  lifecycle->Start();
  Register(7);
  AnswerHeartbeat();
  bool stopped = false;
  lifecycle->Shutdown(std::chrono::seconds(3), [&] { stopped = true; });
  for (int i = 0; i < 58; ++i) {
    AnswerHeartbeat();
    loop.Advance(std::chrono::milliseconds(50));
  }
  EXPECT_FALSE(stopped);
  loop.Advance(std::chrono::milliseconds(200));
  EXPECT_TRUE(stopped);
}

// The whole cluster stops, this node last.
TEST_F(BrokerLifecycleTest, ShutdownDoesNotWaitForControllersThatDoNotAnswer) {
  lifecycle->Start();
  Register(7);
  AnswerHeartbeat();
  bool stopped = false;
  lifecycle->Shutdown(std::chrono::seconds(30), [&] { stopped = true; });
  const auto refuse_for = [this](int ms) {
    for (int i = 0; i < ms; i += 50) {
      if (rpc.Find(kHeartbeat) != RpcCallId::kNone) {
        rpc.Fail(kHeartbeat, absl::UnavailableError("refused"));
      }
      loop.Advance(std::chrono::milliseconds(50));
    }
  };
  refuse_for(1800);
  EXPECT_FALSE(stopped);
  refuse_for(400);
  EXPECT_TRUE(stopped);
}

TEST_F(BrokerLifecycleTest, DestructionLeavesNothingBehind) {
  lifecycle->Start();
  Register(7);
  AnswerHeartbeat();
  lifecycle.reset();
  EXPECT_TRUE(rpc.calls.empty());
  EXPECT_EQ(loop.timer_count(), 0u);
}

}  // namespace
}  // namespace quorate
