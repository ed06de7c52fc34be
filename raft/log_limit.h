// raft/log_limit.h
//
// LogLimit keeps a peer that repeats itself from filling the log file: one line per peer and
// interval, which tells how many were left out.
//
// Thread-compatible. Remembers one entry per peer it was asked about: for voters, not for
// strangers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/ids.h"

namespace quorate {

class LogLimit {
 public:
  explicit LogLimit(Micros interval) : interval_(interval) {}

  // Something about `peer` is to be logged. Returns how many calls for it were refused since the
  // last one that was not; nullopt: leave it out, `interval` has not passed since then.
  std::optional<int64_t> Admit(NodeId peer, MonoTime now) {
    auto [it, first] = peers_.try_emplace(peer);
    Peer& state = it->second;
    if (!first && now < state.last + interval_) {
      ++state.suppressed;
      return std::nullopt;
    }
    const int64_t suppressed = state.suppressed;
    state = {now, 0};
    return suppressed;
  }

 private:
  struct Peer {
    MonoTime last;
    int64_t suppressed = 0;
  };
  const Micros interval_;
  std::map<NodeId, Peer> peers_;
};

}  // namespace quorate
