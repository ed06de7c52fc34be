// broker/group/group_coordinator.h
//
// GroupCoordinator serves the consumer groups whose partition of __consumer_offsets this broker
// leads: membership (classic protocol) and committed offsets. Start here.
//
//   handlers --- Join, Sync, Commit, .. ---> GroupCoordinator -> GroupShard (one per partition led)
//   OffsetsLog --- leads, high watermark -->       |                 `-> Group, offsets
//              <-- Append, Read ------------------'
//
// The log is the truth. A change of offsets is visible, and any change that must last is answered,
// once its record is committed by all in-sync replicas (K10). On becoming leader a partition is
// replayed to the end it has then, and served once all of that is committed; until then calls get
// COORDINATOR_LOAD_IN_PROGRESS. On losing the leadership everything is dropped. If an append ends
// without telling whether its record is in the log, the shard is loaded anew.
//
// Thread-compatible: owned by one data loop; every call and callback happens there. Callbacks run
// within the call that gave them or later, each at most once; destruction drops those still
// waiting.
// Source: KIP-62, 98, 211, 345, 394, 848 (OffsetCommit v9+); scenarios K1..K10.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/event_loop.h"
#include "base/random.h"
#include "broker/control/image_view.h"
#include "broker/group/group.h"
#include "broker/group/group_requests.h"
#include "broker/group/group_shard.h"
#include "broker/group/offsets_log.h"
#include "controller/image/metadata_delta.h"

namespace quorate {

struct GroupCoordinatorOptions {
  GroupLimits limits;
  size_t offset_metadata_max_bytes = 4096;                   // offset.metadata.max.bytes
  Micros offsets_retention = std::chrono::hours(24 * 7);     // offsets.retention.minutes
  Micros offsets_check_interval = std::chrono::minutes(10);  // offsets.retention.check.interval.ms
  int64_t load_chunk_bytes = 1 << 20;
  Micros load_retry = std::chrono::seconds(1);
  int32_t topic_partitions = 50;         // offsets.topic.num.partitions
  int32_t topic_replication_factor = 3;  // offsets.topic.replication.factor
  // A simulated mistake (BugSwitches, K1).
  bool keep_groups_when_deposed = false;
};

// All outlive it.
struct GroupCoordinatorEnv {
  EventLoop* loop = nullptr;
  Random* random = nullptr;
  OffsetsLog* log = nullptr;
  ImageView* images = nullptr;
};

class GroupCoordinator final : public OffsetsLog::Observer {
 public:
  GroupCoordinator(const GroupCoordinatorEnv& env, const GroupCoordinatorOptions& options);
  ~GroupCoordinator() override;
  GroupCoordinator(const GroupCoordinator&) = delete;
  GroupCoordinator& operator=(const GroupCoordinator&) = delete;

  // Follows the log from now on. Call once, on the loop.
  void Start();

  const GroupCoordinatorOptions& options() const { return options_; }
  // By the number of partitions the topic has, or will have once it is created.
  PartitionIndex PartitionFor(std::string_view group_id) const;

  // The calls below answer NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS and INVALID_GROUP_ID (an
  // empty id, where Kafka refuses it) beside what Group says.

  void Join(const JoinRequest& request, JoinDone done);
  void Sync(const SyncRequest& request, SyncDone done);
  // While the group is being loaded: kNone, as in Kafka, for the session may yet be alive.
  kafka::KafkaError Heartbeat(const std::string& group_id, const MemberIdentity& member,
                              int32_t generation);
  struct LeaveResult {
    kafka::KafkaError error = kafka::KafkaError::kNone;  // of the call as a whole
    std::vector<kafka::KafkaError> members;              // else one per member, in order
  };
  void Leave(const std::string& group_id, const std::vector<MemberIdentity>& members,
             absl::AnyInvocable<void(LeaveResult)> done);

  // One outcome per entry, in order. DURABLE: entries with kNone, by all in-sync replicas.
  // ERRORS: also OFFSET_METADATA_TOO_LARGE, COORDINATOR_NOT_AVAILABLE (not written, or not known
  // whether), INVALID_COMMIT_OFFSET_SIZE.
  void Commit(const CommitRequest& request,
              absl::AnyInvocable<void(std::vector<kafka::KafkaError>)> done);
  struct FetchedOffsets {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    // nullopt: nothing is committed.
    std::vector<std::pair<OffsetKey, std::optional<CommittedOffset>>> offsets;
  };
  // Of `keys`, in their order, or of everything committed, by key.
  FetchedOffsets FetchOffsets(const std::string& group_id,
                              const std::optional<std::vector<OffsetKey>>& keys) const;

  struct Listing {
    bool loading = false;  // some groups are not known yet
    std::vector<GroupListing> groups;
  };
  Listing List() const;
  GroupDescription Describe(const std::string& group_id) const;
  // ERRORS: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
  void Delete(const std::string& group_id, absl::AnyInvocable<void(kafka::KafkaError)> done);

  // Removes the offsets of topics that were deleted. Call for each change of the image.
  void OnImage(const MetadataDelta& delta);

  // OffsetsLog::Observer
  void OnBecomeLeader(PartitionIndex partition, LeaderEpoch epoch) override;
  void OnStopLeading(PartitionIndex partition) override;
  void OnHighWatermark(PartitionIndex partition, Offset high_watermark) override;

  // For tests and simulation checkers: everything a reload must bring back, as text.
  std::string DumpForTest() const;

 private:
  // What an append's end means for clients and for the shard.
  struct WriteOutcome {
    kafka::KafkaError error = kafka::KafkaError::kNone;
    bool reload = false;  // the record may be in the log: only a reload can tell
  };
  static WriteOutcome OutcomeOf(const absl::Status& status);

  // group_coordinator.cc
  kafka::KafkaError Locate(const std::string& group_id, GroupShard** shard) const;
  GroupTime Time() const;
  std::string NewMemberId(const JoinRequest& request);
  using AfterWrites = absl::AnyInvocable<void(kafka::KafkaError)>;
  void Emit(GroupShard& shard, GroupSlot& slot, GroupOutput out, AfterWrites after = nullptr);
  void OnGroupWritten(PartitionIndex partition, uint64_t shard_id, const std::string& group_id,
                      uint64_t write_id, const absl::Status& status);
  void Rearm(GroupShard& shard, GroupSlot& slot);
  void OnTimer(PartitionIndex partition, uint64_t shard_id, const std::string& group_id);
  void ForgetIfBlank(GroupShard& shard, const std::string& group_id);

  // group_loading.cc
  GroupShard* FindShard(PartitionIndex partition, uint64_t shard_id) const;
  void StartLoad(PartitionIndex partition, const OffsetsLog::Positions& positions);
  void ContinueLoad(PartitionIndex partition, uint64_t shard_id);
  void OnChunk(PartitionIndex partition, uint64_t shard_id,
               absl::StatusOr<OffsetsLog::Chunk> chunk);
  void RetryLoad(PartitionIndex partition, const absl::Status& why);
  void MaybeActivate(PartitionIndex partition, uint64_t shard_id);
  // Loads anew if still leading, else drops.
  void Reload(PartitionIndex partition);
  // Waiting requests get `error`.
  void Drop(PartitionIndex partition, kafka::KafkaError error);

  // group_offsets.cc
  // Appends tombstones for `keys`, and for the group itself if `whole`.
  void Remove(GroupShard& shard, GroupSlot& slot, const std::vector<OffsetKey>& keys, bool whole,
              AfterWrites done);
  void OnRecordsWritten(PartitionIndex partition, uint64_t shard_id, const std::string& group_id,
                        const std::vector<LogRecord>& records, const WriteOutcome& outcome);
  void CleanUp();
  bool IsExpired(const GroupSlot& slot, const CommittedOffset& offset, WallMillis wall) const;

  const GroupCoordinatorEnv env_;
  const GroupCoordinatorOptions options_;
  std::map<PartitionIndex, std::unique_ptr<GroupShard>> shards_;
  uint64_t last_shard_ = 0;
  uint64_t last_ticket_ = 0;
  TimerId cleanup_timer_ = TimerId::kNone;
  // False once destroyed; what waits in the log or the loop holds a copy.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
