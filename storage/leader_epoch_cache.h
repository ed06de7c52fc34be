// storage/leader_epoch_cache.h
//
// LeaderEpochCache maps each leader epoch to the offset of its first record, for one partition
// replica. A leader consults it to tell a follower where their logs diverge.
//
// Thread-compatible: owned by the log's loop. Only memory: Log writes Serialize() to
// <log dir>/leader-epoch-checkpoint with each flush, and what the file lacks is rebuilt from the
// batches above the recovery point. Format: storage/FORMAT.md#leader-epochs.
// Invariant: epochs and start offsets are both strictly increasing.
// Source: KIP-101, KIP-279; Kafka storage/internals/epoch/LeaderEpochFileCache.java.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "storage/log_types.h"

namespace quorate {

// An epoch and the offset of its first record.
struct EpochStart {
  LeaderEpoch epoch;
  Offset start_offset;
  bool operator==(const EpochStart&) const = default;
};

class LeaderEpochCache {
 public:
  // Records that `epoch` begins at `start_offset`. An epoch that began at or above `start_offset`,
  // and so holds no record, is dropped. Ignored (returns false) if `epoch` <= the latest epoch.
  bool Assign(LeaderEpoch epoch, Offset start_offset);

  // The largest known epoch <= `epoch` and its end offset (EXCLUSIVE: the next epoch's start
  // offset, or `log_end_offset` for the latest epoch).
  // ERRORS: kNotFound if `epoch` precedes every known epoch.
  absl::StatusOr<EpochEndOffset> EndOffsetFor(LeaderEpoch epoch, Offset log_end_offset) const;

  // The epoch that `offset` belongs to, by start offsets alone; nullopt before the first.
  std::optional<LeaderEpoch> EpochAt(Offset offset) const;

  std::optional<LeaderEpoch> latest_epoch() const;
  // The largest epoch < `epoch`; nullopt if none.
  std::optional<LeaderEpoch> PreviousEpoch(LeaderEpoch epoch) const;
  bool empty() const { return entries_.empty(); }
  const std::vector<EpochStart>& entries() const { return entries_; }

  // Forgets epochs that begin at or above `end`.
  void TruncateFromEnd(Offset end);
  // The log now starts at `start`: forgets epochs that end at or below it; the one that spans it
  // begins there from now on.
  void TruncateFromStart(Offset start);
  void Clear();

  // Rises with every change; the owner compares it to know what to write.
  uint64_t version() const { return version_; }

  // The checkpoint file's text.
  std::string Serialize() const;
  // ERRORS: kDataLoss if `text` is torn or malformed or breaks the invariant.
  static absl::StatusOr<LeaderEpochCache> Parse(std::string_view text);

 private:
  std::vector<EpochStart> entries_;
  uint64_t version_ = 0;
};

// The offset to which a follower must truncate, given the leader's answer for the follower's
// latest epoch (`leader_answer`: the leader's largest epoch <= the one asked, with its end).
// The step of KIP-279: if the follower does not know that epoch it truncates to the end of its own
// largest epoch below it, and asks again (`final` false) when that is not yet the meeting point.
struct TruncationStep {
  Offset truncate_to{0};  // exclusive new end, <= the follower's end
  bool final = true;      // false: ask again with the follower's then latest epoch
};
TruncationStep NextTruncation(const LeaderEpochCache& follower, Offset follower_start,
                              Offset follower_end,
                              const std::optional<EpochEndOffset>& leader_answer);

}  // namespace quorate
