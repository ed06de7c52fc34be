// raft/raft_node.h
//
// RaftNode runs one member of the metadata quorum, voter or observer: it feeds a RaftCore with
// messages and timers and carries out what the core wants, in the order of core/ready.h. It owns
// the metadata log, the quorum-state file, the RPC methods Raft.* and the delivery of committed
// batches.
//
//   messages, timers, flushes -> Input queue -> RaftCore::Step -> Ready
//     1 persist (pool; inputs wait)  2 truncate  3, 4 append  5, 6 send  7, 8 commit, notify
//   appended -> flush on the pool, one at a time, covering all that was appended meanwhile
//
// Thread-compatible: owned by the Raft loop, on which all methods but Open run and all callbacks
// come. Destroying it without Shutdown is a crash: nothing is written any more.
// On disk: <metadata directory>/__cluster_metadata-0; raft/FORMAT.md.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/core/raft_core.h"
#include "raft/log_limit.h"
#include "raft/metadata_quorum.h"
#include "raft/raft_config.h"
#include "raft/raft_status.h"
#include "raft/snapshot_store.h"
#include "raft/voter_change.h"
#include "storage/log.h"
#include "storage/recovery_point_file.h"

namespace quorate {

class RaftNode final : public MetadataQuorum {
 public:
  // Opens (or begins) the metadata log and registers the methods Raft.Vote, Raft.Fetch,
  // Raft.FetchSnapshot, Raft.BeginTerm, Raft.EndTerm, Raft.ChangeVoters and Raft.Status. Does
  // nothing on its own before Start. Which snapshot and which part of the log count:
  // raft/FORMAT.md#start-up. BLOCKS: recovery. May run before the loop does.
  // ERRORS: kInvalidArgument (config); kDataLoss with file and position (damage below what was
  // durable; a log without quorum-state, which would forget votes; a controller's log that starts
  // behind 0 without a snapshot of what came before); else as FileSystem.
  static absl::StatusOr<std::unique_ptr<RaftNode>> Open(const RaftConfig& config,
                                                        const RaftEnvironment& environment);
  ~RaftNode() override;

  // OK if [0, index) with `term` as the term of its last record is a prefix of this log: a state
  // that was made of a committed prefix with that (index, term) can then be used.
  // ERRORS: kFailedPrecondition with the reason, e.g. that the log ends before `index` because a
  // crash took what was not flushed.
  absl::Status CheckPrefix(LogIndex index, Term term) const;
  // Listeners hear of batches from `index` on, not of the newest snapshot or from the log's start:
  // they hold the state before it. Call at most once, before Start. REQUIRES: CheckPrefix(index,
  // its term) is OK.
  void StartDeliveryAt(LogIndex index);

  // Begins to take part. Call once, on the loop, after AddListener.
  void Start();

  // Leaves cleanly: a leader hands over, then the log is flushed and closed, then `done` runs on
  // the loop. Takes at most about half a second more than the last flush.
  void Shutdown(Task done);

  // MetadataQuorum.
  void AddListener(MetadataListener* listener) override;
  absl::StatusOr<LogIndex> Propose(Term term, std::vector<std::string> records,
                                   std::string cause) override;
  size_t max_batch_bytes() const override;
  QuorumLeader leader() const override { return {core_->term(), core_->leader()}; }
  LogIndex commit_index() const override { return core_->commit_index(); }
  LogIndex log_end_index() const override { return core_->log_end(); }
  QuorumStatus Status() const override;
  void ChangeVoters(VoterChange change, VoterChangeDone done) override;
  void ConfirmLeadership(std::function<void(const absl::Status&)> done) override;

  // Where the voters and the leader are, as far as this node knows.
  std::map<NodeId, Endpoint> VoterEndpoints() const;

  // For tests and checkers.
  const raft::RaftCore& core() const { return *core_; }
  const Log& log() const { return *log_; }
  // The core's newest state is on its way to the disk: no peer has heard of it.
  bool persisting() const { return persisting_; }
  const std::vector<raft::SnapshotId>& snapshots() const { return snapshots_->snapshots(); }
  int64_t snapshots_taken() const { return snapshots_taken_; }
  int64_t snapshots_installed() const { return snapshots_installed_; }

 private:
  // One event with what the core does not see of it.
  struct Input {
    raft::Event event;
    SharedBytes batches;  // of a fetch response; a piece of a snapshot
  };

  RaftNode(const RaftConfig& config, const RaftEnvironment& environment);

  // --- raft_node.cc: opening, stepping, carrying out, flushing ---
  absl::Status OpenFiles();
  // Who votes: by the log, or by the newest snapshot, by what was formatted, or by the
  // configuration. REQUIRES: RecoverFromSnapshots was OK, and nothing was delivered.
  absl::StatusOr<raft::VoterHistory> StoredVoters() const;
  void Enqueue(Input input);
  void Drain();
  void CarryOut(raft::Ready ready, const SharedBytes& batches);
  void CarryOutAfterPersist(raft::Ready ready, const SharedBytes& batches);
  absl::Status ChangeLog(const raft::Ready& ready, const SharedBytes& batches);
  absl::Status AppendAsLeader(std::string batch);
  void MaybeFlush();
  void OnFlushed(const FlushJob& job, uint64_t truncations, const absl::Status& status);
  void ArmTimer(MonoTime wake_at);
  void Fail(const absl::Status& status);
  void MaybeFinishShutdown();
  // Wraps `task` so that it does nothing once this node is destroyed.
  template <typename Function>
  auto Guarded(Function function) {
    return [alive = std::weak_ptr<bool>(alive_),
            function = std::move(function)](auto&&... arguments) mutable {
      if (!alive.expired()) function(std::forward<decltype(arguments)>(arguments)...);
    };
  }

  // --- raft_node_rpc.cc: messages in and out ---
  void RegisterMethods();
  template <typename Message>
  void RegisterMethod(const char* method);
  void AnswerStatus(std::unique_ptr<RpcCall> call);
  void Send(const raft::OutgoingRequest& request);
  template <typename ResponseMessage>
  void SendCall(const raft::OutgoingRequest& request, const char* method, std::string bytes,
                Micros timeout);
  void Answer(const raft::Reply& reply);
  std::string FetchBytes(const raft::FetchAnswer& answer);
  void CancelStaleFetch();
  // Logs an oddity of a peer, at most one line per peer and 10 s.
  void LogPeer(NodeId peer, const char* what, const absl::Status& status);

  // --- raft_node_voters.cc: changes of the voters, addresses of nodes ---
  // A change that this leader appended and that is not committed.
  struct PendingVoterChange {
    LogIndex index;
    Term term;
    VoterChangeDone done;
    TimerId timer = TimerId::kNone;
  };
  struct LearnedEndpoint {
    Endpoint endpoint;
    Term term;  // in which it led
  };
  // An empty host if it is not known.
  Endpoint EndpointOf(NodeId node) const;
  void LearnEndpoint(NodeId leader, Term term, const Endpoint& endpoint);
  void RegisterChangeVoters();
  absl::StatusOr<raft::VoterSet> CheckedVotersAfter(const VoterChange& change) const;
  absl::StatusOr<raft::VoterSet> UpgradedVoters() const;
  void PassOn(VoterChange change, VoterChangeDone done);
  void MaybeFinishVoterChange();
  void AnnounceReads();
  void FinishVoterChange(const absl::Status& status);
  // What this node wants changed about itself: its address, or to vote; nullopt: nothing.
  std::optional<VoterChange> WantedSelfChange() const;
  void MaybeChangeSelf();
  void ChangeSelf();

  // --- raft_node_snapshot.cc: snapshots read at the start, taken, served, fetched, installed ---
  absl::Status RecoverFromSnapshots();
  absl::Status BeginWithoutSnapshot();
  void MaybeTakeSnapshot();
  absl::StatusOr<SnapshotHeader> HeaderFor(const SnapshotState& state) const;
  void OnSnapshotWritten(const SnapshotHeader& header, int64_t counted_bytes,
                         const absl::StatusOr<int64_t>& size);
  void ArmSnapshotTimer();
  absl::Status DeleteBefore(LogIndex log_start);
  void RemoveFiles(std::vector<std::string> paths);
  void AnswerWithPiece(raft::RequestId id, const raft::SnapshotAnswer& answer);
  void WriteChunk(const raft::SnapshotChunk& chunk, const SharedBytes& piece);
  void CheckDownload();
  void DropStaleDownload();
  absl::Status InstallSnapshot(raft::SnapshotId id);

  // --- raft_node_commit.cc: what listeners hear ---
  void Notify();
  absl::StatusOr<std::vector<std::shared_ptr<const MetadataBatch>>> ReadCommitted();

  const RaftConfig config_;
  const RaftEnvironment env_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string directory_;

  std::unique_ptr<Log> log_;
  std::unique_ptr<RecoveryPointFile> recovery_point_;
  std::unique_ptr<raft::RaftCore> core_;

  std::deque<Input> inputs_;
  bool started_ = false;
  bool failed_ = false;      // on_fatal was or will be called
  bool draining_ = false;    // inside Drain: inputs are only queued
  bool persisting_ = false;  // the state file is being written: inputs wait
  bool flushing_ = false;    // at most one flush at a time
  uint64_t flushes_ = 0;
  // The log's truncation_count() when the recovery point was last written, and when that was last
  // known to be durable. Initially neither is known.
  uint64_t point_truncations_ = UINT64_MAX;
  uint64_t durable_point_truncations_ = UINT64_MAX;
  TimerId timer_ = TimerId::kNone;
  MonoTime timer_at_ = MonoTime::Max();

  uint64_t next_request_ = 1;
  std::map<raft::RequestId, std::unique_ptr<RpcCall>> calls_;  // not answered yet
  std::map<raft::CallId, RpcCallId> outgoing_;                 // not ended yet
  std::optional<raft::CallId> fetch_call_;                     // of outgoing_
  std::optional<PendingVoterChange> voter_change_;
  std::map<uint64_t, std::function<void(const absl::Status&)>> reads_;  // barriers under way, by id
  std::vector<raft::ReadOutcome> read_outcomes_;                        // not announced yet
  uint64_t next_read_ = 1;
  std::map<NodeId, LearnedEndpoint> learned_endpoints_;  // of leaders of late
  TimerId self_change_timer_ = TimerId::kNone;
  LogLimit peer_log_limit_{std::chrono::seconds(10)};

  std::unique_ptr<SnapshotStore> snapshots_;
  std::shared_ptr<const MetadataSnapshot> undelivered_;  // listeners have to hear of it first
  int64_t bytes_since_snapshot_ = 0;                     // delivered
  bool taking_snapshot_ = false;                         // on the pool
  bool snapshot_time_is_up_ = false;
  bool snapshot_look_posted_ = false;
  MonoTime no_snapshot_before_;  // after one that failed
  TimerId snapshot_timer_ = TimerId::kNone;
  int64_t snapshots_taken_ = 0;
  int64_t snapshots_installed_ = 0;
  // What is being fetched, in its ".fetched" file.
  struct Download {
    uint64_t number = 0;
    raft::SnapshotId snapshot;
    std::string path;
    std::shared_ptr<File> file;
    std::shared_ptr<const MetadataSnapshot> checked;  // set once it was found to be whole
  };
  std::optional<Download> download_;

  std::vector<MetadataListener*> listeners_;
  std::deque<QuorumLeader> leader_changes_;  // not announced yet
  QuorumLeader announced_leader_;
  LogIndex delivered_;                    // all before it was given to the listeners
  std::optional<Term> announced_active_;  // the last term that OnBecomeActive named
  bool notifying_ = false;

  Task shutdown_done_;  // set while a shutdown is under way
  bool shutting_down_ = false;
  TimerId shutdown_timer_ = TimerId::kNone;
  bool shutdown_waited_ = false;  // the hand-over is done or took too long
};

}  // namespace quorate
