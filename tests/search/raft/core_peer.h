// tests/search/raft/core_peer.h
//
// RaftCorePeer sees and normalises the inside of a RaftCore; see node_state.h.
//
// Tests only.
#pragma once

#include <array>
#include <string>

#include "raft/core/raft_core.h"

namespace quorate::raft {

class RaftCorePeer {
 public:
  static MonoTime now(const RaftCore& core) { return core.now_; }
  // When a follower that waits for its fsync fetches all the same.
  static MonoTime SignOfLife(const RaftCore& core) {
    return core.fetcher_.last_answer + core.config_.fetch_timeout / 4;
  }
  static bool WaitsForFsync(const RaftCore& core) {
    return core.role_ == Role::kFollower && !core.fetcher_.in_flight &&
           core.durable_end_ < core.log_end_ && core.now_ < SignOfLife(core);
  }
  static const CoreConfig& config(const RaftCore& core) { return core.config_; }

  // Numbers the open calls from 1; returns what became of calls 0 to 7.
  static std::array<uint8_t, 8> RenumberCalls(RaftCore* core) {
    std::array<uint8_t, 8> calls{};
    uint64_t first = 0;  // of those that are open
    uint64_t end = 0;
    if (core->role_ == Role::kProspective || core->role_ == Role::kCandidate) {
      first = 1;
      end = core->next_call_;
      while (!core->tally_.IsOfThisRound(CallId{first})) ++first;
      VoteTally tally(core->config_.self.node, CallId{1});
      for (NodeId node : core->tally_.granting()) tally.Count(node, true);
      core->tally_ = tally;  // refusals only shorten a delay
    } else {
      core->tally_ = VoteTally();
      if (core->fetcher_.in_flight) {
        first = static_cast<uint64_t>(*core->fetcher_.in_flight);
        end = first + 1;
        core->fetcher_.in_flight = CallId{1};
      }
    }
    core->next_call_ = end - first + 1;
    for (uint64_t call = first; call < end && call < calls.size(); ++call) {
      if (call > 0) calls[call] = static_cast<uint8_t>(call - first + 1);
    }
    return calls;
  }

  // 1 if a flush that began before the last truncation may still end, else 0.
  static void SetTruncations(RaftCore* core, uint64_t truncations) {
    core->truncations_ = truncations;
  }

  // Time stands at `now`: what is due is due now, all else in a second. Delays, hints and ages are
  // reset.
  static void Forget(RaftCore* core, MonoTime now) {
    const MonoTime then = core->now_;
    const auto fix = [then, now](MonoTime* time) {
      if (*time != MonoTime::Max()) *time = *time <= then ? now : now + Millis(1000);
    };
    core->ready_ = Ready{};
    core->hard_.leader = kNoNode;
    core->campaign_at_ = now;
    core->prospective_since_ = now;
    core->failures_ = 0;
    fix(&core->fetcher_.deadline);
    fix(&core->fetcher_.retry_at);
    fix(&core->fetcher_.campaign_at);
    if (core->role_ == Role::kFollower) {
      const bool silent = then >= SignOfLife(*core);
      core->fetcher_.last_answer = silent ? now - core->config_.fetch_timeout / 4 : now;
    }
    core->now_ = now;
    if (core->role_ != Role::kLeader) return;
    LeaderState fresh(core->config_.self.node, core->voters(), core->leader_->term_start(), now);
    for (const ReplicaProgress& progress : core->leader_->Replicas()) {
      if (progress.match_end > LogIndex(0)) {
        fresh.NoteFetch(progress.key, progress.match_end, progress.match_end, now);
      }
    }
    core->leader_ = std::move(fresh);
    core->leader_->next_begin_term = now;
  }

  // What Forget leaves, and the log and disk of the node do not tell.
  static void AppendBytes(const RaftCore& core, std::string* out) {
    const auto number = [out](int64_t value) {
      out->push_back(static_cast<char>(value));
      out->push_back(static_cast<char>(value >> 8));
    };
    number(static_cast<int64_t>(core.role_));
    number(core.hard_.term.value());
    number(core.hard_.voted_for.node.value());
    number(core.log_end_.value());
    number(core.term_starts_.last_term().value());
    number(core.durable_end_.value());
    number(core.commit_.value());
    number(core.stopping_ ? 1 : 0);
    number(core.ended_leader_.value());
    number(static_cast<int64_t>(core.next_call_));
    for (NodeId node : core.tally_.granting()) number(node.value());
    number(-2);
    if (core.leader_) {
      number(core.leader_->term_start().value());
      for (const ReplicaProgress& progress : core.leader_->Replicas()) {
        number(progress.match_end.value());
      }
      number(-2);
    }
    const FetcherState& fetcher = core.fetcher_;
    number(fetcher.source.value());
    if (fetcher.source == kNoNode) return;
    number(fetcher.in_flight ? 1 : 0);
    number(fetcher.in_flight ? fetcher.fetch_index.value() : 0);
    number((fetcher.sign_of_life && fetcher.in_flight ? 1 : 0) + (fetcher.heard ? 2 : 0) +
           (fetcher.link_broken ? 4 : 0) + (core.now_ < fetcher.deadline ? 8 : 0) +
           (fetcher.retry_at == MonoTime::Max() ? 16
            : core.now_ < fetcher.retry_at      ? 32
                                                : 0) +
           (fetcher.campaign_at == MonoTime::Max() ? 64 : 0) +
           (core.now_ < SignOfLife(core) ? 128 : 0));
  }
};

}  // namespace quorate::raft
