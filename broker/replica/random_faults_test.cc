// Random faults against a three-replica partition: what was acknowledged stays, replicas agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "broker/replica/testing/replica_cluster.h"

namespace quorate::testing {
namespace {

// One run: faults that the promise covers (one machine down at a time, power lost or not), any
// number of slow disks, cut cables and leader changes.
class RandomRun {
 public:
  RandomRun(uint64_t seed, BugSwitches bugs) : random_(seed), cluster_(3, bugs) {
    id_ = cluster_.MakeTopic("t", {1, 2, 3}, {{"min.insync.replicas", "2"}});
  }

  // The first broken invariant, or "".
  std::string Go(int steps) {
    for (int i = 0; i < steps; ++i) {
      Step();
      Note();
      if (!error_.empty()) return error_;
    }
    Heal();
    return Check();
  }

 private:
  int Leader() const { return cluster_.image().FindPartition(id_)->leader.value(); }
  bool Up(int broker) { return cluster_.broker(broker).replicas != nullptr; }

  void Step() {
    const int broker = static_cast<int>(random_.Between(1, 3));
    switch (random_.Below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        Produce();
        break;
      case 5:
        if (down_ != 0) break;
        down_ = broker;
        cluster_.Crash(broker, random_.Chance(0.5));
        cluster_.hub().cut.erase("host" + std::to_string(broker));
        if (random_.Chance(0.7)) cluster_.Fence(broker);
        break;
      case 6:
      case 7:
        Restart();
        break;
      case 8:
        if (Up(broker)) cluster_.broker(broker).pool->held = true;
        break;
      case 9:
        if (Up(broker)) cluster_.broker(broker).pool->Release();
        break;
      case 10:
        ChangeLeader(broker);
        break;
      case 11: {
        const std::string host = "host" + std::to_string(broker);
        if (!cluster_.hub().cut.insert(host).second) cluster_.hub().cut.erase(host);
        break;
      }
      case 12:
        cluster_.broker(broker).deaf = !cluster_.broker(broker).deaf;
        if (!cluster_.broker(broker).deaf && Up(broker)) cluster_.Tell(broker);
        break;
      case 13:
        cluster_.Run(std::chrono::seconds(random_.Between(1, 40)));
        break;
    }
    cluster_.Run(std::chrono::milliseconds(random_.Below(30)));
  }

  void Produce() {
    const int leader = Leader();
    if (leader < 1 || !Up(leader)) return;
    const std::string value = std::to_string(++values_);
    const int acks = random_.Chance(0.8) ? -1 : 1;
    auto produced = cluster_.Produce(leader, id_, value, acks);
    if (acks == -1) waiting_.emplace_back(value, produced);
  }

  // A restart is a new registration: the controller has fenced the old one.
  void Restart() {
    if (down_ == 0) return;
    const int broker = std::exchange(down_, 0);
    cluster_.Fence(broker);
    cluster_.broker(broker).deaf = false;
    cluster_.Restart(broker);
  }

  void ChangeLeader(int to) {
    const PartitionState* state = cluster_.image().FindPartition(id_);
    if (!Contains(state->isr, NodeId(to)) || to == down_) return;
    if (state->isr.size() == 3) cluster_.Commit({IsrRecord(id_.topic_id, 0, {1, 2, 3}, to)});
  }

  void Note() {
    for (auto& [value, produced] : waiting_) {
      if (!produced->outcome.has_value() || !produced->outcome->status.ok()) continue;
      acknowledged_.insert(value);
      value.clear();
    }
    std::erase_if(waiting_, [](const auto& one) { return one.first.empty(); });
  }

  void Heal() {
    cluster_.hub().cut.clear();
    for (int broker : {1, 2, 3}) {
      cluster_.broker(broker).deaf = false;
      if (!Up(broker)) continue;
      cluster_.broker(broker).pool->Release();
      cluster_.Tell(broker);
    }
    Restart();
    cluster_.Run(std::chrono::seconds(120));
    Produce();
    cluster_.Run(std::chrono::seconds(5));
    Note();
  }

  std::string Check() {
    const PartitionState* state = cluster_.image().FindPartition(id_);
    if (state->isr.size() != 3) {
      return "the ISR has " + std::to_string(state->isr.size()) + " members after healing";
    }
    const std::vector<std::string> values = cluster_.Values(Leader(), id_);
    for (int broker : {1, 2, 3}) {
      if (cluster_.Values(broker, id_) != values) {
        return "broker " + std::to_string(broker) + " disagrees";
      }
      if (cluster_.Positions(broker, id_).high_watermark.value() !=
          static_cast<int64_t>(values.size())) {
        return "broker " + std::to_string(broker) + " has not the whole high watermark";
      }
    }
    for (const std::string& value : acknowledged_) {
      if (std::find(values.begin(), values.end(), value) == values.end()) {
        return "acknowledged value " + value + " is lost";
      }
    }
    if (!waiting_.empty()) {
      for (const auto& [value, produced] : waiting_) {
        if (!produced->outcome.has_value() && !crashed_) return "an append is never answered";
      }
    }
    return "";
  }

  SeededRandom random_;
  ReplicaCluster cluster_;
  TopicPartition id_;
  int down_ = 0;
  int values_ = 0;
  const bool crashed_ = true;  // appends of a crashed broker get no answer
  std::vector<std::pair<std::string, std::shared_ptr<ReplicaCluster::Produced>>> waiting_;
  std::set<std::string> acknowledged_;
  std::string error_;
};

TEST(RandomFaultsTest, AcknowledgedRecordsStayAndReplicasAgree) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const std::string error = RandomRun(seed, {}).Go(80);
    ASSERT_EQ(error, "") << "seed " << seed;
  }
}

// Whether some run finds the bug; says which.
bool Killed(BugSwitches bugs) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    const std::string error = RandomRun(seed, bugs).Go(80);
    if (error.empty()) continue;
    ::testing::Test::RecordProperty("killed_by", std::to_string(seed) + ": " + error);
    return true;
  }
  return false;
}

TEST(RandomFaultsTest, TheMutantAckBeforeIsrIsFound) {
  BugSwitches bugs;
  bugs.ack_before_isr = true;
  EXPECT_TRUE(Killed(bugs));
}

TEST(RandomFaultsTest, TheMutantTruncateToOwnHighWatermarkIsFound) {
  BugSwitches bugs;
  bugs.truncate_to_own_high_watermark = true;
  EXPECT_TRUE(Killed(bugs));
}

}  // namespace
}  // namespace quorate::testing
