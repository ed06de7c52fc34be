// broker/replica/replica_manager.h
//
// ReplicaManager owns the partitions assigned to this broker: their logs and directories, their
// roles by the metadata image, replication, and the produce and fetch paths. Start here.
//
//   handlers ---- Append, Fetch, ListOffsets ----> ReplicaManager -> Partition -> storage Log
//   image loader -- ApplyImage ------------------>      |               | LeaderState (HW, ISR)
//   controller channel <-- IsrUpdater ------------------+               | FetchPurgatory
//                                          ReplicaFetcher, one per leader broker
//
// Thread-compatible: owned by one data loop; every call and callback happens there. Blocking work
// (opening logs, flushes, removals, checkpoints) runs on the BlockingPool.
// Callbacks may run within the call that gave them or later, each exactly once; they may make
// requests again, but not call ApplyImage, Stop or the destructor. Destruction drops those still
// waiting.
//
// On disk, per log directory: see broker/replica/FORMAT.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/network.h"
#include "base/random.h"
#include "broker/replica/bug_switches.h"
#include "broker/replica/isr_updater.h"
#include "broker/replica/partition_observer.h"
#include "broker/replica/replica_requests.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

struct ReplicaManagerOptions {
  NodeId broker = kNoNode;
  // log.dirs; at least one, existing and locked by the caller.
  std::vector<std::string> log_directories;
  // server.properties, for topic configs without a dynamic value.
  ConfigMap static_config;

  Micros replica_lag_max = std::chrono::seconds(30);  // replica.lag.time.max.ms
  Micros replica_fetch_wait_max = std::chrono::milliseconds(500);
  int32_t replica_fetch_max_bytes = 1 << 20;  // per partition
  int32_t replica_fetch_response_max_bytes = 10 << 20;
  Micros fetch_backoff_min = std::chrono::milliseconds(10);
  Micros fetch_backoff_max = std::chrono::milliseconds(100);
  Micros replica_request_timeout = std::chrono::seconds(30);  // replica.socket.timeout.ms
  Micros retention_check_interval = std::chrono::minutes(5);  // log.retention.check.interval.ms
  Micros checkpoint_interval = std::chrono::seconds(5);
  // Disk space reserved ahead of a partition's data; see LogConfig::preallocate_bytes.
  int64_t preallocate_bytes = 16 << 20;
  BugSwitches bugs;
};

// What ReplicaManager stands on. All outlive it.
struct ReplicaManagerEnv {
  EventLoop* loop = nullptr;
  BlockingPool* pool = nullptr;
  FileSystem* file_system = nullptr;
  Network* network = nullptr;
  Random* random = nullptr;
  IsrUpdater* isr_updater = nullptr;
  // A log directory failed (fsync error, EIO): its partitions answer KAFKA_STORAGE_ERROR from now
  // on. The composition root decides what follows; with a single directory it ends the process.
  // Called once per directory, as a task of its own.
  std::function<void(const std::string& directory, const absl::Status& why)> on_directory_failed;
};

struct ReplicaManagerStats {
  int64_t partitions = 0;
  int64_t leaders = 0;
  int64_t offline_partitions = 0;  // in failed directories, or whose log does not open
  int64_t under_replicated = 0;    // led here, |ISR| < replicas
  int64_t under_min_isr = 0;       // led here, |ISR| < min.insync.replicas
  int64_t parked_fetches = 0;
  int64_t isr_shrinks = 0;  // committed
  int64_t isr_expands = 0;
  int64_t failed_isr_updates = 0;
  int64_t stray_directories = 0;  // found at start or set aside, served by nobody
  int64_t truncations = 0;        // of followers, by divergence
};

class ReplicaManager {
 public:
  ReplicaManager(const ReplicaManagerEnv& env, ReplicaManagerOptions options);
  ~ReplicaManager();
  ReplicaManager(const ReplicaManager&) = delete;
  ReplicaManager& operator=(const ReplicaManager&) = delete;

  // --- Life ---

  // Reads what the directories hold and removes their clean-shutdown marks. Opens no log yet.
  // Returns the broker epoch of the last run if every directory was left cleanly by the same one,
  // else kNoBrokerEpoch: the value for RegisterBrokerRequest.previous_broker_epoch (KIP-966).
  // BLOCKS: a few small files per directory. Call once, first.
  // ERRORS: as FileSystem; a directory that cannot be read stops the start.
  absl::StatusOr<BrokerEpoch> Start();

  // The epoch of this broker's registration; own fetches carry it from the next one on, and the
  // clean-shutdown mark.
  void SetBrokerEpoch(BrokerEpoch epoch);

  // Makes the partitions follow the image: created, removed, new roles, ISR, configs, brokers.
  // Costs O(changes). Logs open in the background; requests for a partition that is being opened
  // wait. REQUIRES: `delta` leads from the image of the last call (at first: the empty one) to
  // `image`. The first call comes once the image has the broker's own registration: earlier states
  // of the log are history and must not be acted on. It sets the logs aside that were found at
  // the start and that the image does not assign to this broker.
  void ApplyImage(ImagePtr image, const MetadataDelta& delta);

  // Ends fetchers and all waiting requests, flushes and closes every log, writes checkpoints and,
  // if `clean` and all of it worked, the clean-shutdown marks. `done` runs once all is on disk.
  // Nothing but destruction may follow.
  void Stop(bool clean, Task done);

  // --- Requests ---

  // Appends to a partition led here. Appends of one loop round are gathered into one write.
  // Answered at the append for acks 0 and 1; for acks -1 once the high watermark passed the last
  // record, which means by the partition's durability level that every in-sync replica holds it.
  // Order of calls is the order in the log.
  void Append(AppendRequest request, AppendDone done);

  // Reads from partitions led here. Answers at once if min_bytes are there, max_wait is zero, a
  // partition has an error or diverges, or a follower's high watermark is behind; else it waits
  // for exactly its partitions, up to max_wait. With `internal` and a replica id the fetch offsets
  // acknowledge what lies below them: the follower must hold it by the durability level.
  // Returns kNone if `done` ran within the call.
  FetchId Fetch(FetchSpec spec, FetchDone done);
  // Drops a waiting fetch and its callback (its connection closed). kNone, and one that was
  // answered, are ignored.
  void CancelFetch(FetchId id);

  using ListOffsetsDone = absl::AnyInvocable<void(std::vector<ListOffsetsOutcome>)>;
  // One outcome per query, in order.
  void ListOffsets(std::vector<ListOffsetsQuery> queries, ListOffsetsDone done);

  // One outcome per query, in order (OffsetForLeaderEpoch, KIP-320).
  std::vector<EpochEndOutcome> EndOffsetsFor(const std::vector<EpochEndQuery>& queries) const;

  // --- Looking in ---

  // nullopt if the partition is not on this broker or its log is not open.
  std::optional<PartitionPositions> Positions(const TopicPartition& partition) const;

  // Batches in [from, `upper`) of a replica here, leader or not; for coordinators, which read what
  // they are responsible for themselves. `upper` <= the log end. The bytes may be copied out with
  // LogReadResult::ToBytes.
  // ERRORS: kNotFound (no such replica or not open), kOutOfRange, kDataLoss.
  absl::StatusOr<LogReadResult> Read(const TopicPartition& partition, Offset from, Offset upper,
                                     int64_t max_bytes) const;

  // From now on `observer`, which outlives this or is taken back with nullptr, hears of the
  // partitions of the topic with this name; of those led now by calls that are posted at once.
  void Observe(const std::string& topic, PartitionObserver* observer);

  ReplicaManagerStats stats() const;
  // The directory `partition` is in, empty if it is not on this broker; for DescribeLogDirs.
  std::string DirectoryOf(const TopicPartition& partition) const;

  class Impl;
  // For tests and simulation checkers only.
  Impl* impl() { return impl_.get(); }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate
