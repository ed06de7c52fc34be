// broker/replica/partition.h
//
// Partition is one replica on this broker: its log, its role, and what waits for it.
//
//               image: leader = me            image: leader = other
//   opening ----------------------> leader <-----------------------> follower
//      |  image                       |  failed sync, unusable log      |
//      +--> follower                  +-----------> offline <-----------+
//
// A replica whose log is damaged is offline; once it is in neither ISR nor ELR, and another broker
// leads, its log is set aside and it opens an empty one.
//
// A newer leader epoch is a new role even if the leader stays the same (scenario A5).
//
// Thread-compatible: owned by the data loop. Code: partition.cc (roles, log, flush),
// partition_append.cc (produce), partition_fetch.cc (reads, offsets), partition_follower.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "broker/replica/bug_switches.h"
#include "broker/replica/isr_updater.h"
#include "broker/replica/leader_state.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/replica_config.h"
#include "broker/replica/replica_requests.h"
#include "storage/log.h"

namespace quorate {

class FetchPurgatory;
class Partition;

// Hears what partitions do; implemented by ReplicaManager. Called in the middle of a partition's
// work: implementations only note it or post.
class PartitionEvents {
 public:
  virtual ~PartitionEvents() = default;
  virtual void OnBecomeLeader(Partition* partition) = 0;
  virtual void OnStopLeading(Partition* partition) = 0;
  // Follows a leader in a new epoch, or does not follow any more: the fetchers have to know.
  virtual void OnFollowingChanged(Partition* partition) = 0;
  virtual void OnHighWatermarkMoved(Partition* partition) = 0;
  // The log failed; its whole directory is suspect.
  virtual void OnLogFailed(Partition* partition, const absl::Status& why) = 0;
};

// What all partitions share. Outlives none of its users: they hold it, and ask `alive` before they
// touch what it points at from a task.
struct PartitionEnv {
  bool alive = true;
  EventLoop* loop = nullptr;
  BlockingPool* pool = nullptr;
  LogManager* logs = nullptr;
  FetchPurgatory* purgatory = nullptr;
  IsrUpdater* isr_updater = nullptr;
  PartitionEvents* events = nullptr;
  NodeId broker = kNoNode;
  Micros lag_max{0};
  BugSwitches bugs;
  std::function<BrokerView(NodeId)> brokers;
  // Sums over all partitions.
  int64_t isr_shrinks = 0;
  int64_t isr_expands = 0;
  int64_t failed_isr_updates = 0;
  int64_t truncations = 0;
};

// Names a partition's entry in a waiting fetch.
using WatchKey = std::pair<FetchId, uint32_t>;

class Partition final : public LogManager::Source, public std::enable_shared_from_this<Partition> {
 public:
  enum class Role { kOpening, kNone, kLeader, kFollower, kOffline };

  Partition(std::shared_ptr<PartitionEnv> env, LogName name, ReplicaConfig config);
  ~Partition() override;

  // --- Life and roles (partition.cc) ---

  // Opens the log; roles given until then are taken when it is open.
  void StartOpen();
  // Takes the image's state. An older leader epoch than the one known is ignored.
  void Apply(const PartitionState& state);
  void UpdateConfig(const ReplicaConfig& config);
  // Ends all roles and fails all that waits; gives the log away (null if none is open) once nothing
  // is under way on it. No call but destruction follows.
  void Retire(absl::AnyInvocable<void(std::unique_ptr<Log>)> done);
  // Before PartitionEnv::alive turns false: tasks may keep this alive for longer.
  void CancelTimers();
  // The log is of no use (its directory failed): every request gets KAFKA_STORAGE_ERROR.
  void GoOffline(const absl::Status& why);
  // Offline for damage, and nobody counts on what this replica has: it is set aside and fetched
  // anew from the leader (scenario G21).
  void MaybeFetchAnew();

  // --- Produce (partition_append.cc) ---

  void Append(AppendRequest request, AppendDone done);

  // --- Fetch and offsets (partition_fetch.cc) ---

  // Checks a fetch's right to be here and, for a follower, takes its offset as held. Once per
  // request, before Read.
  void Admit(const FetchSpec& spec, const FetchPartition& fetch);
  // What there is for `fetch` now. Sets `answer_now` if waiting longer is wrong: an error, a
  // divergence, a high watermark to be told.
  FetchPartitionResult ReadFor(const FetchSpec& spec, const FetchPartition& fetch,
                               int64_t max_bytes, bool at_least_one, bool* answer_now);
  // A fetch waits: FetchPurgatory::Wake is called with `key` when ReadFor may say something new.
  void Watch(WatchKey key, const FetchSpec& spec, const FetchPartition& fetch);
  void Unwatch(WatchKey key) { watches_.erase(key); }
  ListOffsetsOutcome OffsetFor(const ListOffsetsQuery& query) const;
  EpochEndOutcome EndOffsetFor(const EpochEndQuery& query) const;

  // --- Following (partition_follower.cc) ---

  // Where to fetch next; nullopt if not following.
  // What lies below `offset` is held by the durability level: see FlushForFetch.
  std::optional<FetchPartition> NextFetch() const;
  // True if a flush has to end before NextFetch may be asked; `done` runs then.
  bool FlushForFetch(Task done);
  // The leader's answer to `fetch`.
  struct Answer {
    absl::Status status;  // the answer's error code
    Offset high_watermark = kNoOffset;
    Offset log_start_offset = kNoOffset;
    std::optional<EpochEndOffset> diverging;
    SharedBytes records;
  };
  enum class AnswerResult {
    kApplied,  // or rightly ignored: go on
    kRetry,    // pause before the next fetch of this partition
  };
  AnswerResult OnAnswer(const FetchPartition& fetch, const Answer& answer);

  // --- Looking in ---

  const TopicPartition& id() const { return id_; }
  Role role() const { return role_; }
  // Whether a damaged log was set aside since the start.
  bool fetched_anew() const { return fetched_anew_; }
  NodeId leader() const { return state_.leader; }
  LeaderEpoch leader_epoch() const { return state_.leader_epoch; }
  LeaderHint hint() const { return {state_.leader, state_.leader_epoch}; }
  Offset high_watermark() const { return high_watermark_; }
  const Log* log() const { return log_.get(); }
  Log* mutable_log() { return log_.get(); }
  const LeaderState* leader_state() const { return leader_.has_value() ? &*leader_ : nullptr; }
  const ReplicaConfig& config() const { return config_; }
  const PartitionState& state() const { return state_; }
  const std::string& directory() const { return directory_; }
  std::optional<PartitionPositions> Positions() const;
  void RunRetention();

  // LogManager::Source
  const LogName& log_name() const override { return name_; }
  std::optional<LogPositions> CheckpointPositions() const override;
  void OnCheckpointed(uint64_t truncation_count) override;

 private:
  struct PendingAppend {
    AppendRequest request;
    AppendDone done;
    MonoTime deadline;
  };
  // An append of acks = -1 that is in the log and waits for the high watermark.
  struct AckWaiter {
    AppendOutcome outcome;
    AppendDone done;
    MonoTime deadline;
  };
  struct Watched {
    bool follower = false;
    Offset fetch_offset{0};
    Offset known_high_watermark{0};  // the follower's
  };

  void OnOpened(absl::StatusOr<LogManager::Opened> opened);
  void TakeRole();
  void BecomeLeader();
  void BecomeFollower();
  void StopLeading();
  void MaybeFinishRetiring();
  // Guards a task: false if this partition, or what it stands on, is gone, or the role changed.
  bool Current(LeaderEpoch epoch, Role role) const {
    return env_->alive && !retired_ && role_ == role && state_.leader_epoch == epoch;
  }

  void StartFlush();
  void OnFlushed(const FlushJob& job, const absl::Status& status);
  // Tells of a failed log, once.
  void CheckLog();

  void AdvanceHighWatermark();
  void SetHighWatermark(Offset high_watermark);
  void TryPropose();
  void Submit(const IsrProposal& proposal);
  void OnIsrOutcome(const IsrProposal& proposal, const IsrOutcome& outcome);
  void CountIsrChange(size_t before);
  void RetryIsrLater(Micros delay);
  void OnIsrChanged();
  void ArmLagTimer();

  void ScheduleDrain();
  void Drain();
  absl::Status CheckAppend(const PendingAppend& append, WallMillis now) const;
  absl::Status CheckBatch(const AppendRequest& request, WallMillis now) const;
  void OnAppended(PendingAppend append, absl::StatusOr<AppendResult> result);
  void AckUpTo(Offset high_watermark);
  void FailWaiters(const absl::Status& why);
  void ArmAckTimer();
  void OnAckTimer();
  AppendOutcome Refusal(absl::Status why) const;

  absl::Status CheckLeader(LeaderEpoch current_leader_epoch) const;
  absl::Status CheckFetch(const FetchSpec& spec, const FetchPartition& fetch) const;
  std::optional<EpochEndOffset> Divergence(const FetchSpec& spec,
                                           const FetchPartition& fetch) const;
  void WakeFollowers();
  void WakeForHighWatermark();
  void WakeAll();

  AnswerResult OnDiverging(const EpochEndOffset& answer);
  AnswerResult OnOutOfRange(const Answer& answer);
  // Cuts the log; `fully`: it then starts and ends at `end`.
  void TruncateTo(Offset end, bool fully);

  const std::shared_ptr<PartitionEnv> env_;
  const LogName name_;
  const TopicPartition id_;
  ReplicaConfig config_;
  Role role_ = Role::kOpening;
  PartitionState state_;                      // of the image
  LeaderEpoch taken_epoch_ = kNoLeaderEpoch;  // leader epoch of the role taken
  absl::Status offline_why_;
  bool damaged_ = false;       // the log did not open because of damage
  bool fetched_anew_ = false;  // MaybeFetchAnew set a log aside
  std::unique_ptr<Log> log_;   // null while opening, and if it cannot be opened
  std::string directory_;      // the log directory it is in
  Offset high_watermark_{0};
  std::optional<LeaderState> leader_;  // set exactly while leading

  bool flushing_ = false;
  bool failure_told_ = false;
  std::vector<std::pair<Offset, Task>> flush_waiters_;  // run once flushed up to the offset

  std::vector<PendingAppend> appends_;  // not yet written
  bool drain_posted_ = false;
  std::multimap<Offset, AckWaiter> ack_waiters_;  // by the high watermark they need
  TimerId ack_timer_ = TimerId::kNone;

  absl::btree_map<WatchKey, Watched> watches_;

  TimerId lag_timer_ = TimerId::kNone;
  TimerId isr_timer_ = TimerId::kNone;
  Micros isr_backoff_{0};

  // For simulated mistakes only (BugSwitches).
  NodeId followed_ = kNoNode;
  bool compares_epochs_ = true;

  bool opening_ = false;
  bool retired_ = false;
  absl::AnyInvocable<void(std::unique_ptr<Log>)> retire_done_;
};

}  // namespace quorate
