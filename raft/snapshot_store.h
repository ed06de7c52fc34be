// raft/snapshot_store.h
//
// SnapshotStore knows the snapshots in a metadata log directory and decides which of them stay. The
// newest is never removed, and as long as there are two, nor is the one before it: the log starts
// at the end of the oldest, so that a damaged newest snapshot costs nothing but time, and a
// follower that lags a little finds its records in the log.
//
// Thread-compatible: owned by the Raft loop. The functions that make or look through files are
// static: they run on the BlockingPool.
// Source: KIP-630.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "raft/core/messages.h"
#include "raft/metadata_quorum.h"
#include "raft/snapshot_file.h"

namespace quorate {

// Which snapshots, with the log from their end on, are kept beyond the two newest.
struct SnapshotRetention {
  int64_t bytes = 100 << 20;                // of log and snapshots together; < 0: no limit
  int64_t age_ms = 7 * 24 * 3600 * 1000LL;  // since the state of the snapshot; < 0: no limit
};

class SnapshotStore {
 public:
  // Lists the snapshots of `directory` and removes what downloads and unfinished ones left behind.
  // BLOCKS. ERRORS: as FileSystem.
  static absl::StatusOr<std::unique_ptr<SnapshotStore>> Open(FileSystem* file_system,
                                                             std::string directory,
                                                             std::string cluster_id);

  // Looks through the newest snapshot, then, if it is damaged, the one before, and so on; damaged
  // ones are set aside as "<name>.corrupt" (scenario E11: never deleted) and forgotten. Null if
  // none is valid. BLOCKS. ERRORS: kFailedPrecondition (another cluster's); as FileSystem.
  absl::StatusOr<std::shared_ptr<const MetadataSnapshot>> LoadNewest();

  // Oldest first.
  const std::vector<raft::SnapshotId>& snapshots() const { return snapshots_; }
  // end 0 if there is none.
  raft::SnapshotId newest() const {
    return snapshots_.empty() ? raft::SnapshotId{} : snapshots_.back();
  }
  bool contains(const raft::SnapshotId& id) const;
  // Snapshots that LoadNewest set aside, by path.
  const std::vector<std::string>& set_aside() const { return set_aside_; }
  std::string PathOf(const raft::SnapshotId& id) const;
  // Where a snapshot is written, or fetched to, before it has its name.
  std::string PartPathOf(const raft::SnapshotId& id, bool fetched) const;

  // Notes a snapshot that is durable under its name. REQUIRES: newer than all others.
  void Add(const raft::SnapshotId& id, WallMillis append_time, int64_t size_bytes);

  // Forgets the snapshots whose end is below `end`; returns the paths to remove.
  std::vector<std::string> TakeBefore(LogIndex end);
  // Forgets the oldest snapshots that `retention` does not ask for, never one of the two newest;
  // returns the paths to remove. `log_bytes(end)`: size of the log from `end` on.
  std::vector<std::string> TakeExpired(const SnapshotRetention& retention, WallMillis now,
                                       absl::FunctionRef<int64_t(LogIndex end)> log_bytes);

  // Writes `state` as snapshot `header.id` and gives it its name. Returns its size in bytes.
  // BLOCKS. DURABLE: when OK. ERRORS: as FileSystem, those of `state`; no name was given then, or
  // it was taken back.
  static absl::StatusOr<int64_t> Write(FileSystem* file_system, const std::string& directory,
                                       const SnapshotHeader& header, const SnapshotState& state,
                                       size_t max_batch_bytes);

  // Gives the synced file at `part` the name `path`.
  // BLOCKS. DURABLE: when OK. ERRORS: as FileSystem; the file has neither name then, or it is not
  // known which.
  static absl::Status Publish(FileSystem* file_system, const std::string& part,
                              const std::string& path);

 private:
  struct Facts {
    WallMillis append_time = 0;
    int64_t size_bytes = 0;
  };
  SnapshotStore(FileSystem* file_system, std::string directory, std::string cluster_id)
      : file_system_(file_system),
        directory_(std::move(directory)),
        cluster_id_(std::move(cluster_id)) {}

  FileSystem* const file_system_;
  const std::string directory_;
  const std::string cluster_id_;
  std::vector<raft::SnapshotId> snapshots_;
  std::vector<Facts> facts_;  // of snapshots_, in the same order
  std::vector<std::string> set_aside_;
};

}  // namespace quorate
