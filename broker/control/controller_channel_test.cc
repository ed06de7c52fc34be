#include "broker/control/controller_channel.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "broker/testing/fake_rpc.h"
#include "broker/testing/test_loop.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

constexpr char kMethod[] = "Controller.Heartbeat";

class ControllerChannelTest : public testing::Test {
 protected:
  void Call(Micros timeout = std::chrono::seconds(10)) {
    pb::HeartbeatRequest request;
    ControllerChannel::Options options;
    options.deadline = loop.Now() + timeout;
    id = channel.CallFor<pb::HeartbeatResponse>(
        kMethod, request, options,
        [this](absl::StatusOr<pb::HeartbeatResponse> r) { result = std::move(r); });
  }
  static pb::HeartbeatResponse NotController(int leader) {
    pb::HeartbeatResponse response;
    response.mutable_header()->set_error(41);
    response.mutable_header()->set_leader_id(leader);
    return response;
  }
  bool done() const { return result.status().code() != absl::StatusCode::kUnknown; }

  TestLoop loop;
  FakeRpcClient rpc;
  SeededRandom random{1};
  NodeId hint{1};
  ControllerChannel channel{
      &loop,
      &rpc,
      &random,
      {{NodeId(1), {"c1", 1}}, {NodeId(2), {"c2", 1}}, {NodeId(3), {"c3", 1}}},
      [this] { return hint; }};
  ControllerCallId id = ControllerCallId::kNone;
  absl::StatusOr<pb::HeartbeatResponse> result = absl::UnknownError("not done");
};

TEST_F(ControllerChannelTest, CallsTheHintedLeaderAndGivesItsAnswer) {
  hint = NodeId(2);
  Call();
  EXPECT_EQ(rpc.TargetOf(kMethod).host, "c2");
  pb::HeartbeatResponse response;
  response.set_is_caught_up(true);
  rpc.Answer(kMethod, response);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->is_caught_up());
}

TEST_F(ControllerChannelTest, FollowsTheLeaderThatANonControllerNamesAtOnce) {
  Call();
  rpc.Answer(kMethod, NotController(3));
  loop.Advance(Micros(0));
  ASSERT_NE(rpc.Find(kMethod), RpcCallId::kNone);
  EXPECT_EQ(rpc.TargetOf(kMethod).host, "c3");
  EXPECT_FALSE(done());
}

TEST_F(ControllerChannelTest, RetriesAnUnreachableControllerAndTriesOthers) {
  Call();
  std::set<std::string> asked;
  for (int i = 0; i < 6; ++i) {
    asked.insert(rpc.TargetOf(kMethod).host);
    rpc.Fail(kMethod, absl::UnavailableError("refused"));
    loop.Advance(std::chrono::milliseconds(100));
    ASSERT_NE(rpc.Find(kMethod), RpcCallId::kNone);
  }
  EXPECT_GE(asked.size(), 2u);
  EXPECT_FALSE(done());
}

TEST_F(ControllerChannelTest, FindsTheLeaderWithoutAHint) {
  hint = kNoNode;
  Call();
  rpc.Answer(kMethod, NotController(-1));
  loop.Advance(std::chrono::milliseconds(100));
  rpc.Answer(kMethod, NotController(3));
  loop.Advance(std::chrono::milliseconds(100));
  EXPECT_EQ(rpc.TargetOf(kMethod).host, "c3");
}

TEST_F(ControllerChannelTest, GivesUpAtTheDeadlineWithTheLastObstacle) {
  Call(std::chrono::seconds(1));
  for (int i = 0; i < 200 && !done(); ++i) {
    if (rpc.Find(kMethod) != RpcCallId::kNone) {
      rpc.Fail(kMethod, absl::UnavailableError("connection refused"));
    }
    loop.Advance(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(std::string(result.status().message()).find("connection refused"), std::string::npos);
  EXPECT_LE(rpc.made[kMethod], 101);
}

TEST_F(ControllerChannelTest, BacksOffBetween10And100Milliseconds) {
  Call(std::chrono::seconds(100));
  for (int i = 0; i < 20; ++i) {
    rpc.Fail(kMethod, absl::UnavailableError("refused"));
    EXPECT_EQ(rpc.Find(kMethod), RpcCallId::kNone);
    loop.Advance(std::chrono::milliseconds(4));
    EXPECT_EQ(rpc.Find(kMethod), RpcCallId::kNone);
    loop.Advance(std::chrono::milliseconds(96));
    ASSERT_NE(rpc.Find(kMethod), RpcCallId::kNone);
  }
}

TEST_F(ControllerChannelTest, OtherErrorsAreNotRetried) {
  Call();
  rpc.Fail(kMethod, absl::UnimplementedError("no such method"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ControllerChannelTest, MovesOpenCallsWhenTheLeaderChanges) {
  Call();
  hint = NodeId(3);
  channel.OnLeaderChange();
  EXPECT_EQ(rpc.calls.size(), 1u);
  EXPECT_EQ(rpc.TargetOf(kMethod).host, "c3");
}

TEST_F(ControllerChannelTest, ACancelledCallIsNeverAnswered) {
  Call();
  channel.Cancel(id);
  EXPECT_TRUE(rpc.calls.empty());
  loop.Advance(std::chrono::seconds(20));
  EXPECT_FALSE(done());
}

TEST_F(ControllerChannelTest, ALateCallFailsLaterNotWithinTheCall) {
  Call(Micros(0));
  EXPECT_FALSE(done());
  loop.Advance(Micros(0));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(rpc.made.empty());
}

TEST_F(ControllerChannelTest, AnAnswerThatCannotBeReadIsAnError) {
  Call();
  rpc.Fail(kMethod, absl::UnavailableError("x"));
  loop.Advance(std::chrono::milliseconds(100));
  auto node = rpc.calls.extract(rpc.calls.begin());
  node.mapped().done(std::string("\xff\xff\xff"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace quorate
