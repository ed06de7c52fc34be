// raft/core/fetcher_state.h
//
// FetcherState is the fetching side of a follower or an observer: whom it asks, what is under way
// and when it gives up.
//
// Thread-compatible: owned by a RaftCore.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/ids.h"
#include "raft/core/event.h"

namespace quorate::raft {

struct FetcherState {
  NodeId source = kNoNode;          // the leader, or for an observer the voter it asks
  std::optional<CallId> in_flight;  // at most one fetch at a time
  LogIndex fetch_index;             // of the one in flight
  uint64_t read_round = 0;          // the latest that the source told
  bool sign_of_life = false;        // the one in flight asks for no records
  bool heard = false;               // the source answered as leader since we follow it
  bool link_broken = false;         // the last fetch failed
  MonoTime last_answer;             // when it last answered as leader, or when we began to follow
  MonoTime deadline;                // the source counts as hung from here on
  MonoTime retry_at = MonoTime::Max();     // next fetch after a failed one
  MonoTime campaign_at = MonoTime::Max();  // pre-vote after a broken link; voters only
};

}  // namespace quorate::raft
