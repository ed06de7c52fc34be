#include "cli/node/server.h"

#include <glog/logging.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_blocking_pool.h"
#include "base/posix/posix_clock.h"
#include "base/posix/posix_network.h"
#include "base/posix/posix_random.h"
#include "base/status_macros.h"
#include "cli/node/node.h"
#include "cli/node/node_directory.h"
#include "cli/node/stop_signal.h"
#include "proto/rpc/grpc_rpc.h"
#include "storage/rocksdb_state_store.h"

namespace quorate {
namespace {

constexpr int kPoolThreads = 4;
constexpr int kShutdownTimeoutMs = 60000;

// Runs a task on a loop and waits for its result.
absl::Status RunOn(EventLoop* loop, absl::AnyInvocable<absl::Status()> work) {
  std::mutex mu;
  std::condition_variable changed;
  bool done = false;
  absl::Status result;
  loop->Post([&] {
    absl::Status status = work();
    const std::lock_guard<std::mutex> lock(mu);
    result = std::move(status);
    done = true;
    changed.notify_one();
  });
  std::unique_lock<std::mutex> lock(mu);
  changed.wait(lock, [&] { return done; });
  return result;
}

// As many descriptors as the system grants: each segment and each connection takes one.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<std::string> AllDirectories(const ServerConfig& config) {
  std::vector<std::string> directories = config.log_dirs;
  for (const std::string& directory : directories) {
    if (directory == config.metadata_log_dir) return directories;
  }
  directories.push_back(config.metadata_log_dir);
  return directories;
}

// Everything a running server owns, in order of dependence.
class Server {
 public:
  Server(const ServerConfig& config, FileSystem& files, const NodeIdentity& identity,
         StopSignal& stop)
      : control_("control", &clock_),
        data_("data", &clock_),
        pool_(kPoolThreads, "pool"),
        network_(data_.loop(), &pool_),
        rpc_server_(NewGrpcRpcServer()),
        rpc_client_(NewGrpcRpcClient()),
        node_(Seams(files, stop), config, identity) {}

  ~Server() {
    rpc_server_->Stop();
    control_.StopAndJoin();
    data_.StopAndJoin();
  }

  absl::Status Start() {
    control_.Start();
    data_.Start();
    Q_RETURN_IF_ERROR(RunOn(control_.loop(), [this] { return node_.StartControl(); }));
    return RunOn(data_.loop(), [this] { return node_.StartData(); });
  }

  // Shuts the node down; false if that takes too long.
  bool Shutdown() {
    auto finished = std::make_shared<StopSignal>(StopSignal::Kind::kInternal);
    control_.loop()->Post([this, finished] { node_.Shutdown([finished] { finished->Notify(); }); });
    return finished->Wait(kShutdownTimeoutMs);
  }

 private:
  NodeSeams Seams(FileSystem& files, StopSignal& stop) {
    NodeSeams seams;
    seams.control_loop = control_.loop();
    seams.data_loop = data_.loop();
    seams.pool = &pool_;
    seams.files = &files;
    seams.data_network = &network_;
    seams.rpc_server = rpc_server_.get();
    seams.rpc_client = rpc_client_.get();
    seams.state_stores = &state_stores_;
    seams.control_random = &control_random_;
    seams.data_random = &data_random_;
    seams.on_fatal = [&stop](const absl::Status& why) { stop.Fail(why); };
    return seams;
  }

  PosixClock clock_;
  PosixRandom control_random_;
  PosixRandom data_random_;
  LoopThread control_;
  LoopThread data_;
  PosixBlockingPool pool_;
  PosixNetwork network_;
  std::unique_ptr<RpcServer> rpc_server_;
  std::unique_ptr<RpcClient> rpc_client_;
  RocksDbStateStores state_stores_;
  Node node_;
};

}  // namespace

absl::Status RunServer(const ServerConfig& config, FileSystem& files) {
  StopSignal stop(StopSignal::Kind::kProcess);
  FLAGS_logtostderr = true;
  google::InitGoogleLogging("quorate");
  RaiseFileLimit();
  const std::vector<std::string> directories = AllDirectories(config);
  Q_ASSIGN_OR_RETURN(const NodeIdentity identity,
                     CheckDirectories(files, directories, config.node_id));
  Q_ASSIGN_OR_RETURN(const auto locks, LockDirectories(files, directories));
  LOG(INFO) << "node " << config.node_id << " of cluster " << identity.cluster_id << " starts, "
            << (config.is_controller ? "controller" : "")
            << (config.is_controller && config.is_broker ? " and " : "")
            << (config.is_broker ? "broker" : "");
  Server server(config, files, identity, stop);
  Q_RETURN_IF_ERROR(server.Start());
  stop.Wait(-1);
  if (absl::Status failure = stop.failure(); !failure.ok()) {
    LOG(ERROR) << "leaving at once: " << failure;
    // The disk or the metadata cannot be trusted: nothing more may be written.
    google::FlushLogFiles(google::INFO);
    std::_Exit(1);
  }
  LOG(INFO) << "stopping";
  if (!server.Shutdown()) {
    return absl::DeadlineExceededError(
        absl::StrFormat("not stopped within %d s; leaving anyway", kShutdownTimeoutMs / 1000));
  }
  LOG(INFO) << "stopped";
  return absl::OkStatus();
}

}  // namespace quorate
