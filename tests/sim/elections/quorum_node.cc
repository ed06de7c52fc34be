#include "tests/sim/elections/quorum_node.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace quorate::sim {
namespace {

constexpr char kDirectory[] = "/metadata";
constexpr int kPort = 9093;

std::string HostName(int32_t id) { return "node" + std::to_string(id); }

}  // namespace

QuorumNode::QuorumNode(const Surroundings& surroundings, int32_t id)
    : around_(surroundings),
      id_(id),
      host_(HostName(id)),
      disk_(surroundings.world.random()),
      latency_(surroundings.scenario.pool) {}

QuorumNode::~QuorumNode() { Crash(false); }

std::string QuorumNode::log_directory() const {
  return std::string(kDirectory) + "/__cluster_metadata-0";
}

// Short timeouts and small batches: a lot happens in a second, and a fetch brings one batch.
RaftConfig QuorumNode::Config() const {
  RaftConfig config;
  config.node_id = NodeId(id_);
  config.directory_id = Uuid({static_cast<uint8_t>(id_), 1});
  config.cluster_id = "simulated";
  for (int32_t i = 1; i <= around_.scenario.nodes; ++i) {
    config.voters[NodeId(i)] = {{HostName(i), kPort}, Uuid()};
  }
  config.is_controller = true;
  config.metadata_directory = kDirectory;
  config.election_timeout = Millis(50);
  config.fetch_timeout = Millis(120);
  config.check_quorum_timeout = Millis(120);
  config.fetch_wait = Millis(40);
  config.max_batch_bytes = 1024;
  config.segment_bytes = 8192;
  if (around_.scenario.snapshot_bytes > 0) {
    config.snapshot_bytes = around_.scenario.snapshot_bytes;
    config.snapshot_piece_bytes = static_cast<int32_t>(around_.scenario.snapshot_piece_bytes);
    config.snapshot_retention.bytes = 0;
    config.snapshot_state = [this, incarnation = incarnation_] {
      return around_.listener.StateOf(id_, incarnation);
    };
  }
  config.bugs = around_.scenario.raft_bugs;
  config.storage_bugs = around_.scenario.broker_bugs.storage;
  return config;
}

QuorumNode::Running::Running(QuorumNode& node, Process& its_process)
    : owner(node),
      process(its_process),
      incarnation(node.incarnation_),
      files(node.disk_),
      pool(its_process, node.latency_),
      rpc_server(node.around_.exchange, its_process),
      rpc_client(node.around_.exchange, its_process) {}

absl::Status QuorumNode::Running::Start() {
  Q_RETURN_IF_ERROR(files.CreateDirectories(kDirectory));
  RaftConfig config = owner.Config();
  config.on_fatal = [node = &owner, number = incarnation](const absl::Status& why) {
    if (!node->up() || node->incarnation_ != number || node->stopping_) return;
    if (node->disk_.faults().changes_until_death < 0) {
      node->around_.listener.OnUnexpectedEnd(node->id_, why);
    }
  };
  Q_ASSIGN_OR_RETURN(raft, RaftNode::Open(config, {&process.loop(), &pool, &files, &rpc_server,
                                                   &rpc_client, &process.random()}));
  raft->AddListener(this);
  Q_RETURN_IF_ERROR(rpc_server.Start({owner.host_, kPort}));
  raft->Start();
  return absl::OkStatus();
}

void QuorumNode::Running::OnCommit(
    const std::vector<std::shared_ptr<const MetadataBatch>>& batches) {
  for (const auto& batch : batches) {
    owner.around_.listener.OnCommitted(owner.id_, incarnation, *batch);
  }
}

void QuorumNode::Start() {
  if (up()) return;
  ++incarnation_;
  World& world = around_.world;
  processes_.push_back(std::make_unique<Process>(world, host_, world.random().Next()));
  Process& process = *processes_.back();
  running_ = std::make_unique<Running>(*this, process);
  absl::Status status;
  world.RunAs(process, [&] { status = running_->Start(); });
  if (!process.alive()) return;  // its disk ended it
  if (status.ok()) {
    around_.log.Node(id_, host_ + " started");
  } else {
    around_.listener.OnUnexpectedEnd(id_, status);
    running_->raft.reset();
    Crash(false);
  }
}

void QuorumNode::Crash(bool power) {
  if (!up()) return;
  stopping_ = false;
  disk_.faults().changes_until_death = -1;
  if (running_->raft != nullptr) {
    last_durable_end_ = running_->raft->core().durable_end().value();
  }
  Process& process = running_->process;
  around_.world.RunAs(process, [&] {
    process.Kill(/*silently=*/power);
    if (power) {
      disk_.Crash();
    } else {
      disk_.ProcessDied();
    }
    running_.reset();
  });
}

void QuorumNode::StartLater(Micros delay) {
  around_.world.ScheduleIn(delay, nullptr, [this] { Start(); });
}

void QuorumNode::CrashInWrite(int64_t changes, Micros restart_delay) {
  if (!up()) return;
  disk_.faults().changes_until_death = changes;
  disk_.faults().die = [this, restart_delay] {
    running_->process.Freeze(/*silently=*/true);
    around_.world.ScheduleIn(Micros(0), nullptr, [this, restart_delay] {
      around_.log.Node(id_, host_ + " crashed in a write");
      Crash(true);
      StartLater(restart_delay);
    });
  };
}

void QuorumNode::ShutDown(Micros restart_delay) {
  if (!up() || stopping_ || running_->process.paused()) return;
  stopping_ = true;
  const uint64_t incarnation = incarnation_;
  World& world = around_.world;
  world.RunAs(running_->process, [&] {
    running_->raft->Shutdown([this, incarnation, restart_delay] {
      around_.world.ScheduleIn(Micros(0), nullptr, [this, incarnation, restart_delay] {
        if (!up() || incarnation_ != incarnation) return;
        around_.log.Node(id_, host_ + " shut down");
        Crash(false);
        StartLater(restart_delay);
      });
    });
  });
}

void QuorumNode::SlowDown(PoolLatency latency) {
  latency_ = latency;
  if (up()) running_->pool.set_latency(latency);
}

void QuorumNode::Pause() {
  if (up()) running_->process.Pause();
}

void QuorumNode::Resume() {
  if (up()) running_->process.Resume();
}

void QuorumNode::HealDisk() {
  disk_.faults().changes_until_death = -1;
  SlowDown(around_.scenario.pool);
}

}  // namespace quorate::sim
