// tests/sim/cluster/sim_node.h
//
// SimNode: one machine of the cluster with its disk. It runs the production node (cli/node) over
// the simulated world, one process after the other; all loops of a process are one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "cli/config/server_config.h"
#include "cli/node/node.h"
#include "controller/image/image_store.h"
#include "raft/core/voter_set.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_network.h"
#include "tests/sim/world/sim_pool.h"
#include "tests/sim/world/sim_rpc.h"
#include "tests/sim/world/sim_state_store.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// What all nodes of a run share.
struct Surroundings {
  World& world;
  Internet& internet;
  RpcExchange& exchange;
  const Scenario& scenario;
  Verdict& verdict;
  RunLog& log;
};

std::string HostOf(NodeId node);

class SimNode {
 public:
  SimNode(const Surroundings& surroundings, NodeId id);
  ~SimNode();
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  enum class End {
    kProcess,        // kill -9: the page cache survives
    kMachine,        // power cut; peers notice when their patience ends
    kMachineNoticed  // power cut; peers notice at once, as by a reboot
  };

  // All of these are called from outside of the node's own events.
  void Start();
  void Crash(End end);
  // Shuts down in order, then stays down; crashes if that takes longer than `patience`.
  void ShutDown(Micros patience);
  // Starts, after `delay`, unless it is up by then.
  void StartLater(Micros delay);
  // The machine will crash after `changes` more changes of its disk, wherever that is.
  void CrashInWrite(int64_t changes, End end);
  // The process, or its machine, dies at this very point of its running event.
  // REQUIRES: called inside an event of the node.
  void DieHere(End end);
  // The next `count` reads of files fail, or all if negative, until 0 is set. The process may give
  // up because of it.
  void FailReads(int count);
  // The next sync of a file fails. The process gives up because of it and is started again.
  void FailNextSync();
  void SlowDown(PoolLatency latency);
  // Writes fail for lack of space. The process may give up because of it.
  void SetDiskFull(bool full);
  void HealDisk();
  // The disk of the partitions is replaced by an empty one; the metadata log and the vote have a
  // disk of their own. REQUIRES: !up(), Scenario::two_disks.
  void ReplaceDataDisk();
  // Keeps a copy of the data disk as it is now, in place of an older one.
  void BackUpDataDisk() { backup_ = disk_.Copy(kDirectory); }
  bool has_backup() const { return backup_.has_value(); }
  // The data disk is put back as it was at the last backup. REQUIRES: !up(), has_backup(),
  // Scenario::two_disks.
  void RestoreDataDisk() {
    disk_.Replace(kDirectory, *backup_);
    if (on_wipe) on_wipe(*this);
  }
  // The disk of the metadata log and the vote is empty. With configured voters nobody formats it,
  // and the node must refuse to start from now on; else it is formatted and comes back as another
  // replica. REQUIRES: !up(), Scenario::two_disks.
  void WipeMetadata();
  // From now on the node may give up or refuse to start: the promise does not cover what happens.
  void ExpectHalt() { may_halt_ = true; }
  // Syncs return and nothing is on disk, until the disk is healed.
  void LieAboutSyncs() { disk_.faults().lying_syncs = true; }
  // Exchanges the data directories with another node's and starts both: each must refuse to run on
  // what is not its own, and leave it as it is. Then all is put back. REQUIRES: both are down.
  void TryWithDirectoryOf(SimNode& other);
  // Flips a bit of a file whose name ends with one of `suffixes`; says where, or "".
  std::string FlipBit(const std::vector<std::string>& suffixes, Random& random) {
    return disk_.FlipBit(kDirectory, suffixes, random);
  }
  // Its clock runs `ppm` millionths fast or slow; nothing happens while it is down.
  void SetClockDrift(int64_t ppm);
  // The same for the disk of the metadata log and the vote: the node comes back as another replica.
  // REQUIRES: !up(), Scenario::dynamic_voters.
  void ReplaceMetadataDisk();
  // SIGSTOP and SIGCONT; nothing happens while it is down.
  void Pause();
  void Resume();
  bool paused() const { return up() && running_->process.paused(); }
  // A pause lasts: peers give up its calls.
  void TellPeersOfHang(RpcExchange& exchange);
  // Somebody sets the machine's wall clock, to at most half an hour from right: a broker refuses
  // records of an hour ahead. Nothing happens while it is down.
  void JumpClock(Millis by);

  // Called when a process that had started ends, before anything of it is gone; may be empty.
  std::function<void(SimNode&)> before_end;
  // Called when the data disk is replaced; may be empty.
  std::function<void(SimNode&)> on_wipe;
  // Runs `task` now, as an event of the process. REQUIRES: up().
  void Do(const std::function<void()>& task);

  bool up() const { return running_ != nullptr; }
  // Up, and its start is over.
  bool started() const { return up() && running_->started && running_->node->broker() != nullptr; }
  bool stopping() const { return stopping_; }
  // A fault that will end the process is under way.
  bool doomed() const {
    return stopping_ || failure_expected_ || disk_.faults().changes_until_death >= 0 ||
           disk_.faults().failing_reads != 0;
  }
  // The process that ends did so in the middle of an event: what it was writing may be there.
  bool died_in_write() const { return died_in_write_; }
  NodeId id() const { return id_; }
  const std::string& host() const { return host_; }
  uint64_t incarnation() const { return incarnation_; }
  // What the metadata log had flushed when the latest process ended.
  int64_t last_durable_end() const { return last_durable_end_; }
  // The same for the disks of the metadata log that were replaced, the longest.
  int64_t lost_durable_end() const { return lost_durable_end_; }
  // The replica of the metadata log that this node is, or was when its latest process ended.
  const raft::ReplicaKey& replica_key() const { return replica_key_; }
  // The voters by its log, likewise.
  const raft::VoterSet& voters() const;
  // By all processes so far but the one that runs.
  int64_t snapshots_taken() const { return snapshots_taken_; }
  int64_t snapshots_installed() const { return snapshots_installed_; }
  // How often the process could not start, or gave up, for lack of space.
  uint64_t ended_by_full_disk() const { return ended_by_full_disk_; }
  // Starts by what was found in the store of the metadata image; see ImageStore::Found.
  const std::map<ImageStore::Found, uint64_t>& image_loads() const { return image_loads_; }
  // Some of its partitions are offline until it is started again, after errors of its disk.
  bool NeedsRestart();
  // nullptr while it is down.
  const Process* process() const { return up() ? &running_->process : nullptr; }
  // REQUIRES: up().
  Process& live_process() { return running_->process; }
  RaftNode& raft() { return running_->node->raft(); }
  Broker& broker() { return *running_->node->broker(); }
  bool IsActiveController() const;
  const SimDisk& disk() const { return disk_; }
  SimDisk& disk() { return disk_; }
  static constexpr char kDirectory[] = "/data";

 private:
  // One process; destroyed from the bottom up.
  struct Running {
    Running(SimNode& node, Process& process);
    absl::Status Start(SimNode& node);

    Process& process;
    SimFileSystem files;
    SimPool pool;
    SimNetwork network;
    SimRpcServer rpc_server;
    SimRpcClient rpc_client;
    SimStateStores state_stores;
    std::vector<std::unique_ptr<FileLock>> locks;
    std::unique_ptr<Node> node;
    bool started = false;  // Start was OK
  };

  std::string Properties() const;
  void NoteImageLoad();
  // Whether a start on a directory that is not its own is refused; says why not if it is not.
  std::string RefusesToStart();
  void OnFatal(uint64_t incarnation, const absl::Status& why);

  const Surroundings around_;
  const NodeId id_;
  const std::string host_;
  SimDisk disk_;
  PoolLatency pool_latency_;
  std::vector<std::unique_ptr<Process>> processes_;  // of all times, the running one last
  std::unique_ptr<Running> running_;
  uint64_t incarnation_ = 0;
  int64_t last_durable_end_ = 0;
  raft::ReplicaKey replica_key_;
  raft::VoterSet last_voters_;
  int metadata_disk_ = 0;  // how often it was replaced
  int64_t lost_durable_end_ = 0;
  int64_t snapshots_taken_ = 0;
  int64_t snapshots_installed_ = 0;
  Millis clock_jumped_{0};  // together, of this process
  uint64_t ended_by_full_disk_ = 0;
  std::map<ImageStore::Found, uint64_t> image_loads_;
  bool died_in_write_ = false;
  bool stopping_ = false;          // ShutDown is under way
  bool failure_expected_ = false;  // a fault was injected that ends the process
  bool may_halt_ = false;          // ExpectHalt
  bool metadata_wiped_ = false;    // WipeMetadata, and not formatted
  std::optional<SimDisk::Tree> backup_;
};

}  // namespace quorate::sim
