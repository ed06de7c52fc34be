// raft/metadata_quorum.h
//
// MetadataQuorum is what the rest of a node sees of Raft: it proposes batches of opaque records
// and hears, in log order, what was committed. Implemented by RaftNode (raft/raft_node.h); tests
// of the controller use a single-node fake.
//
// Owned by the Raft loop; Propose and the getters are called there, and listeners run there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "raft/core/voter_set.h"
#include "raft/raft_status.h"
#include "raft/voter_change.h"

namespace quorate {

// One batch of the metadata log: records that were appended, and are committed, together.
struct MetadataBatch {
  LogIndex first;  // index of the first record; record i has index first + i
  Term term;
  WallMillis append_time = 0;  // leader's wall clock when it appended
  std::string cause;           // serialised pb::Cause; empty for the quorum's own control records
  bool control = false;        // leader-change and the like: to be skipped, but it takes its index
  std::vector<std::string> records;  // serialised pb::MetadataRecord each

  LogIndex end() const { return first + static_cast<int64_t>(records.size()); }  // exclusive
};

// The state that all records before `end` make, as records (controller/image/image_records.h).
struct MetadataSnapshot {
  LogIndex end;                      // exclusive; the end of a batch
  Term term;                         // of the last record before it
  WallMillis append_time = 0;        // leader's wall clock when it appended that
  std::vector<std::string> records;  // serialised pb::MetadataRecord each, in replay order
  // Of the quorum, in force at `end`; null while they are those of the configuration.
  std::shared_ptr<const raft::VoterSet> voters = nullptr;
};

// A state that can be written as a snapshot. Immutable; any thread.
class SnapshotState {
 public:
  virtual ~SnapshotState() = default;
  // The state is that of all records before end(), the end of a batch; it does not begin at 0.
  virtual LogIndex end() const = 0;
  virtual Term term() const = 0;  // of the last record before it
  // Gives the records of the state to `sink`, in replay order, in batches of at most
  // `max_batch_bytes`. ERRORS: those of `sink`.
  virtual absl::Status Write(
      size_t max_batch_bytes,
      absl::FunctionRef<absl::Status(std::vector<std::string> records)> sink) const = 0;
};

// Who leads the quorum, as this node knows it.
struct QuorumLeader {
  Term term;
  NodeId leader = kNoNode;  // kNoNode: unknown
  bool operator==(const QuorumLeader&) const = default;
};

// Hears of the quorum. All calls come on the Raft loop, in the order things happened.
class MetadataListener {
 public:
  virtual ~MetadataListener() = default;

  // Batches became known as committed: contiguous, each exactly once, from where delivery starts
  // (0, or what the node had stored), or from the end of the last OnSnapshot on.
  virtual void OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) = 0;

  // The state is now that of `snapshot`, which lies ahead of all that was given before: what it
  // lacks is gone. At the start of a node whose log does not begin at 0, and when it was so far
  // behind that the leader's log does not reach back; never while this node leads.
  virtual void OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) = 0;

  // The leader or the term changed.
  virtual void OnLeaderChange(const QuorumLeader& leader) = 0;

  // This node leads `term`, and every batch of earlier terms has been given to OnCommit: proposals
  // are accepted. Ends with the next OnLeaderChange.
  virtual void OnBecomeActive(Term term) = 0;
};

class MetadataQuorum {
 public:
  virtual ~MetadataQuorum() = default;

  // Registers before the quorum starts; the listener outlives it.
  virtual void AddListener(MetadataListener* listener) = 0;

  // Appends one batch to the leader's log, atomically, and returns the index of its first record.
  // It is committed once OnCommit shows it; if another leader takes over first it may be lost:
  // whoever waits learns that from OnLeaderChange.
  // REQUIRES: records not empty.
  // ERRORS: kFailedPrecondition if this node does not lead `term`; kInvalidArgument if the batch
  // exceeds max_batch_bytes(); kUnavailable if the log failed. Nothing was appended then.
  virtual absl::StatusOr<LogIndex> Propose(Term term, std::vector<std::string> records,
                                           std::string cause) = 0;

  virtual size_t max_batch_bytes() const = 0;
  virtual QuorumLeader leader() const = 0;
  virtual LogIndex commit_index() const = 0;   // exclusive
  virtual LogIndex log_end_index() const = 0;  // exclusive

  // The quorum as this node sees it now; only the leader knows how far the replicas are.
  virtual QuorumStatus Status() const = 0;

  // Finds out, by a round of fetches of a majority, whether this node still led the quorum when it
  // was asked, so that what it has committed by then is all that anybody had committed before:
  // linearizable reads (scenario C17). `done` runs once, on the loop, perhaps at once.
  // ERRORS to `done`: kFailedPrecondition: it did not, or is not the active leader yet.
  virtual void ConfirmLeadership(std::function<void(const absl::Status&)> done) = 0;

  // Changes the voters by one; `done` runs once, on the loop, perhaps at once. A node that does not
  // lead passes the change on to the leader.
  // ERRORS to `done`, each with what to do: as VotersAfter and RaftCore::CheckVoterChange;
  // kUnavailable or kDeadlineExceeded once the change is in the log: it may yet be committed.
  virtual void ChangeVoters(VoterChange change, VoterChangeDone done) = 0;
};

}  // namespace quorate
