// raft/core/ready.h
//
// Ready is what a RaftCore wants done after one Step. The driver carries the fields out in the
// order in which they stand here, and no later event reaches the core before that, except that
// flushing the log goes on in the background (event Flushed).
//
// Pure.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "raft/core/event.h"
#include "raft/core/messages.h"
#include "raft/core/role.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

// Becomes the control record at the start of a leader's term.
struct LeaderChangeRecord {
  NodeId leader = kNoNode;
  std::vector<NodeId> voters;
  std::vector<NodeId> granting;  // who voted for the leader, itself included
};

struct OutgoingRequest {
  CallId call{};
  NodeId to = kNoNode;
  std::variant<VoteRequest, FetchRequest, BeginTermRequest, EndTermRequest, FetchSnapshotRequest>
      message;
};

// The answer to a fetch. If `with_records`, the driver adds whole batches from `fetch_index`,
// at most the request's max_bytes but at least one if there is one.
struct FetchAnswer {
  FetchResponse response;
  bool with_records = false;
  LogIndex fetch_index;
  int32_t max_bytes = 0;
};

// The answer to a fetch of a snapshot. If `with_bytes`, the driver adds a piece of the snapshot
// from response.position on, at most `max_bytes` long, or turns the outcome to kNotFound.
struct SnapshotAnswer {
  FetchSnapshotResponse response;
  bool with_bytes = false;
  int32_t max_bytes = 0;
};

struct Reply {
  RequestId id{};
  std::variant<VoteResponse, FetchAnswer, BeginTermResponse, EndTermResponse, SnapshotAnswer>
      message;
};

// A piece of a snapshot that is being fetched.
struct SnapshotChunk {
  uint64_t download = 0;  // names the download; pieces of different ones are never put together
  SnapshotId snapshot;
  int64_t position = 0;  // where the piece belongs; 0: the file begins anew
  bool last = false;     // the snapshot is complete: to be checked, then event SnapshotChecked
};

struct RoleChange {
  Role role = Role::kUnattached;
  Term term;
  NodeId leader = kNoNode;
  bool operator==(const RoleChange&) const = default;
};

// The outcome of a ReadBarrier. Not confirmed: this node is not the active leader, or ceased to be.
struct ReadOutcome {
  uint64_t id = 0;
  bool confirmed = false;
};

struct Ready {
  // 1. Written and fsynced before anything below.
  std::optional<HardState> persist;
  // 2. The log is cut to this end.
  std::optional<LogIndex> truncate_to;
  // The snapshot that was checked becomes this replica's newest, durably, and the log is emptied:
  // it starts and ends where the snapshot ends. After a crash either nothing or all of it happened.
  std::optional<SnapshotId> install_snapshot;
  // The log starts here: what lies before is deleted.
  std::optional<LogIndex> delete_before;
  // The bytes of the FetchSnapshotResponse of this Step are kept.
  std::optional<SnapshotChunk> write_chunk;
  // 3. The batches of the FetchResponse of this Step are appended, all of them; then flushed.
  bool append_fetched = false;
  // 4. Appended at the log's end as a control batch of one record; then flushed.
  std::optional<LeaderChangeRecord> append_leader_change;
  // 4b. Appended behind that, in the same way: a voters record.
  std::optional<VoterSet> append_voters;
  // 5. Sent; an answer comes back as Response or CallFailed.
  std::vector<OutgoingRequest> requests;
  // 6. Answers to incoming requests. A fetch without one here is parked.
  std::vector<Reply> replies;
  // 7. All before it is committed; never goes back.
  std::optional<LogIndex> commit_index;
  // 8. Announced to who wants to know: role, term or leader changed.
  std::optional<RoleChange> role_change;
  // 8b. What was committed when these were asked for is before commit_index.
  std::vector<ReadOutcome> reads;
  // 9. For the log file of a person: what a peer sent that was refused, or an oddity.
  std::string note;
  // When the core wants a Tick at the latest; MonoTime::Max() = not at all.
  MonoTime wake_at = MonoTime::Max();
};

}  // namespace quorate::raft
