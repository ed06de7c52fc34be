// Registration, sessions, leases, fencing, controlled shutdown.
#include "controller/image/testing/records.h"
#include "controller/testing/controller_harness.h"
#include "gtest/gtest.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::Code;
using kafka::KafkaError;
using testing::Answer;
using testing::ControllerHarness;
using testing::Replicas;
using testing::TestUuid;

class BrokerLifecycleTest : public ::testing::Test {
 protected:
  BrokerLifecycleTest() { h.quorum.Lead(); }

  const BrokerImage& Broker(int id) { return *h.controller->committed().FindBroker(NodeId(id)); }
  int RegisterError(const pb::RegisterBrokerRequest& request) {
    return h.Do<pb::RegisterBrokerResponse>("RegisterBroker", request).header().error();
  }
  void StartThree() {
    for (int id : {1, 2, 3}) h.StartBroker(id, id);
  }

  ControllerHarness h;
};

TEST_F(BrokerLifecycleTest, ANewRegistrationIsFencedAndItsEpochIsItsIndex) {
  const auto answer = h.Call<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  EXPECT_FALSE(answer.done());  // not before it is committed
  const LogIndex index = h.quorum.log().back()->first;
  h.quorum.CommitAll();
  EXPECT_EQ((*answer).broker_epoch(), index.value());
  EXPECT_TRUE(Broker(1).fenced);
  EXPECT_EQ(Broker(1).incarnation, TestUuid(10001));
  EXPECT_EQ(h.LastCause().trigger, "RegisterBroker");
}

TEST_F(BrokerLifecycleTest, IsUnfencedOnceItHasAppliedItsOwnRegistration) {
  h.Do<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  pb::HeartbeatRequest beat;
  *beat.mutable_caller() = h.Caller(1);
  beat.set_applied_index(Broker(1).epoch.value());  // exclusive: not applied yet
  auto response = h.Do<pb::HeartbeatResponse>("Heartbeat", beat);
  EXPECT_TRUE(response.is_fenced());
  EXPECT_FALSE(response.is_caught_up());
  beat.set_applied_index(Broker(1).epoch.value() + 1);
  response = h.Do<pb::HeartbeatResponse>("Heartbeat", beat);
  EXPECT_FALSE(response.is_fenced());
  EXPECT_TRUE(response.is_caught_up());
  EXPECT_FALSE(Broker(1).fenced);
}

TEST_F(BrokerLifecycleTest, AHeartbeatThatChangesNothingIsNotLogged) {
  h.StartBroker(1, 1);
  const size_t before = h.quorum.log().size();
  h.Beat(1);
  EXPECT_EQ(h.quorum.log().size(), before);
}

TEST_F(BrokerLifecycleTest, AnotherClusterIsRefused) {
  auto request = h.Registration(1, 1);
  request.mutable_caller()->set_cluster_id("other");
  EXPECT_EQ(RegisterError(request), Code(KafkaError::kInconsistentClusterId));
}

TEST_F(BrokerLifecycleTest, AMalformedRegistrationIsRefused) {
  auto request = h.Registration(-1, 1);
  EXPECT_EQ(RegisterError(request), Code(KafkaError::kInvalidRegistration));
  request = h.Registration(1, 1);
  request.set_incarnation_id("short");
  EXPECT_EQ(RegisterError(request), Code(KafkaError::kInvalidRegistration));
  request = h.Registration(1, 1);
  request.clear_listeners();
  EXPECT_EQ(RegisterError(request), Code(KafkaError::kInvalidRegistration));
}

// F1: two processes with one id.
TEST_F(BrokerLifecycleTest, ASecondLiveProcessIsADuplicate) {
  h.StartBroker(1, 1);
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), Code(KafkaError::kDuplicateBrokerRegistration));
  EXPECT_EQ(Broker(1).incarnation, TestUuid(10001));
  EXPECT_FALSE(Broker(1).fenced);
}

// F1: a restart before the old process was fenced.
TEST_F(BrokerLifecycleTest, ARestartedProcessRegistersAtOnceWhenTheOldSessionBroke) {
  h.StartBroker(1, 1);
  const BrokerEpoch old = Broker(1).epoch;
  h.BreakSession(1);  // still within the grace
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), 0);
  EXPECT_GT(Broker(1).epoch, old);
  EXPECT_TRUE(Broker(1).fenced);
  h.loop.Advance(Millis(100));
  EXPECT_EQ(h.LastCause().trigger, "RegisterBroker");  // the grace of the old one means nothing
}

TEST_F(BrokerLifecycleTest, AProcessThatBeatsAfterItsSessionBrokeIsLive) {
  h.StartBroker(1, 1);
  h.BreakSession(1);
  h.Beat(1);
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), Code(KafkaError::kDuplicateBrokerRegistration));
}

// F1: the registration's answer was lost.
TEST_F(BrokerLifecycleTest, ARepeatedRegistrationGetsTheSameEpoch) {
  const auto first = h.Do<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  const size_t before = h.quorum.log().size();
  const auto again = h.Do<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  EXPECT_EQ(again.broker_epoch(), first.broker_epoch());
  EXPECT_EQ(h.quorum.log().size(), before);
}

// F1: a copy of the registration that was under way for long.
TEST_F(BrokerLifecycleTest, ALateCopyOfALiveProcessesRegistrationChangesNothing) {
  h.StartBroker(1, 1);
  const BrokerEpoch epoch = Broker(1).epoch;
  const size_t before = h.quorum.log().size();
  const auto late = h.Do<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  EXPECT_EQ(late.header().error(), 0);
  EXPECT_EQ(late.broker_epoch(), epoch.value());
  EXPECT_EQ(h.quorum.log().size(), before);
  EXPECT_FALSE(Broker(1).fenced);
}

TEST_F(BrokerLifecycleTest, ALiveProcessThatRegistersAnewGetsANewEpoch) {
  h.StartBroker(1, 1);
  const BrokerEpoch epoch = Broker(1).epoch;
  auto request = h.Registration(1, 1);
  request.set_previous_broker_epoch(epoch.value());
  const auto anew = h.Do<pb::RegisterBrokerResponse>("RegisterBroker", request);
  EXPECT_GT(BrokerEpoch(anew.broker_epoch()), epoch);
}

TEST_F(BrokerLifecycleTest, ARepeatedRegistrationWaitsForTheFirstToBeCommitted) {
  const auto first = h.Call<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  const auto again = h.Call<pb::RegisterBrokerResponse>("RegisterBroker", h.Registration(1, 1));
  EXPECT_FALSE(again.done());
  h.quorum.CommitAll();
  EXPECT_EQ((*again).broker_epoch(), (*first).broker_epoch());
}

// I20, I21: a message of an older registration changes nothing.
TEST_F(BrokerLifecycleTest, AStaleEpochIsRefusedEverywhereAndChangesNothing) {
  h.StartBroker(1, 1);
  const pb::CallerHeader stale = h.Caller(1);
  h.BreakSession(1);
  h.StartBroker(1, 2);
  const StateHash before = h.controller->speculative().hash();
  const int expected = Code(KafkaError::kStaleBrokerEpoch);
  pb::HeartbeatRequest beat;
  *beat.mutable_caller() = stale;
  beat.set_want_shutdown(true);
  EXPECT_EQ(h.Do<pb::HeartbeatResponse>("Heartbeat", beat).header().error(), expected);
  pb::SessionRequest session;
  *session.mutable_caller() = stale;
  EXPECT_EQ(h.Do<pb::SessionResponse>("Session", session).header().error(), expected);
  pb::AlterPartitionRequest alter;
  *alter.mutable_caller() = stale;
  EXPECT_EQ(h.Do<pb::AlterPartitionResponse>("AlterPartition", alter).header().error(), expected);
  pb::AllocateProducerIdsRequest ids;
  *ids.mutable_caller() = stale;
  EXPECT_EQ(h.Do<pb::AllocateProducerIdsResponse>("AllocateProducerIds", ids).header().error(),
            expected);
  pb::CreateTopicsRequest topics;
  *topics.mutable_caller() = stale;
  topics.add_topics()->set_name("a");
  EXPECT_EQ(h.Do<pb::CreateTopicsResponse>("CreateTopics", topics).header().error(), expected);
  EXPECT_EQ(h.controller->speculative().hash(), before);
  EXPECT_EQ(h.quorum.uncommitted(), 0u);
}

TEST_F(BrokerLifecycleTest, AnUnknownBrokerIsToldThatItIsNotRegistered) {
  pb::HeartbeatRequest beat;
  *beat.mutable_caller() = h.Caller(9);
  EXPECT_EQ(h.Do<pb::HeartbeatResponse>("Heartbeat", beat).header().error(),
            Code(KafkaError::kBrokerIdNotRegistered));
}

TEST_F(BrokerLifecycleTest, ABrokenSessionFencesAfterTheGraceInOneBatch) {
  StartThree();
  h.CreateTopic("a", 6, 3);
  h.BreakSession(1);
  h.loop.Advance(Millis(49));
  EXPECT_EQ(h.quorum.uncommitted(), 0u);
  h.loop.Advance(Millis(1));
  EXPECT_EQ(h.quorum.uncommitted(), 1u);
  h.quorum.CommitAll();
  EXPECT_TRUE(Broker(1).fenced);
  EXPECT_EQ(h.LastCause().trigger, "broker-session-broken");
  EXPECT_EQ(h.LastCause().principal, "controller:100");
  EXPECT_EQ(h.LastCause().reason, "broker 1's session broke");
  for (int p = 0; p < 6; ++p) {
    const PartitionState state = h.Partition("a", p);
    EXPECT_NE(state.leader, NodeId(1));
    EXPECT_NE(state.leader, kNoNode);
    EXPECT_FALSE(Contains(state.isr, NodeId(1)));
    EXPECT_EQ(state.isr.size(), 2u);
  }
}

// F2: one stream reset does not fence a healthy broker.
TEST_F(BrokerLifecycleTest, ANewSessionOrAHeartbeatWithinTheGraceIsForgiveness) {
  h.StartBroker(1, 1);
  h.BreakSession(1);
  h.loop.Advance(Millis(40));
  h.Beat(1);
  h.loop.Advance(Millis(100));
  EXPECT_FALSE(Broker(1).fenced);
  pb::SessionRequest session;
  *session.mutable_caller() = h.Caller(1);
  auto second = h.Call<pb::SessionResponse>("Session", session);
  std::exchange(second.state().on_broken, nullptr)();
  auto third = h.Call<pb::SessionResponse>("Session", session);
  h.loop.Advance(Millis(100));
  EXPECT_FALSE(Broker(1).fenced);
  EXPECT_FALSE(third.done());
}

TEST_F(BrokerLifecycleTest, ASilentBrokerIsFencedWhenItsLeaseIsOverThoughItsSessionStands) {
  h.StartBroker(1, 1);
  h.loop.Advance(Millis(1400));
  EXPECT_FALSE(h.controller->speculative().FindBroker(NodeId(1))->fenced);
  h.Beat(1);
  h.loop.Advance(Millis(1499));
  EXPECT_FALSE(h.controller->speculative().FindBroker(NodeId(1))->fenced);
  h.loop.Advance(Millis(1));
  h.quorum.CommitAll();
  EXPECT_TRUE(Broker(1).fenced);
  EXPECT_EQ(h.LastCause().trigger, "broker-lease-expired");
  // It comes back with its next heartbeat.
  h.Beat(1);
  EXPECT_FALSE(Broker(1).fenced);
}

// F2: a controller that was held up listens first.
TEST_F(BrokerLifecycleTest, AStalledLoopDoesNotFenceBrokersWhoseMessagesWait) {
  h.StartBroker(1, 1);
  h.loop.Stall(Millis(5000));
  h.loop.Run();  // the lease's timer, late
  h.Beat(1);     // the heartbeat that was queued behind it
  h.loop.Advance(Millis(1000));
  EXPECT_FALSE(Broker(1).fenced);
}

TEST_F(BrokerLifecycleTest, TheSessionIsEndedWhenAnotherIncarnationRegisters) {
  h.StartBroker(1, 1);
  auto session = h.sessions.at(1);
  h.loop.Advance(Millis(1600));  // silent: fenced, not alive
  h.quorum.CommitAll();
  h.StartBroker(1, 2);
  ASSERT_TRUE(session->reply.has_value());
  pb::SessionResponse response;
  ASSERT_TRUE(response.ParseFromString(*session->reply));
  EXPECT_EQ(response.header().error(), Code(KafkaError::kStaleBrokerEpoch));
}

TEST_F(BrokerLifecycleTest, ANewControllerGivesEveryUnfencedBrokerAFullLease) {
  h.StartBroker(1, 1);
  auto session = h.sessions.at(1);
  h.quorum.Follow(NodeId(101), true);
  pb::SessionResponse response;
  ASSERT_TRUE(session->reply.has_value() && response.ParseFromString(*session->reply));
  EXPECT_EQ(response.header().error(), Code(KafkaError::kNotController));
  EXPECT_EQ(response.header().leader_id(), 101);
  h.loop.Advance(Millis(10000));
  h.quorum.Lead();
  h.loop.Advance(Millis(1499));
  h.quorum.CommitAll();
  EXPECT_FALSE(Broker(1).fenced);
  h.loop.Advance(Millis(1));
  h.quorum.CommitAll();
  EXPECT_TRUE(Broker(1).fenced);
}

// A cluster that was stopped and started as a whole: the old processes are gone, nobody waits out
// their leases.
TEST_F(BrokerLifecycleTest, AfterActivationAnUnheardBrokerKeepsItsPlaceOnlyForAMoment) {
  h.StartBroker(1, 1);
  h.quorum.Follow(NodeId(101), true);
  h.quorum.Lead();
  h.loop.Advance(Millis(149));
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), Code(KafkaError::kDuplicateBrokerRegistration));
  h.loop.Advance(Millis(2));
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), 0);
}

TEST_F(BrokerLifecycleTest, AfterActivationABrokerThatWasHeardKeepsItsPlace) {
  h.StartBroker(1, 1);
  h.quorum.Follow(NodeId(101), true);
  h.quorum.Lead();
  h.loop.Advance(Millis(100));
  h.Beat(1);
  h.loop.Advance(Millis(1000));
  EXPECT_EQ(RegisterError(h.Registration(1, 2)), Code(KafkaError::kDuplicateBrokerRegistration));
}

TEST_F(BrokerLifecycleTest, TheLeaseAtActivationCanDiffer) {
  auto config = ControllerHarness::Config();
  config.activation_lease = Millis(300);
  ControllerHarness other(config);
  other.quorum.Lead();
  other.StartBroker(1, 1);
  other.StartBroker(2, 2);
  other.quorum.Follow(NodeId(101), true);
  other.quorum.Lead();
  other.loop.Advance(Millis(200));
  other.Beat(2);
  other.loop.Advance(Millis(200));
  other.quorum.CommitAll();
  EXPECT_FALSE(other.controller->committed().IsUnfenced(NodeId(1)));
  EXPECT_TRUE(other.controller->committed().IsUnfenced(NodeId(2)));
}

TEST_F(BrokerLifecycleTest, TheBrokerOfTheLeaderBeforeGetsAShortLeaseAtActivation) {
  ControllerHarness other(ControllerHarness::Config());
  other.quorum.Lead();
  other.StartBroker(1, 1);
  other.StartBroker(2, 2);
  other.quorum.Follow(NodeId(1), true);
  other.quorum.Lead();
  other.loop.Advance(Millis(149));
  other.quorum.CommitAll();
  EXPECT_TRUE(other.controller->committed().IsUnfenced(NodeId(1)));
  other.loop.Advance(Millis(2));
  other.quorum.CommitAll();
  EXPECT_FALSE(other.controller->committed().IsUnfenced(NodeId(1)));
  EXPECT_TRUE(other.controller->committed().IsUnfenced(NodeId(2)));
}

TEST_F(BrokerLifecycleTest, ABrokerThatWantsToBeFencedIs) {
  h.StartBroker(1, 1);
  pb::HeartbeatRequest beat;
  *beat.mutable_caller() = h.Caller(1);
  beat.set_applied_index(1000);
  beat.set_want_fence(true);
  EXPECT_TRUE(h.Do<pb::HeartbeatResponse>("Heartbeat", beat).is_fenced());
  EXPECT_TRUE(h.Do<pb::HeartbeatResponse>("Heartbeat", beat).is_fenced());
}

TEST_F(BrokerLifecycleTest, ControlledShutdownMovesLeadersThenAllowsTheStop) {
  StartThree();
  h.CreateTopic("a", 6, 3);
  pb::HeartbeatRequest beat;
  *beat.mutable_caller() = h.Caller(2);
  beat.set_applied_index(1000);
  beat.set_want_shutdown(true);
  const auto answer = h.Call<pb::HeartbeatResponse>("Heartbeat", beat);
  EXPECT_FALSE(answer.done());
  h.quorum.CommitAll();
  EXPECT_TRUE((*answer).should_shutdown());
  EXPECT_TRUE(Broker(2).in_controlled_shutdown);
  EXPECT_FALSE(Broker(2).fenced);
  for (int p = 0; p < 6; ++p) {
    EXPECT_NE(h.Partition("a", p).leader, NodeId(2));
    EXPECT_FALSE(Contains(h.Partition("a", p).isr, NodeId(2)));
  }
  // KIP-841: it does not come back into an ISR.
  EXPECT_EQ(h.AlterIsr("a", 0, {1, 2, 3}), Code(KafkaError::kIneligibleReplica));
}

TEST_F(BrokerLifecycleTest, AfterACleanStopTheReplicaIsStillEligible) {
  h.StartBroker(1, 1);
  h.CreateTopic("a", 1, 1);
  const int64_t epoch = Broker(1).epoch.value();
  EXPECT_TRUE(h.Beat(1, true).should_shutdown());
  EXPECT_EQ(h.Partition("a", 0).leader, kNoNode);
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({1}));
  h.Kill(1);
  h.StartBroker(1, 2, epoch);
  EXPECT_EQ(h.Partition("a", 0).leader, NodeId(1));
  EXPECT_EQ(h.Partition("a", 0).isr, Replicas({1}));
}

// B15 (KIP-966): before any election uses it, it is out of ISR and ELR.
TEST_F(BrokerLifecycleTest, AfterAnUncleanStopTheReplicaLeavesTheElr) {
  StartThree();
  h.CreateTopic("a", 1, 3, {{"min.insync.replicas", "2"}});
  const std::vector<int> order = [&] {
    std::vector<int> out;
    for (NodeId id : h.Partition("a", 0).replicas) out.push_back(id.value());
    return out;
  }();
  h.Kill(order[2]);
  h.Kill(order[1]);
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({order[1]}));
  h.StartBroker(order[1], 11);  // no clean stop
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({}));
  EXPECT_EQ(h.Partition("a", 0).last_known_elr, Replicas({order[1]}));
  h.Kill(order[0]);
  EXPECT_EQ(h.Partition("a", 0).leader, kNoNode);  // the unclean one is no candidate
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({order[0]}));
}

TEST_F(BrokerLifecycleTest, TheLastEligibleReplicaKeepsItsPlaceAfterAnUncleanStop) {
  h.StartBroker(1, 1);
  h.CreateTopic("a", 1, 1);
  h.Kill(1);
  EXPECT_EQ(h.Partition("a", 0).leader, kNoNode);
  h.StartBroker(1, 2);
  EXPECT_EQ(h.Partition("a", 0).leader, NodeId(1));
  EXPECT_FALSE(h.Partition("a", 0).leader_recovering);
}

// B5: an empty disk is no place to keep.
TEST_F(BrokerLifecycleTest, AReplacedLogDirectoryLosesItsPlaceEvenIfItIsTheLast) {
  h.StartBroker(1, 1);
  h.CreateTopic("a", 1, 1);
  h.Kill(1);
  auto request = h.Registration(1, 2);
  request.set_log_directory_ids(0, TestUuid(30000).ToBytes());
  EXPECT_EQ(RegisterError(request), 0);
  h.Beat(1);
  EXPECT_FALSE(Broker(1).fenced);
  EXPECT_EQ(h.Partition("a", 0).leader, kNoNode);
  EXPECT_EQ(h.Partition("a", 0).elr, Replicas({}));
  EXPECT_EQ(h.Partition("a", 0).last_known_elr, Replicas({1}));
}

TEST_F(BrokerLifecycleTest, AQuickRestartOfALeaderMovesItsLeadership) {
  StartThree();
  h.CreateTopic("a", 3, 3);
  h.BreakSession(2);
  EXPECT_EQ(RegisterError(h.Registration(2, 12)), 0);
  for (int p = 0; p < 3; ++p) {
    EXPECT_NE(h.Partition("a", p).leader, NodeId(2));
    EXPECT_FALSE(Contains(h.Partition("a", p).isr, NodeId(2)));
  }
}

}  // namespace
}  // namespace quorate
