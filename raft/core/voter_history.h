// raft/core/voter_history.h
//
// VoterHistory knows, for one replica of the metadata log, which voter set each index brought: the
// base before the log (of the snapshot there, of the formatting or of the configuration), then one
// set per voters record. A set holds from the moment its record is
// appended, committed or not, and is gone when the record is truncated away (scenario D12).
//
//   base set | [ ... voters {1,2,3} ... voters {1,2,3,4} ... end)   latest() = {1,2,3,4}
//
// Thread-compatible: owned by a RaftCore (or by who builds it from a log).
// Invariant: indexes are strictly increasing.
// Source: KIP-853; dissertation, 4.1.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

class VoterHistory {
 public:
  VoterHistory() = default;
  // `dynamic`: the base was decided by the quorum (a snapshot's header) or at formatting, so it may
  // be changed; else it is the one of the configuration, and the same on all nodes.
  explicit VoterHistory(VoterSet base, bool dynamic = false)
      : base_(std::move(base)), base_is_dynamic_(dynamic) {}

  // The record at `index` brings `voters`. REQUIRES: index beyond every earlier record.
  void Append(LogIndex index, VoterSet voters);

  // The log now ends at `end`: the sets that began there or later are forgotten.
  void TruncateTo(LogIndex end);

  // The log now starts at `start`: the records before it are forgotten, and the set that the last
  // of them brought is the base.
  void TruncateFront(LogIndex start);

  // What holds now: the last record's set, or the base.
  const VoterSet& latest() const { return records_.empty() ? base_ : records_.back().voters; }
  // The set in force in a log that ends at `end`, exclusive.
  const VoterSet& At(LogIndex end) const;
  // The same as a snapshot that ends at `end` has to tell it: null while the voters are still those
  // of the configuration.
  std::shared_ptr<const VoterSet> ForSnapshot(LogIndex end) const;
  // The index of the last voters record; nullopt if the log has none.
  std::optional<LogIndex> latest_index() const;

  // True if the voters may be changed (as kraft.version 1 of Kafka).
  bool dynamic() const { return base_is_dynamic_ || !records_.empty(); }
  const VoterSet& base() const { return base_; }

  struct Record {
    LogIndex index;
    VoterSet voters;
  };
  // Those of the log, in order.
  const std::vector<Record>& records() const { return records_; }

 private:
  VoterSet base_;
  bool base_is_dynamic_ = false;
  std::vector<Record> records_;
};

}  // namespace quorate::raft
