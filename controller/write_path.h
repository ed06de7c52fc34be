// controller/write_path.h
//
// WritePath is the one way changes get into the metadata log (decision D6). It holds the two
// images of a controller:
//
//   committed     what the quorum has committed; the same as every node's
//   speculative   committed + what this controller, while active, has proposed since
//
// An operation validates against the speculative image, is proposed, and is answered when it is
// committed; meanwhile the next one builds on it. With its term the speculation is dropped and
// everyone who waits is told so.
//
// Thread-compatible: owned by the Raft loop.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "controller/change_set.h"
#include "controller/image/cause.h"
#include "controller/image/metadata_image.h"
#include "controller/partition_lookup.h"
#include "raft/metadata_quorum.h"

namespace quorate {

class WritePath {
 public:
  // Hears when a change is committed: with the index (exclusive) at which images show it. Or that
  // it is not known to be: the controller was deposed (it may still be committed by the next one),
  // or the log refused it.
  using Done = absl::AnyInvocable<void(absl::StatusOr<LogIndex>)>;

  explicit WritePath(MetadataQuorum* quorum) : quorum_(*quorum) {}

  // Begins with a state that was loaded from a store. Call at most once, before OnCommit.
  void Restore(const MetadataImage& image);

  // Begins a term as the active controller. REQUIRES: !active().
  void Activate(Term term);
  // Ends it: drops the speculation and gives everyone who waits `why`. Nothing if not active.
  void Deactivate(const absl::Status& why);
  bool active() const { return active_; }
  Term term() const { return term_; }

  // Operations that are not answered yet.
  size_t waiting() const { return waiting_.size(); }

  // Follows the log. Completes operations if active.
  // ERRORS: a committed batch cannot be replayed: the images stay before it for good.
  absl::Status OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches);

  // The committed state is now `image`, which lies ahead of it. REQUIRES: !active().
  void LoadSnapshot(MetadataImage image);

  const MetadataImage& committed() const { return committed_; }
  const MetadataImage& speculative() const { return speculative_; }
  // Of the speculative image.
  const PartitionLookup& lookup() const { return lookup_; }

  // An operation on the speculative image. REQUIRES: active().
  ChangeSet Begin() const;

  // Proposes what Begin gave, with nothing proposed in between, and calls `done` (never within
  // the call if it waits; at once if all that it builds on is committed already). An empty
  // operation waits for what its answer rests on: all that is proposed so far.
  // REQUIRES: active().
  void Commit(ChangeSet changes, const Cause& cause, Done done);

 private:
  struct PendingBatch {
    LogIndex first;
    LogIndex end;
  };
  struct Waiting {
    LogIndex end;
    Done done;
  };

  absl::Status ApplyCommitted(const MetadataBatch& batch);
  MetadataImage ReplayAll(LogIndex index,
                          const std::vector<std::vector<std::string>>& batches) const;
  void CheckOwnCommit(const MetadataBatch& batch);

  MetadataQuorum& quorum_;
  bool active_ = false;
  Term term_;
  MetadataImage committed_;
  MetadataImage speculative_;
  PartitionLookup lookup_;
  std::deque<PendingBatch> pending_;  // proposed, not committed, in log order
  std::set<TopicPartition> touched_;  // may differ between the two images
  std::deque<Waiting> waiting_;       // ends ascending
  absl::Status failure_;
};

}  // namespace quorate
