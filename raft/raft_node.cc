#include "raft/raft_node.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "raft/metadata_batch_codec.h"
#include "raft/quorum_state_file.h"
#include "raft/term_table.h"
#include "raft/voter_table.h"
#include "raft/voters_record.h"

namespace quorate {
namespace {

constexpr char kLogName[] = "__cluster_metadata-0";
constexpr Micros kHandOverLimit = Millis(500);
constexpr uint64_t kFlushesPerPointSync = 32;
constexpr Micros kFlushRepeat = Millis(200);

absl::Status CheckConfig(const RaftConfig& config) {
  if (config.node_id < NodeId(0)) return absl::InvalidArgumentError("raft: no node id");
  if (config.directory_id.is_zero()) return absl::InvalidArgumentError("raft: no directory id");
  if (!config.voters.empty() && config.bootstrap_servers.empty() &&
      config.voters.contains(config.node_id) != config.is_controller) {
    return absl::InvalidArgumentError(
        absl::StrFormat("raft: node %d is %s the voters", config.node_id.value(),
                        config.is_controller ? "to vote but not among" : "no voter but among"));
  }
  if (config.fetch_wait >= config.fetch_timeout || config.election_timeout < Millis(1)) {
    return absl::InvalidArgumentError("raft: impossible timeouts");
  }
  if (config.max_batch_bytes < 1024) {
    return absl::InvalidArgumentError("raft: max_batch_bytes is below 1024");
  }
  return absl::OkStatus();
}

raft::CoreConfig CoreConfigOf(const RaftConfig& config) {
  raft::CoreConfig core;
  core.self = {config.node_id, config.directory_id};
  std::map<NodeId, Uuid> voters;
  for (const auto& [node, voter] : config.voters) voters[node] = voter.directory_id;
  core.voters = raft::VoterSet(voters);
  core.electable = config.is_controller;
  for (size_t i = 0; i < config.bootstrap_servers.size(); ++i) {
    if (config.bootstrap_servers[i] == config.endpoint) continue;
    core.bootstrap.push_back(kNoNode - 1 - static_cast<int32_t>(i));
  }
  core.election_timeout = config.election_timeout;
  core.fetch_timeout = config.fetch_timeout;
  core.check_quorum_timeout = config.check_quorum_timeout;
  core.fetch_wait = config.fetch_wait;
  core.unreachable_delay_max = std::min(core.unreachable_delay_max, config.election_timeout);
  core.unreachable_delay_min = std::min(core.unreachable_delay_min, core.unreachable_delay_max);
  core.fetch_bytes = config.max_batch_bytes;
  core.bugs = config.bugs;
  return core;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RaftNode>> RaftNode::Open(const RaftConfig& config,
                                                         const RaftEnvironment& environment) {
  Q_RETURN_IF_ERROR(CheckConfig(config));
  auto node = std::unique_ptr<RaftNode>(new RaftNode(config, environment));
  Q_RETURN_IF_ERROR(node->OpenFiles());
  node->RegisterMethods();
  return node;
}

RaftNode::RaftNode(const RaftConfig& config, const RaftEnvironment& environment)
    : config_(config), env_(environment), directory_(config.metadata_directory + "/" + kLogName) {}

RaftNode::~RaftNode() {
  env_.loop->Cancel(timer_);
  env_.loop->Cancel(snapshot_timer_);
  env_.loop->Cancel(shutdown_timer_);
  env_.loop->Cancel(self_change_timer_);
  if (voter_change_) env_.loop->Cancel(voter_change_->timer);
  for (const auto& [call, rpc] : outgoing_) env_.client->Cancel(rpc);
}

absl::Status RaftNode::OpenFiles() {
  if (!env_.file_system->IsDirectory(directory_)) {
    Q_RETURN_IF_ERROR(env_.file_system->CreateDirectories(directory_));
  }
  // Durable before the first vote, whoever made it: without the directory the vote would be
  // forgotten.
  Q_RETURN_IF_ERROR(env_.file_system->SyncDirectory(config_.metadata_directory));
  Q_ASSIGN_OR_RETURN(const auto stored,
                     ReadQuorumState(env_.file_system, directory_ + "/quorum-state"));
  Q_ASSIGN_OR_RETURN(recovery_point_,
                     RecoveryPointFile::Open(env_.file_system, directory_ + "/recovery-point"));
  LogOpenOptions options;
  options.config.segment_bytes = config_.segment_bytes;
  options.config.preallocate_bytes = 1 << 20;
  options.config.bugs = config_.storage_bugs;
  options.recovery_point = recovery_point_->point();
  options.now = env_.loop->clock().WallNow();
  Q_ASSIGN_OR_RETURN(log_, Log::Open(env_.file_system, directory_, options));
  if (!log_->recovery().cut_reason.empty()) {
    LOG(WARNING) << directory_ << ": cut " << log_->recovery().bytes_cut
                 << " bytes of a torn tail: " << log_->recovery().cut_reason;
  }
  Q_ASSIGN_OR_RETURN(snapshots_,
                     SnapshotStore::Open(env_.file_system, directory_, config_.cluster_id));
  Q_RETURN_IF_ERROR(RecoverFromSnapshots());
  if (!stored && (!log_->empty() || log_->log_start_offset() > Offset(0))) {
    return absl::DataLossError(absl::StrFormat(
        "%s/quorum-state is missing beside a log that ends at %d: this node could vote twice",
        directory_, log_->end_offset().value()));
  }
  raft::InitialState initial;
  if (stored) initial.hard_state = *stored;
  initial.log_start = LogIndex(log_->log_start_offset().value());
  initial.log_end = LogIndex(log_->end_offset().value());
  initial.snapshot = snapshots_->newest();
  Term before_start(0);
  for (const raft::SnapshotId& snapshot : snapshots_->snapshots()) {
    if (snapshot.end == initial.log_start) before_start = snapshot.term;
  }
  Q_ASSIGN_OR_RETURN(initial.term_starts, TermTableOf(*log_, before_start));
  if (initial.term_starts.last_term() > initial.hard_state.term) {
    // A term is durable before its first record: one of the two files is not what was written.
    return absl::DataLossError(absl::StrFormat(
        "%s: the log holds records of term %d, quorum-state knows of term %d: votes may be lost",
        directory_, initial.term_starts.last_term().value(), initial.hard_state.term.value()));
  }
  Q_ASSIGN_OR_RETURN(initial.voters, StoredVoters());
  core_ = std::make_unique<raft::RaftCore>(CoreConfigOf(config_), std::move(initial));
  announced_leader_ = {core_->term(), kNoNode};
  return absl::OkStatus();
}

absl::StatusOr<raft::VoterHistory> RaftNode::StoredVoters() const {
  Q_ASSIGN_OR_RETURN(const auto formatted, ReadBootstrapVoters(env_.file_system, directory_));
  raft::VoterHistory base(CoreConfigOf(config_).voters);
  if (formatted) base = raft::VoterHistory(*formatted, /*dynamic=*/true);
  // The newest snapshot, read just now, comes after the formatting. Records of the log from before
  // its end follow below and end in the same set.
  if (undelivered_ && undelivered_->voters) {
    base = raft::VoterHistory(*undelivered_->voters, /*dynamic=*/true);
  }
  Q_ASSIGN_OR_RETURN(raft::VoterHistory history, VoterTableOf(*log_, std::move(base)));
  const raft::VoterSet& voters = history.latest();
  if (!config_.is_controller && voters.Contains({config_.node_id, config_.directory_id}) &&
      history.dynamic()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "raft: node %d is one of the voters (%s), but process.roles has no controller: remove it "
        "from the voters first",
        config_.node_id.value(), voters.ToString()));
  }
  if (voters.empty() && config_.bootstrap_servers.empty()) {
    return absl::InvalidArgumentError(
        "raft: no voters: set controller.quorum.voters or controller.quorum.bootstrap.servers");
  }
  return history;
}

void RaftNode::Start() {
  env_.loop->AssertOnLoop();
  QCHECK(!started_);
  started_ = true;
  draining_ = true;
  CarryOut(core_->Start(env_.loop->Now(), env_.random->Next()), SharedBytes());
  draining_ = false;
  ArmSnapshotTimer();
  Drain();
}

void RaftNode::AddListener(MetadataListener* listener) {
  QCHECK(!started_);
  listeners_.push_back(listener);
}

size_t RaftNode::max_batch_bytes() const { return static_cast<size_t>(config_.max_batch_bytes); }

// --- Stepping ---

void RaftNode::Enqueue(Input input) {
  if (!started_ || failed_) return;
  inputs_.push_back(std::move(input));
  Drain();
}

void RaftNode::Drain() {
  if (draining_) return;
  draining_ = true;
  const std::weak_ptr<bool> alive = alive_;
  while (!inputs_.empty() && !persisting_ && !failed_) {
    const Input input = std::move(inputs_.front());
    inputs_.pop_front();
    CarryOut(core_->Step(env_.loop->Now(), env_.random->Next(), input.event), input.batches);
  }
  draining_ = false;
  Notify();
  if (alive.expired()) return;
  AnnounceReads();
  if (alive.expired()) return;
  MaybeFinishVoterChange();
  if (alive.expired()) return;
  MaybeChangeSelf();
  MaybeFinishShutdown();
}

void RaftNode::CarryOut(raft::Ready ready, const SharedBytes& batches) {
  if (!ready.persist) return CarryOutAfterPersist(std::move(ready), batches);
  persisting_ = true;
  FAILPOINT("raft.before_persist_vote");
  const raft::HardState state = *ready.persist;
  env_.pool->RunThen(
      env_.loop,
      [file_system = env_.file_system, path = directory_ + "/quorum-state", state] {
        return WriteQuorumState(file_system, path, state);
      },
      Guarded([this, ready = std::move(ready), batches](const absl::Status& status) mutable {
        persisting_ = false;
        if (failed_) return;
        if (!status.ok()) return Fail(status);
        FAILPOINT("raft.after_persist_vote");
        draining_ = true;
        CarryOutAfterPersist(std::move(ready), batches);
        draining_ = false;
        // First of all, so that no timer that ran meanwhile is taken for silence.
        inputs_.push_front({raft::StatePersisted{}, SharedBytes()});
        Drain();
      }));
}

void RaftNode::CarryOutAfterPersist(raft::Ready ready, const SharedBytes& batches) {
  FAILPOINT("raft.before_append");
  if (const absl::Status changed = ChangeLog(ready, batches); !changed.ok()) return Fail(changed);
  FAILPOINT("raft.before_send");
  if (!ready.note.empty()) {
    LOG(WARNING) << "raft node " << config_.node_id << ": " << ready.note;
  }
  CancelStaleFetch();
  DropStaleDownload();
  for (const raft::OutgoingRequest& request : ready.requests) Send(request);
  for (const raft::Reply& reply : ready.replies) Answer(reply);
  if (ready.role_change) {
    LOG(INFO) << "raft node " << config_.node_id << ": " << ready.role_change->role << " in term "
              << ready.role_change->term << ", leader " << ready.role_change->leader;
    const QuorumLeader leader{ready.role_change->term, ready.role_change->leader};
    const QuorumLeader& last = leader_changes_.empty() ? announced_leader_ : leader_changes_.back();
    if (leader != last) leader_changes_.push_back(leader);
  }
  FAILPOINT("raft.after_send");
  read_outcomes_.insert(read_outcomes_.end(), ready.reads.begin(), ready.reads.end());
  ArmTimer(ready.wake_at);
  MaybeFlush();
}

absl::Status RaftNode::ChangeLog(const raft::Ready& ready, const SharedBytes& batches) {
  if (ready.truncate_to) {
    LOG(WARNING) << directory_ << ": truncating from " << log_->end_offset() << " to "
                 << *ready.truncate_to << ", where it leaves the leader's log";
    Q_RETURN_IF_ERROR(log_->TruncateTo(Offset(ready.truncate_to->value())));
  }
  if (ready.install_snapshot) Q_RETURN_IF_ERROR(InstallSnapshot(*ready.install_snapshot));
  if (ready.delete_before) Q_RETURN_IF_ERROR(DeleteBefore(*ready.delete_before));
  if (ready.write_chunk) WriteChunk(*ready.write_chunk, batches);
  const WallMillis now = env_.loop->clock().WallNow();
  if (ready.append_fetched) {
    Q_RETURN_IF_ERROR(
        log_->AppendAsFollower(batches, now, LeaderEpoch(core_->term().value())).status());
  }
  if (ready.append_leader_change) {
    Q_RETURN_IF_ERROR(
        AppendAsLeader(EncodeLeaderChange(*ready.append_leader_change, core_->term(), now)));
  }
  if (ready.append_voters) {
    Q_RETURN_IF_ERROR(AppendAsLeader(EncodeVotersBatch(*ready.append_voters, core_->term(), now)));
  }
  QCHECK_EQ(log_->end_offset().value(), core_->log_end().value());
  return absl::OkStatus();
}

absl::Status RaftNode::AppendAsLeader(std::string batch) {
  LeaderAppend piece;
  piece.batches = SharedBytes::FromString(std::move(batch));
  piece.origin = AppendOrigin::kRaft;
  return log_
      ->AppendAsLeader(piece, LeaderEpoch(core_->term().value()), env_.loop->clock().WallNow())
      .status();
}

absl::StatusOr<LogIndex> RaftNode::Propose(Term term, std::vector<std::string> records,
                                           std::string cause) {
  env_.loop->AssertOnLoop();
  QCHECK(!records.empty());
  QCHECK(!draining_);
  if (failed_ || shutting_down_) return absl::UnavailableError("the metadata log has stopped");
  if (persisting_ || !core_->is_active_leader() || core_->term() != term) {
    return absl::FailedPreconditionError(
        absl::StrFormat("not the active leader of term %d", term.value()));
  }
  if (BUGGIFY("raft.refuse_proposal", 0.005)) {
    return absl::FailedPreconditionError("not now");
  }
  FAILPOINT("raft.before_propose");
  std::string batch = EncodeMetadataBatch(records, cause, term, env_.loop->clock().WallNow());
  if (batch.size() > max_batch_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a batch of %d bytes exceeds %d", batch.size(), max_batch_bytes()));
  }
  const LogIndex first = core_->log_end();
  if (const absl::Status appended = AppendAsLeader(std::move(batch)); !appended.ok()) {
    if (!log_->failure().ok()) Fail(log_->failure());
    return absl::UnavailableError(
        absl::StrFormat("metadata log: %s", std::string(appended.message())));
  }
  Enqueue({raft::Appended{LogIndex(log_->end_offset().value())}, SharedBytes()});
  return first;
}

// --- Flushing ---

void RaftNode::MaybeFlush() {
  if (flushing_ || failed_ || !log_->needs_flush()) return;
  flushing_ = true;
  if (BUGGIFY("raft.flush_late", 0.05)) {
    env_.loop->RunAfter(Millis(20), Guarded([this] {
                          flushing_ = false;
                          MaybeFlush();
                          MaybeFinishShutdown();
                        }));
    return;
  }
  const uint64_t truncations = core_->truncations();
  auto job = std::make_shared<const FlushJob>(log_->PrepareFlush());
  // Now and then the recovery point becomes durable too, so that a power cut leaves a recent one.
  // And soon after a truncation, whose mark otherwise stands in the point's way for ever.
  const bool unmark = point_truncations_ == log_->truncation_count() &&
                      durable_point_truncations_ != point_truncations_;
  const bool sync_point =
      ++flushes_ % kFlushesPerPointSync == 0 || unmark || BUGGIFY("raft.sync_point_always", 0.5);
  const uint64_t synced = sync_point ? point_truncations_ : durable_point_truncations_;
  std::shared_ptr<File> point = sync_point ? recovery_point_->file() : nullptr;
  env_.pool->RunThen(
      env_.loop,
      [job, point] {
        absl::Status flushed = job->Run();
        if (flushed.ok() && point) flushed = point->Sync();
        return flushed;
      },
      Guarded([this, job, truncations, synced](const absl::Status& status) {
        if (status.ok() && synced != durable_point_truncations_) {
          durable_point_truncations_ = synced;
          log_->RecoveryPointCheckpointed(synced);
        }
        OnFlushed(*job, truncations, status);
      }));
}

void RaftNode::OnFlushed(const FlushJob& job, uint64_t truncations, const absl::Status& status) {
  flushing_ = false;
  if (failed_) return;
  FAILPOINT("raft.after_flush");
  log_->CompleteFlush(job, status);
  if (!log_->failure().ok()) return Fail(log_->failure());
  if (!status.ok()) {
    // No space for what lies beside the records: until there is, none of them counts as durable.
    env_.loop->RunAfter(kFlushRepeat, Guarded([this] { MaybeFlush(); }));
    return MaybeFinishShutdown();
  }
  if (truncations == core_->truncations() || config_.bugs.trust_stale_flush) {
    const LogIndex end(job.target().value());
    if (BUGGIFY("raft.skip_recovery_point", 0.5)) {
      // An older one is as safe.
    } else if (const absl::Status written = recovery_point_->Write(Offset(end.value()));
               !written.ok()) {
      LOG(WARNING) << "recovery point not written: " << written;  // an older one is as safe
    } else {
      point_truncations_ = log_->truncation_count();
    }
    const std::weak_ptr<bool> alive = alive_;
    Enqueue({raft::Flushed{end, truncations}, SharedBytes()});
    if (alive.expired()) return;
  }
  MaybeFlush();
  MaybeFinishShutdown();
}

void RaftNode::ArmTimer(MonoTime wake_at) {
  if (wake_at >= timer_at_) return;  // the earlier one looks again
  env_.loop->Cancel(timer_);
  timer_ = TimerId::kNone;
  timer_at_ = wake_at;
  if (wake_at == MonoTime::Max()) return;
  Micros delay = std::max(wake_at - env_.loop->Now(), Micros(0));
  if (BUGGIFY("raft.tick_late", 0.02)) delay += Millis(30);
  if (BUGGIFY("raft.tick_early", 0.02)) delay = Micros(0);
  timer_ = env_.loop->RunAfter(delay, Guarded([this] {
                                 timer_ = TimerId::kNone;
                                 timer_at_ = MonoTime::Max();
                                 Enqueue({raft::Tick{}, SharedBytes()});
                               }));
}

void RaftNode::Fail(const absl::Status& status) {
  if (failed_) return;
  failed_ = true;
  LOG(ERROR) << "raft node " << config_.node_id << " stops: " << status;
  inputs_.clear();
  calls_.clear();
  env_.loop->Cancel(timer_);
  env_.loop->Cancel(self_change_timer_);
  env_.loop->Cancel(snapshot_timer_);
  if (config_.on_fatal) {
    env_.loop->Post([on_fatal = config_.on_fatal, status] { on_fatal(status); });
  }
}

// --- Leaving ---

void RaftNode::Shutdown(Task done) {
  env_.loop->AssertOnLoop();
  QCHECK(!shutting_down_);
  shutting_down_ = true;
  shutdown_done_ = std::move(done);
  shutdown_timer_ = env_.loop->RunAfter(kHandOverLimit, Guarded([this] {
                                          shutdown_waited_ = true;
                                          MaybeFinishShutdown();
                                        }));
  Enqueue({raft::Shutdown{}, SharedBytes()});
  MaybeFinishShutdown();
}

void RaftNode::MaybeFinishShutdown() {
  if (!shutting_down_ || !shutdown_done_ || draining_ || notifying_) return;
  const bool handed_over =
      !persisting_ && inputs_.empty() &&
      (core_->role() != raft::Role::kResigned || outgoing_.empty() || shutdown_waited_);
  if (!failed_ && (!handed_over || flushing_)) return;
  env_.loop->Cancel(shutdown_timer_);
  env_.loop->Cancel(timer_);
  env_.loop->Cancel(self_change_timer_);
  env_.loop->Cancel(snapshot_timer_);
  if (!failed_) {
    if (const absl::Status closed = log_->Close(/*clean=*/true); !closed.ok()) {
      LOG(ERROR) << directory_ << ": " << closed;
    } else {
      IgnoreError(recovery_point_->Write(Offset(core_->log_end().value())),
                  "an older one is as safe");
      IgnoreError(recovery_point_->file()->Sync(), "an older one is as safe");
    }
  }
  failed_ = true;  // nothing is stepped any more
  calls_.clear();
  env_.loop->Post(std::move(shutdown_done_));
  shutdown_done_ = nullptr;
}

QuorumStatus RaftNode::Status() const {
  QuorumStatus status;
  status.node = config_.node_id;
  status.role = raft::RoleName(core_->role());
  status.term = core_->term();
  status.leader = core_->leader();
  status.commit_index = core_->commit_index();
  status.log_start = core_->log_start();
  status.log_end = core_->log_end();
  status.dynamic_voters = core_->voter_history().dynamic();
  const raft::LeaderState* leader = core_->leader_state();
  if (leader == nullptr) return status;
  const MonoTime now = env_.loop->Now();
  const auto age = [now](bool known, MonoTime then) -> int64_t {
    return known ? (now - then) / Millis(1) : -1;
  };
  QuorumReplicaStatus self;
  self.node = config_.node_id;
  self.directory_id = config_.directory_id;
  self.voter = core_->is_voter();  // not while it removes itself
  self.log_end = status.log_end.value();
  self.last_fetch_age_ms = self.last_caught_up_age_ms = 0;
  self.endpoint = EndpointOf(config_.node_id);
  status.replicas.push_back(self);
  for (const raft::ReplicaProgress& progress : leader->Replicas()) {
    QuorumReplicaStatus replica;
    replica.node = progress.key.node;
    replica.directory_id = progress.key.directory;
    replica.voter = core_->voters().Contains(progress.key);
    if (replica.voter) replica.endpoint = EndpointOf(replica.node);
    replica.log_end = progress.fetched ? progress.match_end.value() : -1;
    replica.lag = status.log_end.value() - std::max<int64_t>(replica.log_end, 0);
    replica.last_fetch_age_ms = age(progress.fetched, progress.last_fetch);
    replica.last_caught_up_age_ms = age(progress.caught_up, progress.last_caught_up);
    status.replicas.push_back(replica);
  }
  return status;
}

}  // namespace quorate
