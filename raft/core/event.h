// raft/core/event.h
//
// What happens to a RaftCore: each struct is one input of Step.
//
// Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "raft/core/messages.h"
#include "raft/core/voter_set.h"

namespace quorate::raft {

// Names an incoming request that waits for its answer; chosen by the driver, never reused.
enum class RequestId : uint64_t {};

// Names an outgoing request; chosen by the core, rising.
enum class CallId : uint64_t {};

// Time passed; due at Ready::wake_at or at any other time.
struct Tick {};

template <typename Message>
struct Request {
  RequestId id{};
  Message message;
};

template <typename Message>
struct Response {
  CallId call{};
  NodeId from = kNoNode;  // whom the request went to
  Message message;
};

// An outgoing request got no answer: refused, broken while open, timed out or unreadable.
struct CallFailed {
  CallId call{};
  NodeId to = kNoNode;
};

// The caller of a parked fetch is gone.
struct FetchBroken {
  RequestId id{};
};

// The leader's driver appended proposals of the current term: [the old log end, end).
struct Appended {
  LogIndex end;
};

// A flush that was started when the log's end was `end` and RaftCore::truncations() had the value
// `truncations` has finished.
struct Flushed {
  LogIndex end;
  uint64_t truncations = 0;
};

// A snapshot of this node's own state is durable. What lies before `log_start`, which is the end of
// this or of an older durable snapshot, is not needed any more.
// REQUIRES: snapshot.end <= commit_index(); log_start <= snapshot.end and <= durable_end().
struct SnapshotTaken {
  SnapshotId snapshot;
  LogIndex log_start;
};

// A download came to its end: `ok` if, after its last SnapshotChunk, the snapshot was looked
// through from end to end, is what it says, and all of it is durable. Not ok at any time: a piece
// could not be kept, or the whole is damaged.
struct SnapshotChecked {
  uint64_t download = 0;
  bool ok = false;
  // Those in force at the snapshot's end, by its header; null: those of the configuration.
  std::shared_ptr<const VoterSet> voters = nullptr;
};

// The state in Ready::persist is durable and all the rest of that Ready is carried out; restarts
// the timers, so that a slow disk is not taken for a dead leader (scenario C19).
struct StatePersisted {};

// A voters record with `next` is to be appended. REQUIRES: RaftCore::CheckVoterChange(next) is OK.
struct ChangeVoters {
  VoterSet next;
};

// Somebody wants to read what is committed now, and no less (dissertation 6.4; scenario C17). The
// leader starts a round: its answers carry the round's number, and fetches of a majority that carry
// it back were sent after this event, so no other leader had committed anything before it. The
// outcome comes in Ready::reads, of this step or a later one.
struct ReadBarrier {
  uint64_t id = 0;  // chosen by the driver, never reused
};

// The node is going away: a leader hands over, and no campaign starts any more.
struct Shutdown {};

using Event =
    std::variant<Tick, Request<VoteRequest>, Request<FetchRequest>, Request<BeginTermRequest>,
                 Request<EndTermRequest>, Request<FetchSnapshotRequest>, Response<VoteResponse>,
                 Response<FetchResponse>, Response<BeginTermResponse>, Response<EndTermResponse>,
                 Response<FetchSnapshotResponse>, CallFailed, FetchBroken, Appended, Flushed,
                 SnapshotTaken, SnapshotChecked, StatePersisted, ChangeVoters, ReadBarrier,
                 Shutdown>;

}  // namespace quorate::raft
