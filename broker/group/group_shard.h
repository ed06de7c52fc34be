// broker/group/group_shard.h
//
// GroupShard is what this broker knows of the groups in one partition of __consumer_offsets, for
// one term of leadership: the fold of the partition's records, and from Activate on the living
// groups. A shard that may no longer be true is thrown away and made anew from the log.
//
// Thread-compatible: owned by GroupCoordinator's loop. Invariant: after Activate the offsets are
// those of committed records only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "broker/group/group.h"
#include "broker/group/group_records.h"
#include "broker/group/group_requests.h"

namespace quorate {

using JoinDone = absl::AnyInvocable<void(JoinResult)>;
using SyncDone = absl::AnyInvocable<void(SyncResult)>;

// A group with its offsets.
struct GroupSlot {
  GroupSlot(const std::string& id, const GroupLimits* limits) : group(id, limits) {}
  Group group;
  std::map<OffsetKey, CommittedOffset> offsets;
  // The last record of the group itself; set while loading only.
  std::optional<GroupSnapshot> loaded;
  bool recorded = false;   // the log has a record of the group itself
  int pending_writes = 0;  // of anything in this slot
  TimerId timer = TimerId::kNone;
  MonoTime timer_due = MonoTime::Max();

  // Nothing would be lost by forgetting it.
  bool IsBlank() const {
    return group.IsIdle() && offsets.empty() && !recorded && pending_writes == 0;
  }
};

class GroupShard {
 public:
  // `limits` outlives it. `id` is never used for another shard.
  GroupShard(PartitionIndex partition, LeaderEpoch epoch, uint64_t id, const GroupLimits* limits)
      : partition_(partition), epoch_(epoch), id_(id), limits_(limits) {}

  PartitionIndex partition() const { return partition_; }
  LeaderEpoch epoch() const { return epoch_; }
  uint64_t id() const { return id_; }
  // For a simulated mistake only: a shard never lives on into another epoch.
  void MistakeEpochFor(LeaderEpoch epoch) { epoch_ = epoch; }
  bool active() const { return active_; }

  // Takes in a record that is committed, or, before Activate, will be by then. A record that cannot
  // be read is logged and skipped.
  void Replay(const LogRecord& record);
  // Everything up to the end of the log at the start of this leadership was replayed and is
  // committed: groups come to life.
  void Activate(GroupTime time);

  GroupSlot* Find(const std::string& group_id);
  GroupSlot& FindOrAdd(const std::string& group_id);
  // REQUIRES: its timer was cancelled.
  void Erase(const std::string& group_id) { slots_.erase(group_id); }
  std::map<std::string, std::unique_ptr<GroupSlot>>& slots() { return slots_; }
  int64_t skipped_records() const { return skipped_records_; }

  // Requests that wait, by ticket.
  std::map<GroupTicket, JoinDone> joins;
  std::map<GroupTicket, SyncDone> syncs;
  // Loading: the next offset to read, and where the log ended when it began.
  Offset load_next{0};
  Offset load_end{0};
  bool load_failed = false;  // and is to be tried again at load_retry
  TimerId load_retry = TimerId::kNone;

 private:
  void ReplayOffset(const OffsetRecord& record);
  void ReplayGroup(const GroupRecord& record);

  const PartitionIndex partition_;
  LeaderEpoch epoch_;
  const uint64_t id_;
  const GroupLimits* const limits_;
  bool active_ = false;
  int64_t skipped_records_ = 0;
  std::map<std::string, std::unique_ptr<GroupSlot>> slots_;
};

}  // namespace quorate
