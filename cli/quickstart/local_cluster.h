// cli/quickstart/local_cluster.h
//
// LocalCluster: a cluster of server processes on this machine's loopback, each controller and
// broker, set up, started, supervised and stopped by one process.
//
// Composition root code, single-threaded.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/network.h"
#include "base/random.h"
#include "cli/quickstart/child_process.h"

namespace quorate {

struct LocalClusterOptions {
  std::string binary;     // path of the quorate binary
  std::string directory;  // holds node-1/ ... ; made if missing, found again if there
  int nodes = 3;          // 1..9
  int port = 9092;        // first client port; node i listens on port + i - 1
  bool restart = true;    // restart a process that dies
};

// A node of the local cluster, ids from 1.
struct LocalNode {
  NodeId id;
  Endpoint client;
  Endpoint controller;
  std::string directory;  // node-<id>
  std::string data_directory;
  std::unique_ptr<ChildProcess> process;
  // Supervision: deaths soon after a start, and when to start again.
  int quick_deaths = 0;
  std::chrono::steady_clock::time_point started;
  std::chrono::steady_clock::time_point start_due;
  bool wanted = false;   // shall run
  bool gave_up = false;  // died too often
};

class LocalCluster {
 public:
  // Writes configuration files and formats directories; what is there already is kept.
  // ERRORS: kInvalidArgument (options), kFailedPrecondition (directory of other nodes), file
  // errors.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Create(const LocalClusterOptions& options,
                                                              FileSystem& files, Random& random);

  // Starts all processes. ERRORS: kAlreadyExists naming a port that is in use.
  absl::Status Start();

  // Reaps processes that died and restarts those that are due. Returns a line for each event.
  std::vector<std::string> Supervise();

  // SIGKILLs one node's process; Supervise restarts it (if restart is on).
  void Kill(NodeId node);

  // SIGTERMs all and waits for each, at most `timeout_ms` together. Returns a line for each that
  // did not stop cleanly.
  std::vector<std::string> Stop(int timeout_ms);

  std::string bootstrap() const;  // "127.0.0.1:9092,127.0.0.1:9093,..."
  const std::string& cluster_id() const { return cluster_id_; }
  const std::vector<LocalNode>& nodes() const { return nodes_; }
  // True while at least one process runs or will be restarted.
  bool alive() const;

 private:
  LocalCluster(const LocalClusterOptions& options, FileSystem& files)
      : options_(options), files_(files) {}
  absl::Status Prepare(Random& random);
  absl::Status WriteConfig(const LocalNode& node);
  absl::Status StartNode(LocalNode& node);
  std::string HandleDeath(LocalNode& node, const std::string& how);

  LocalClusterOptions options_;
  FileSystem& files_;
  std::string cluster_id_;
  std::vector<LocalNode> nodes_;
};

}  // namespace quorate
