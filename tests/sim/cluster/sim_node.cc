#include "tests/sim/cluster/sim_node.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "broker/broker.h"
#include "cli/node/node_directory.h"
#include "raft/raft_node.h"

namespace quorate::sim {
namespace {

constexpr char kMetadataDirectory[] = "/metadata";
constexpr Millis kMaxClockJumped = std::chrono::minutes(30);
// 22 characters, as Kafka's tools make them.
constexpr char kClusterId[] = "c2ltdWxhdGVkLWNsdXN0ZX";

// Of the first disk of a node's metadata log.
Uuid FirstDirectoryOf(NodeId node) { return Uuid({0x5d, static_cast<uint8_t>(node.value())}); }

raft::VoterSet FirstVoters(int nodes) {
  std::map<NodeId, raft::Voter> voters;
  for (int i = 1; i <= nodes; ++i) {
    voters[NodeId(i)] = {FirstDirectoryOf(NodeId(i)), {HostOf(NodeId(i)), 9093}};
  }
  return raft::VoterSet(std::move(voters));
}

}  // namespace

std::string HostOf(NodeId node) { return "node" + std::to_string(node.value()); }

SimNode::SimNode(const Surroundings& surroundings, NodeId id)
    : around_(surroundings),
      id_(id),
      host_(HostOf(id)),
      disk_(surroundings.world.random()),
      pool_latency_(surroundings.scenario.pool) {
  around_.internet.AddHost(host_);
}

SimNode::~SimNode() { Crash(End::kProcess); }

std::string SimNode::Properties() const {
  const bool dynamic = around_.scenario.dynamic_voters;
  std::string voters;
  for (int i = 1; i <= around_.scenario.nodes; ++i) {
    if (i > 1) voters += ",";
    if (!dynamic) voters += std::to_string(i) + "@";
    voters += HostOf(NodeId(i)) + ":9093";
  }
  const char* key = dynamic ? "controller.quorum.bootstrap.servers" : "controller.quorum.voters";
  std::string snapshots;
  if (around_.scenario.snapshot_bytes > 0) {
    snapshots = absl::StrFormat(
        "metadata.log.max.record.bytes.between.snapshots=%d\n"
        "metadata.max.retention.bytes=0\n"
        "quorate.metadata.snapshot.piece.bytes=%d\n",
        around_.scenario.snapshot_bytes, around_.scenario.snapshot_piece_bytes);
  }
  return absl::StrFormat(
             "process.roles=broker,controller\n"
             "node.id=%d\n"
             "listeners=PLAINTEXT://%s:9092,CONTROLLER://%s:9093\n"
             "controller.listener.names=CONTROLLER\n"
             "%s=%s\n"
             "quorate.internal.listener=%s:9094\n"
             "quorate.allow.insecure.listeners=true\n"
             "log.dirs=%s\n"
             "auto.create.topics.enable=false\n"
             "min.insync.replicas=2\n"
             "offsets.topic.num.partitions=2\n"
             "offsets.topic.replication.factor=3\n"
             "group.min.session.timeout.ms=1000\n"
             "replica.lag.time.max.ms=%d\n"
             "replica.fetch.wait.max.ms=%d\n"
             "broker.heartbeat.interval.ms=%d\n"
             "broker.session.timeout.ms=%d\n%s",
             id_.value(), host_, host_, key, voters, host_, kDirectory,
             around_.scenario.replica_lag_ms, around_.scenario.fetch_wait_ms,
             around_.scenario.heartbeat_ms, 3 * around_.scenario.heartbeat_ms,
             around_.scenario.two_disks
                 ? absl::StrFormat("metadata.log.dir=%s\n", kMetadataDirectory)
                 : "") +
         snapshots;
}

SimNode::Running::Running(SimNode& node, Process& its_process)
    : process(its_process),
      files(node.disk_),
      pool(process, node.pool_latency_),
      network(node.around_.internet, process),
      rpc_server(node.around_.exchange, process),
      rpc_client(node.around_.exchange, process),
      state_stores(files, process.random()) {}

absl::Status SimNode::Running::Start(SimNode& node) {
  std::vector<std::string> warnings;
  Q_ASSIGN_OR_RETURN(const ServerConfig config,
                     ParseServerConfig(node.Properties(), "server.properties", {}, &warnings));
  // As the server does it: the metadata log's directory comes last.
  std::vector<std::string> directories = config.log_dirs;
  if (node.around_.scenario.two_disks) directories.push_back(config.metadata_log_dir);
  for (const std::string& directory : directories) {
    Q_RETURN_IF_ERROR(files.CreateDirectories(directory));
  }
  FormatOptions format;
  format.cluster_id = kClusterId;
  format.node_id = node.id_;
  format.ignore_formatted = true;
  if (node.around_.scenario.dynamic_voters && node.metadata_disk_ == 0) {
    // As `quorate format --initial-controllers` does it.
    format.metadata_directory = kMetadataDirectory;
    format.metadata_directory_id = FirstDirectoryOf(node.id_);
    format.first_voters = FirstVoters(node.around_.scenario.nodes);
  }
  if (!node.metadata_wiped_) {
    Q_RETURN_IF_ERROR(FormatDirectories(files, directories, format, process.random()).status());
  }
  Q_ASSIGN_OR_RETURN(locks, LockDirectories(files, directories));
  Q_ASSIGN_OR_RETURN(const NodeIdentity identity, CheckDirectories(files, directories, node.id_));
  NodeSeams seams;
  seams.control_loop = &process.loop();
  seams.data_loop = &process.loop();
  seams.pool = &pool;
  seams.files = &files;
  seams.data_network = &network;
  seams.rpc_server = &rpc_server;
  seams.rpc_client = &rpc_client;
  seams.state_stores = &state_stores;
  seams.image_store_delay = node.around_.scenario.image_store_delay;
  seams.control_random = &process.random();
  seams.data_random = &process.random();
  seams.on_fatal = [&node, incarnation = node.incarnation_](const absl::Status& why) {
    node.OnFatal(incarnation, why);
  };
  const std::string image_store =
      config.metadata_log_dir + "/" + std::string(Node::kImageStoreName);
  if (process.random().Chance(node.around_.scenario.lost_store)) {
    Q_RETURN_IF_ERROR(files.RemoveTree(image_store));
  }
  seams.raft_bugs = node.around_.scenario.raft_bugs;
  seams.broker_bugs = node.around_.scenario.broker_bugs;
  seams.controller_bugs = node.around_.scenario.controller_bugs;
  this->node = std::make_unique<Node>(seams, config, identity);
  Q_RETURN_IF_ERROR(this->node->StartControl());
  started = true;
  node.replica_key_ = this->node->raft().core().config().self;
  return this->node->StartData();
}

void SimNode::Start() {
  if (up()) return;
  ++incarnation_;
  died_in_write_ = false;
  clock_jumped_ = Millis(0);
  World& world = around_.world;
  const int64_t skew_high = around_.scenario.wall_skew_high.count();
  const Millis skew(world.random().Between(-skew_high, skew_high));
  processes_.push_back(std::make_unique<Process>(world, host_, world.random().Next(), skew));
  Process& process = *processes_.back();
  if (around_.scenario.clock_drift_ppm > 0) {
    const int64_t high = around_.scenario.clock_drift_ppm;
    process.SetClockDrift(world.random().Between(-high, high));
  }
  const uint64_t failed_reads = disk_.failed_reads();
  running_ = std::make_unique<Running>(*this, process);
  absl::Status status;
  world.RunAs(process, [&] { status = running_->Start(*this); });
  if (!process.alive()) return;  // Its disk ended it; the crash is on its way.
  if (status.ok() && metadata_wiped_) {
    around_.verdict.Add("start", host_ + " runs without its metadata log and its vote",
                        {{}, -1, id_.value()});
  }
  if (status.ok()) {
    NoteImageLoad();
    around_.log.Node(id_.value(), absl::StrFormat("%s started", host_));
    return;
  }
  if (disk_.faults().full) {
    ++ended_by_full_disk_;
    around_.log.Node(id_.value(), absl::StrFormat("%s does not start: its disk is full", host_));
    Crash(End::kProcess);
    StartLater(std::chrono::seconds(1));
    return;
  }
  if (may_halt_) {
    around_.log.Node(id_.value(),
                     absl::StrFormat("%s refuses to start: %s", host_, status.ToString()));
    Crash(End::kProcess);
    return;
  }
  if (disk_.failed_reads() > failed_reads) {
    around_.log.Node(id_.value(),
                     absl::StrFormat("%s does not start: its disk cannot be read", host_));
    Crash(End::kProcess);
    StartLater(std::chrono::seconds(1));
    return;
  }
  around_.verdict.Add("start", absl::StrFormat("%s does not start: %s", host_, status.ToString()),
                      {{}, -1, id_.value()});
  Crash(End::kProcess);
}

void SimNode::NoteImageLoad() {
  const ImageStore& store = running_->node->image_store();
  ++image_loads_[store.found()];
  // Whatever a crash left of the store: what it says it is, it is (scenario E9).
  if (store.found() != ImageStore::Found::kMismatch) return;
  around_.verdict.Add("I6", absl::StrFormat("%s stored another state than it had", host_),
                      {{}, -1, id_.value()});
}

void SimNode::Crash(End end) {
  if (!up()) return;
  stopping_ = false;
  failure_expected_ = false;
  disk_.faults().failing_syncs = 0;
  if (running_->started) {
    last_durable_end_ = raft().core().durable_end().value();
    if (before_end) before_end(*this);
    last_voters_ = raft().core().voters();
    snapshots_taken_ += raft().snapshots_taken();
    snapshots_installed_ += raft().snapshots_installed();
  }
  Process& process = running_->process;
  around_.world.RunAs(process, [&] {
    process.Kill(/*silently=*/end == End::kMachine);
    if (end == End::kProcess) {
      disk_.ProcessDied();
    } else {
      disk_.Crash();
    }
    running_.reset();
  });
}

void SimNode::ShutDown(Micros patience) {
  if (!up() || stopping_) return;
  stopping_ = true;
  const uint64_t incarnation = incarnation_;
  const auto end = [this, incarnation](const char* how) {
    if (!up() || incarnation_ != incarnation) return;
    around_.log.Node(id_.value(), absl::StrFormat("%s %s", host_, how));
    Crash(End::kProcess);
    // With the mark of an orderly stop in it.
    if (around_.scenario.two_disks) BackUpDataDisk();
  };
  World& world = around_.world;
  world.RunAs(running_->process, [&] {
    running_->node->Shutdown(
        [&world, end] { world.ScheduleIn(Micros(0), nullptr, [end] { end("shut down"); }); });
  });
  world.ScheduleIn(patience, nullptr, [end] { end("is killed, its shutdown took too long"); });
}

void SimNode::StartLater(Micros delay) {
  around_.world.ScheduleIn(delay, nullptr, [this] { Start(); });
}

void SimNode::CrashInWrite(int64_t changes, End end) {
  if (!up()) return;
  disk_.faults().changes_until_death = changes;
  disk_.faults().die = [this, end] {
    around_.log.Node(id_.value(), absl::StrFormat("%s crashed in a write", host_));
    DieHere(end);
  };
}

void SimNode::DieHere(End end) {
  died_in_write_ = true;
  disk_.Freeze();
  running_->process.Freeze(/*silently=*/end == End::kMachine);
  around_.world.ScheduleIn(Micros(0), nullptr, [this, end] {
    Crash(end);
    StartLater(Micros(
        around_.world.random().Between(50'000, around_.scenario.faults.restart_high.count())));
  });
}

void SimNode::FailReads(int count) {
  disk_.faults().failing_reads = count;
  if (count != 0 && up()) failure_expected_ = true;
}

bool SimNode::NeedsRestart() {
  return up() && running_->started && broker().replicas().stats().offline_partitions > 0;
}

void SimNode::SetClockDrift(int64_t ppm) {
  if (up()) running_->process.SetClockDrift(ppm);
}

std::string SimNode::RefusesToStart() {
  const SimDisk::Tree before = disk_.Copy(kDirectory);
  ++incarnation_;
  processes_.push_back(
      std::make_unique<Process>(around_.world, host_, around_.world.random().Next()));
  Process& process = *processes_.back();
  running_ = std::make_unique<Running>(*this, process);
  absl::Status status;
  around_.world.RunAs(process, [&] { status = running_->Start(*this); });
  Crash(End::kProcess);
  if (status.ok()) return host_ + " runs on the directories of another node";
  const SimDisk::Tree after = disk_.Copy(kDirectory);
  for (const auto& [path, contents] : before.files) {
    const auto it = after.files.find(path);
    if (it == after.files.end() || it->second != contents) {
      return absl::StrFormat("%s changed %s of another node's directory", host_, path);
    }
  }
  return "";
}

void SimNode::TryWithDirectoryOf(SimNode& other) {
  const SimDisk::Tree mine = disk_.Copy(kDirectory);
  const SimDisk::Tree others = other.disk_.Copy(kDirectory);
  disk_.Replace(kDirectory, others);
  other.disk_.Replace(kDirectory, mine);
  for (SimNode* node : {this, &other}) {
    const std::string wrong = node->RefusesToStart();
    if (!wrong.empty()) around_.verdict.Add("start", wrong, {{}, -1, node->id_.value()});
  }
  disk_.Replace(kDirectory, mine);
  other.disk_.Replace(kDirectory, others);
}

void SimNode::FailNextSync() {
  if (!up()) return;
  failure_expected_ = true;
  disk_.faults().failing_syncs = 1;
}

void SimNode::SlowDown(PoolLatency latency) {
  pool_latency_ = latency;
  if (up()) running_->pool.set_latency(latency);
}

void SimNode::SetDiskFull(bool full) { disk_.faults().full = full; }

void SimNode::ReplaceDataDisk() {
  disk_.WipeExcept({kMetadataDirectory});
  if (on_wipe) on_wipe(*this);
}

void SimNode::WipeMetadata() {
  ReplaceMetadataDisk();
  metadata_wiped_ = !around_.scenario.dynamic_voters;
}

void SimNode::Do(const std::function<void()>& task) {
  around_.world.RunAs(running_->process, [&task] { task(); });
}

void SimNode::ReplaceMetadataDisk() {
  disk_.WipeExcept({kDirectory});
  ++metadata_disk_;
  replica_key_.directory = Uuid();  // until it has started: nobody's
  if (on_wipe) on_wipe(*this);
  lost_durable_end_ = std::max(lost_durable_end_, last_durable_end_);
  last_durable_end_ = 0;
}

void SimNode::Pause() {
  if (up()) running_->process.Pause();
}

void SimNode::Resume() {
  if (up()) running_->process.Resume();
}

void SimNode::TellPeersOfHang(RpcExchange& exchange) {
  if (up()) exchange.OnHang(running_->process);
}

void SimNode::JumpClock(Millis by) {
  if (!up()) return;
  const Millis next = std::clamp(clock_jumped_ + by, -kMaxClockJumped, kMaxClockJumped);
  running_->process.JumpClock(next - clock_jumped_);
  clock_jumped_ = next;
}

void SimNode::HealDisk() {
  SlowDown(around_.scenario.pool);
  disk_.faults().failing_syncs = 0;
  disk_.faults().failing_reads = 0;
  disk_.faults().lying_syncs = false;
  disk_.faults().full = false;
  disk_.faults().changes_until_death = -1;
}

void SimNode::OnFatal(uint64_t incarnation, const absl::Status& why) {
  if (!up() || incarnation_ != incarnation || !running_->process.alive()) return;
  if (disk_.faults().full) {
    ++ended_by_full_disk_;
  } else if (!failure_expected_ && !may_halt_) {
    around_.verdict.Add("fatal", absl::StrFormat("%s gives up: %s", host_, why.ToString()),
                        {{}, -1, id_.value()});
  }
  around_.log.Node(id_.value(), absl::StrFormat("%s gives up: %s", host_, why.ToString()));
  around_.world.ScheduleIn(Micros(0), nullptr, [this, incarnation] {
    if (!up() || incarnation_ != incarnation) return;
    Crash(End::kProcess);
    StartLater(Micros(
        around_.world.random().Between(50'000, around_.scenario.faults.restart_high.count())));
  });
}

const raft::VoterSet& SimNode::voters() const {
  return running_ != nullptr && running_->started ? running_->node->raft().core().voters()
                                                  : last_voters_;
}

bool SimNode::IsActiveController() const {
  return up() && running_->node->raft().leader().leader == id_;
}

}  // namespace quorate::sim
