// Random operations, crashes and changes of leadership; invariants after every step.
#include <map>
#include <set>

#include "controller/image/replay.h"
#include "controller/image/testing/records.h"
#include "controller/testing/controller_harness.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using testing::ControllerHarness;

// I18, and what election.h promises.
void CheckPartition(const MetadataImage& image, const PartitionState& state) {
  ASSERT_FALSE(state.replicas.empty());
  for (NodeId id : state.isr) {
    ASSERT_TRUE(Contains(state.replicas, id));
    ASSERT_FALSE(Contains(state.elr, id));
    const BrokerImage* broker = image.FindBroker(id);
    ASSERT_NE(broker, nullptr);
    ASSERT_TRUE(broker->IsActive()) << "broker " << id << " is in an ISR";
  }
  for (NodeId id : state.elr) {
    ASSERT_TRUE(Contains(state.replicas, id));
    ASSERT_FALSE(Contains(state.last_known_elr, id));
  }
  if (state.leader == kNoNode) {
    ASSERT_TRUE(state.isr.empty());
    for (NodeId id : state.elr) {
      const BrokerImage* broker = image.FindBroker(id);
      ASSERT_TRUE(broker == nullptr || !broker->IsActive()) << "an eligible leader waits";
    }
  } else {
    ASSERT_TRUE(Contains(state.isr, state.leader));
  }
}

class World {
 public:
  explicit World(uint64_t seed) : random_(seed), h(ControllerHarness::Config(), seed) {
    h.quorum.Lead();
  }

  void Step() {
    const int id = static_cast<int>(1 + random_.Below(4));
    switch (random_.Below(12)) {
      case 0:
        Start(id);
        break;
      case 1:
        if (h.sessions.count(id) > 0) h.BreakSession(id);
        break;
      case 2:
      case 3:
        Beat(id);
        break;
      case 4:
        Create();
        break;
      case 5:
        if (random_.Chance(0.3)) Delete();
        break;
      case 6:
      case 7:
        Alter();
        break;
      case 8:
        h.loop.Advance(Millis(static_cast<int64_t>(random_.Below(400))));
        break;
      case 9:
        ChangeLeadership();
        break;
      case 10:
        SetMinimum();
        break;
      default:
        h.quorum.CommitOne();
    }
    if (random_.Chance(0.5)) h.quorum.CommitAll();
  }

  void Check() {
    const MetadataImage& now = h.controller->speculative();
    ASSERT_EQ(now.hash(), ComputeHash(now));
    const MetadataImage& committed = h.controller->committed();
    ASSERT_EQ(committed.hash(), ComputeHash(committed));
    if (h.quorum.uncommitted() == 0) {
      ASSERT_EQ(now.hash(), committed.hash());
    }
    CheckEpochs(committed);
    if (h.controller->active()) CheckState(now);
    CheckLookup(now);
  }

 private:
  template <typename Request>
  void Send(const std::string& method, const Request& request) {
    h.server.Call("Controller." + method, request.SerializeAsString());
  }

  void CheckState(const MetadataImage& image) {
    for (const auto& [topic_id, topic] : image.topics()) {
      for (const auto& [index, state] : topic.partitions) {
        ASSERT_NO_FATAL_FAILURE(CheckPartition(image, state)) << topic.name << "-" << index;
      }
    }
  }

  // Epochs of committed states never go back.
  void CheckEpochs(const MetadataImage& image) {
    for (const auto& [topic_id, topic] : image.topics()) {
      for (const auto& [index, state] : topic.partitions) {
        auto& last = epochs_[{topic_id, index}];
        ASSERT_GE(state.partition_epoch, last.first);
        ASSERT_GE(state.leader_epoch, last.second);
        last = {state.partition_epoch, state.leader_epoch};
      }
    }
    for (const auto& [id, broker] : image.brokers()) {
      ASSERT_GE(broker.epoch, broker_epochs_[id]);
      broker_epochs_[id] = broker.epoch;
    }
  }

  void CheckLookup(const MetadataImage& image) {
    std::map<NodeId, std::set<TopicPartition>> by_broker;
    std::set<TopicPartition> leaderless;
    std::set<TopicPartition> not_preferred;
    std::set<TopicPartition> with_elr;
    for (const auto& [topic_id, topic] : image.topics()) {
      for (const auto& [index, state] : topic.partitions) {
        const TopicPartition tp{topic_id, index};
        for (NodeId id : state.replicas) by_broker[id].insert(tp);
        if (state.leader == kNoNode) leaderless.insert(tp);
        if (state.leader != kNoNode && state.leader != state.replicas[0]) not_preferred.insert(tp);
        if (!state.elr.empty()) with_elr.insert(tp);
      }
    }
    const PartitionLookup& lookup = h.controller->partition_lookup();
    const auto same = [](const std::set<TopicPartition>& a, const PartitionLookup::Set& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end());
    };
    for (int id = 1; id <= 4; ++id) {
      ASSERT_TRUE(same(by_broker[NodeId(id)], lookup.PartitionsOf(NodeId(id))));
    }
    ASSERT_TRUE(same(leaderless, lookup.leaderless()));
    ASSERT_TRUE(same(not_preferred, lookup.not_preferred()));
    ASSERT_TRUE(same(with_elr, lookup.with_elr()));
  }

  void Start(int id) {
    const BrokerImage* old = h.controller->speculative().FindBroker(NodeId(id));
    const int64_t previous = old != nullptr && random_.Chance(0.5) ? old->epoch.value() : -1;
    auto request = h.Registration(id, ++incarnation_, previous);
    if (random_.Chance(0.1)) {
      request.set_log_directory_ids(0, testing::TestUuid(40000 + incarnation_).ToBytes());
    }
    Send("RegisterBroker", request);
    if (random_.Chance(0.7)) {
      h.quorum.CommitAll();
      pb::SessionRequest session;
      *session.mutable_caller() = h.Caller(id);
      h.sessions[id] = h.server.Call("Controller.Session", session.SerializeAsString());
    }
  }

  void Beat(int id) {
    pb::HeartbeatRequest request;
    *request.mutable_caller() = h.Caller(id);
    request.set_applied_index(h.controller->committed().index().value());
    request.set_want_shutdown(random_.Chance(0.05));
    request.set_want_fence(random_.Chance(0.02));
    Send("Heartbeat", request);
  }

  void Create() {
    pb::CreateTopicsRequest request;
    request.mutable_caller()->set_cluster_id("cluster");
    request.mutable_caller()->set_broker_id(-1);
    auto* topic = request.add_topics();
    topic->set_name("t" + std::to_string(random_.Below(6)));
    topic->set_partitions(static_cast<int>(1 + random_.Below(4)));
    topic->set_replication_factor(static_cast<int>(1 + random_.Below(4)));
    if (random_.Chance(0.2)) {
      auto* config = topic->add_configs();
      config->set_name("unclean.leader.election.enable");
      config->set_value("true");
    }
    Send("CreateTopics", request);
  }

  const TopicImage* AnyTopic() {
    const MetadataImage& image = h.controller->speculative();
    const Uuid* id = image.topic_ids().Find("t" + std::to_string(random_.Below(6)));
    return id == nullptr ? nullptr : image.FindTopic(*id);
  }

  void Delete() {
    const TopicImage* topic = AnyTopic();
    if (topic == nullptr) return;
    pb::DeleteTopicsRequest request;
    request.mutable_caller()->set_cluster_id("cluster");
    request.mutable_caller()->set_broker_id(-1);
    request.add_topics()->set_topic_id(topic->id.ToBytes());
    Send("DeleteTopics", request);
  }

  void SetMinimum() {
    pb::AlterConfigsRequest request;
    request.mutable_caller()->set_cluster_id("cluster");
    request.mutable_caller()->set_broker_id(-1);
    auto* resource = request.add_resources();
    const TopicImage* topic = AnyTopic();
    resource->set_type(topic == nullptr ? pb::ConfigRecord::BROKER : pb::ConfigRecord::TOPIC);
    if (topic != nullptr) resource->set_name(topic->name);
    auto* entry = resource->add_entries();
    entry->set_name("min.insync.replicas");
    entry->set_value(std::to_string(1 + random_.Below(3)));
    Send("AlterConfigs", request);
  }

  void Alter() {
    const TopicImage* topic = AnyTopic();
    if (topic == nullptr || topic->partitions.empty()) return;
    const PartitionIndex index(static_cast<int32_t>(random_.Below(topic->partitions.size())));
    const PartitionState state = *topic->FindPartition(index);
    pb::AlterPartitionRequest request;
    *request.mutable_caller() = h.Caller(state.leader.value());
    auto* out = request.add_partitions();
    out->set_topic_id(topic->id.ToBytes());
    out->set_partition(index.value());
    out->set_leader_epoch(state.leader_epoch.value() - static_cast<int>(random_.Below(8) == 0));
    out->set_partition_epoch(state.partition_epoch.value());
    for (NodeId id : state.replicas) {
      if (id != state.leader && random_.Chance(0.4)) continue;
      auto* member = out->add_new_isr();
      member->set_broker_id(id.value());
      member->set_broker_epoch(h.Caller(id.value()).broker_epoch());
    }
    Send("AlterPartition", request);
  }

  void ChangeLeadership() {
    if (!random_.Chance(0.2)) return;
    if (h.controller->active()) {
      h.quorum.Follow(NodeId(101), random_.Chance(0.5));
      h.sessions.clear();
      if (random_.Chance(0.8)) h.quorum.Lead(random_.Chance(0.5));
    } else {
      h.quorum.Lead(random_.Chance(0.5));
    }
  }

  SeededRandom random_;
  int incarnation_ = 0;
  std::map<TopicPartition, std::pair<PartitionEpoch, LeaderEpoch>> epochs_;
  std::map<NodeId, BrokerEpoch> broker_epochs_;

 public:
  ControllerHarness h;
};

TEST(ControllerPropertyTest, RandomOperationsKeepEveryInvariant) {
  size_t topics = 0;
  size_t elr = 0;
  size_t led = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed);
    for (int step = 0; step < 400; ++step) {
      world.Step();
      ASSERT_NO_FATAL_FAILURE(world.Check()) << "seed " << seed << " step " << step;
    }
    topics += world.h.controller->committed().topics().size();
    elr += world.h.controller->partition_lookup().with_elr().size();
    led += world.h.controller->partition_lookup().not_preferred().size();
  }
  // It went through what it is meant to.
  EXPECT_GT(topics, 20u);
  EXPECT_GT(elr, 5u);
  EXPECT_GT(led, 5u);
}

TEST(ControllerPropertyTest, TheSameSeedGivesTheSameLog) {
  std::string hashes[2];
  for (std::string& hash : hashes) {
    World world(77);
    for (int step = 0; step < 500; ++step) world.Step();
    hash = world.h.controller->speculative().hash().ToString();
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

}  // namespace
}  // namespace quorate
