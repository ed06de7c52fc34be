// tests/sim/elections/quorum_node.h
//
// QuorumNode: one voter of a metadata quorum on a machine of its own: the production RaftNode over
// the simulated world, one process after the other, and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "raft/raft_node.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_pool.h"
#include "tests/sim/world/sim_rpc.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// Hears what the node of this number and incarnation commits.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommitted(int32_t node, uint64_t incarnation, const MetadataBatch& batch) = 0;
  virtual void OnSnapshot(int32_t node, uint64_t incarnation, const MetadataSnapshot& snapshot) = 0;
  // All that it has heard, as a snapshot would have it; null if that is nothing.
  virtual std::shared_ptr<const SnapshotState> StateOf(int32_t node, uint64_t incarnation) = 0;
  // The node gave up or could not start, and no fault explains that.
  virtual void OnUnexpectedEnd(int32_t node, const absl::Status& why) = 0;
};

class QuorumNode {
 public:
  struct Surroundings {
    World& world;
    RpcExchange& exchange;
    const Scenario& scenario;
    RunLog& log;
    CommitListener& listener;
  };

  QuorumNode(const Surroundings& surroundings, int32_t id);
  ~QuorumNode();
  QuorumNode(const QuorumNode&) = delete;
  QuorumNode& operator=(const QuorumNode&) = delete;

  void Start();
  // `power`: unsynced pages and names may go, and peers notice late.
  void Crash(bool power);
  void StartLater(Micros delay);
  // The machine loses power after so many more changes of its disk.
  void CrashInWrite(int64_t changes, Micros restart_delay);
  void ShutDown(Micros restart_delay);
  void SlowDown(PoolLatency latency);
  void Pause();
  void Resume();
  // No disk fault is under way from now on.
  void HealDisk();

  bool up() const { return running_ != nullptr; }
  int32_t id() const { return id_; }
  const std::string& host() const { return host_; }
  std::string log_directory() const;
  uint64_t incarnation() const { return incarnation_; }
  // What was flushed when the latest process ended.
  int64_t last_durable_end() const { return last_durable_end_; }
  // REQUIRES: up().
  RaftNode& raft() { return *running_->raft; }
  Process& process() { return running_->process; }
  const SimDisk& disk() const { return disk_; }

 private:
  // One process; destroyed from the bottom up.
  struct Running final : MetadataListener {
    Running(QuorumNode& node, Process& process);
    absl::Status Start();
    void OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) override;
    void OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) override {
      owner.around_.listener.OnSnapshot(owner.id_, incarnation, *snapshot);
    }
    void OnLeaderChange(const QuorumLeader&) override {}
    void OnBecomeActive(Term) override {}

    QuorumNode& owner;
    Process& process;
    const uint64_t incarnation;
    SimFileSystem files;
    SimPool pool;
    SimRpcServer rpc_server;
    SimRpcClient rpc_client;
    std::unique_ptr<RaftNode> raft;
  };

  RaftConfig Config() const;

  const Surroundings around_;
  const int32_t id_;
  const std::string host_;
  SimDisk disk_;
  PoolLatency latency_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::unique_ptr<Running> running_;
  uint64_t incarnation_ = 0;
  int64_t last_durable_end_ = 0;
  bool stopping_ = false;
};

}  // namespace quorate::sim
