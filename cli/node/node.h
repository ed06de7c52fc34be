// cli/node/node.h
//
// Node puts a server together: Raft node, image loader, quorum controller (on a controller),
// broker with its group coordinator (on a broker), over the seams it is given. The real server
// (server.cc) gives it threads and sockets, the simulator simulated ones.
//
//   RaftNode --committed batches--> ImageLoader --image, delta--> Broker
//      ^                 |                 \-----------> ImageStore
//      |                 \--------> QuorumController
//      +---- proposals -------------------+   ^ Controller.* calls of all brokers
//
// Two loops: control (Raft, loader, controller) and data (broker). They may be the same one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/network.h"
#include "base/random.h"
#include "base/rpc.h"
#include "base/state_store.h"
#include "broker/replica/bug_switches.h"
#include "cli/config/server_config.h"
#include "cli/node/node_directory.h"
#include "controller/bug_switches.h"
#include "raft/core/bug_switches.h"

namespace quorate {

class Broker;
class ImageStore;
class RaftNode;

// What a node stands on; all outlive it.
struct NodeSeams {
  EventLoop* control_loop = nullptr;
  EventLoop* data_loop = nullptr;
  BlockingPool* pool = nullptr;
  FileSystem* files = nullptr;
  Network* data_network = nullptr;  // of data_loop
  RpcServer* rpc_server = nullptr;  // not started
  RpcClient* rpc_client = nullptr;
  StateStores* state_stores = nullptr;  // of the metadata image
  // See ImageStoreOptions.
  Micros image_store_delay = Millis(200);
  Random* control_random = nullptr;
  Random* data_random = nullptr;
  // The node cannot go on (failed fsync, damaged metadata log): the process has to end. May be
  // called from either loop, once or more.
  std::function<void(const absl::Status& why)> on_fatal;
  // For simulated mistakes only.
  raft::BugSwitches raft_bugs;
  BugSwitches broker_bugs;
  ControllerBugSwitches controller_bugs;
};

class Node {
 public:
  // The directory of the stored metadata image, beside the metadata log. It may be deleted while
  // the node is down.
  static constexpr std::string_view kImageStoreName = "__metadata_image";

  // `identity` is that of the config's directories, which are locked by the caller.
  Node(const NodeSeams& seams, const ServerConfig& config, const NodeIdentity& identity);
  // REQUIRES: the loops have stopped, or this is their one loop.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Opens the metadata log, loads the image that is stored, and begins: on the control loop, before
  // or while it runs. What fails later comes through on_fatal. BLOCKS: recovery of the metadata
  // log, reading the image. ERRORS: kDataLoss naming file and position; as Network::Listen; nothing
  // runs then.
  absl::Status StartControl();
  // Begins the broker's part, if there is one: on the data loop.
  absl::Status StartData();

  // In order: the broker hands over its leaderships and closes its logs, then Raft resigns, then
  // the image is stored. Call on the control loop; `done` runs there.
  void Shutdown(Task done);

  // nullptr on a node that is no broker.
  Broker* broker() { return broker_.get(); }
  RaftNode& raft() { return *raft_; }
  const ImageStore& image_store() const { return *image_store_; }

 private:
  class Bridge;

  const NodeSeams seams_;
  const ServerConfig config_;
  const NodeIdentity identity_;
  std::unique_ptr<RaftNode> raft_;
  std::unique_ptr<ImageStore> image_store_;
  std::unique_ptr<Bridge> bridge_;  // loader, controller, leader hint
  std::unique_ptr<Broker> broker_;
};

}  // namespace quorate
