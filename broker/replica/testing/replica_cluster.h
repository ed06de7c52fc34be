// broker/replica/testing/replica_cluster.h
//
// ReplicaCluster runs the replica managers of several brokers on one TestLoop, over in-memory
// disks and streams, with a controller that commits at once what it is asked for.
//
// Time moves only with Run.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/replica/fetch_session.h"
#include "broker/replica/replica_manager.h"
#include "broker/replica/replica_manager_impl.h"
#include "broker/replica/testing/pipe_network.h"
#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "storage/testing/memory_file_system.h"

namespace quorate::testing {

// Runs work as tasks, unless it is held.
class HeldPool final : public BlockingPool {
 public:
  explicit HeldPool(TestLoop* loop) : loop_(loop) {}
  void Run(Task work) override {
    if (held) {
      waiting_.push_back(std::move(work));
    } else {
      loop_->Post(std::move(work));
    }
  }
  void Release() {
    held = false;
    while (!waiting_.empty()) {
      loop_->Post(std::move(waiting_.front()));
      waiting_.pop_front();
    }
  }
  // A crash: what waited never runs.
  void Forget() { waiting_.clear(); }
  size_t waiting() const { return waiting_.size(); }
  bool held = false;

 private:
  TestLoop* const loop_;
  std::deque<Task> waiting_;
};

class ReplicaServer;

class ReplicaCluster {
 public:
  struct Broker {
    int id = 0;
    int64_t epoch = 0;
    MemoryFileSystem files;
    std::unique_ptr<HeldPool> pool;
    std::unique_ptr<PipeNetwork> network;
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<IsrUpdater> isr_updater;
    std::unique_ptr<ReplicaManager> replicas;
    std::unique_ptr<ReplicaServer> server;
    ImagePtr applied;
    bool deaf = false;  // does not hear of new images
    BrokerEpoch previous_epoch = kNoBrokerEpoch;
    std::vector<std::string> failed_directories;
  };

  // Brokers 1..n, registered and unfenced.
  explicit ReplicaCluster(int brokers, BugSwitches bugs = {});
  ~ReplicaCluster();

  TestLoop& loop() { return loop_; }
  Broker& broker(int id) { return *brokers_.at(id); }
  ReplicaManager& replicas(int id) { return *broker(id).replicas; }
  PipeHub& hub() { return hub_; }
  const MetadataImage& image() const { return *image_; }

  // Replays the records and tells all brokers that listen.
  void Commit(const std::vector<std::string>& records);
  // Gives a broker the latest image.
  void Tell(int id);
  // One partition, all in the ISR, the first leads.
  TopicPartition MakeTopic(const std::string& name, std::initializer_list<int> replicas,
                           const std::map<std::string, std::string>& configs = {});
  void Run(Micros time = std::chrono::milliseconds(50)) { loop_.Advance(time); }

  // The process of a broker ends without warning. `power`: what was not synced is lost.
  void Crash(int id, bool power = false);
  // Its controller fences it: out of the ISR (unless last), leadership moves to the next of it.
  void Fence(int id);
  // Starts it again, registers a new epoch.
  void Restart(int id);
  void StopCleanly(int id);

  // Appends a batch of one record with this value; the outcome appears when it is there.
  struct Produced {
    std::optional<AppendOutcome> outcome;
  };
  std::shared_ptr<Produced> Produce(int broker, const TopicPartition& id, const std::string& value,
                                    int acks = -1);
  // Values of all records of a replica in [log start, upper); upper kNoOffset: log end.
  std::vector<std::string> Values(int broker, const TopicPartition& id, Offset upper = kNoOffset);
  PartitionPositions Positions(int broker, const TopicPartition& id);
  Partition* partition(int broker, const TopicPartition& id);

  // What the controller does with proposals.
  enum class IsrMode { kCommit, kHold, kRefuse, kLoseReply };
  IsrMode isr_mode = IsrMode::kCommit;
  std::vector<IsrProposal> proposals;  // all that came

 private:
  friend class ClusterIsrUpdater;
  void HandleProposal(const IsrProposal& proposal, IsrUpdater::Done done);
  void Boot(Broker* broker);

  TestLoop loop_;
  PipeHub hub_;
  const BugSwitches bugs_;
  ImagePtr image_;
  int topics_ = 0;
  std::map<int, std::unique_ptr<Broker>> brokers_;
};

std::string OneRecordBatch(const std::string& value, WallMillis timestamp);

}  // namespace quorate::testing
