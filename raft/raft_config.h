// raft/raft_config.h
//
// What a RaftNode is told: who it is, where the voters are, how long it waits, and what the world
// around it is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/blocking_pool.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/random.h"
#include "base/rpc.h"
#include "base/uuid.h"
#include "raft/core/bug_switches.h"
#include "raft/snapshot_store.h"
#include "storage/bug_switches.h"

namespace quorate {

// Where a voter is reached. A zero directory id stands for any disk.
struct RaftVoter {
  Endpoint endpoint;
  Uuid directory_id;
};

struct RaftConfig {
  NodeId node_id = kNoNode;
  Uuid directory_id;  // of the metadata directory; not zero
  std::string cluster_id;
  // The voters where neither the log nor `quorate format` names any (controller.quorum.voters); all
  // nodes are told the same. Empty: the quorum decides who votes (KIP-853).
  std::map<NodeId, RaftVoter> voters;
  // Where to ask who leads while no voter is known or none answers; voters or not.
  std::vector<Endpoint> bootstrap_servers;
  // May vote; else an observer for ever. Must agree with `voters` if there are any.
  bool is_controller = false;
  // Where the others reach this controller; a voter has its entry put right by itself.
  Endpoint endpoint;
  // A controller that does not vote has itself added, once it has caught up, unless an operator
  // removed it (scenario D5).
  bool auto_join = false;
  std::string metadata_directory;  // holds __cluster_metadata-0/

  // As in raft/core/core_config.h. With these a crashed leader is replaced within about 100 ms (its
  // streams break), a hung one within about 1.5 s.
  Micros election_timeout = Millis(300);
  Micros fetch_timeout = Millis(1000);
  Micros check_quorum_timeout = Millis(1000);
  Micros fetch_wait = Millis(500);

  // Largest batch of records, encoded, in bytes; also what one fetch asks for.
  int32_t max_batch_bytes = 1 << 20;
  int64_t segment_bytes = 1 << 30;

  // A snapshot is taken when the log grew by so many bytes of records since the last one, or if so
  // much time passed and it grew at all; Micros::max(): never for the time alone. And what is kept
  // of the log and of older snapshots.
  int64_t snapshot_bytes = 20 << 20;
  Micros snapshot_interval = std::chrono::hours(1);
  SnapshotRetention snapshot_retention;
  // Largest piece of a snapshot in one answer, in bytes.
  int32_t snapshot_piece_bytes = 1 << 20;
  // The newest state there is, or null. Called on the loop; null: no snapshots are taken.
  std::function<std::shared_ptr<const SnapshotState>()> snapshot_state;

  // Called once, on the loop, from a task of its own, when the log or the state file failed: the
  // node has stopped and must go (a failed fsync is never retried).
  std::function<void(const absl::Status&)> on_fatal;

  raft::BugSwitches bugs;  // tests only
  StorageBugSwitches storage_bugs;
};

// The world of a RaftNode; everything outlives it. `random` belongs to `loop`.
struct RaftEnvironment {
  EventLoop* loop = nullptr;
  BlockingPool* pool = nullptr;
  FileSystem* file_system = nullptr;
  RpcServer* server = nullptr;  // not started yet
  RpcClient* client = nullptr;
  Random* random = nullptr;
};

}  // namespace quorate
