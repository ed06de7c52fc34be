// tests/sim/world/links.h
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// How messages travel between hosts, one way each.
struct LinkBehaviour {
  Micros low{100};  // delay, uniform in [low, high] ...
  Micros high{1000};
  double stall = 0.0;  // ... and with this chance a retransmission's time more
  double reset = 0.0;  // chance that a message breaks its stream or call instead
  // Chance that a call reaches its server only seconds later, in a buffer of the server's machine:
  // also after its client gave up, sent it again or died.
  double late = 0.0;
  // Chance that the transport delivers a call a second time, whose answer nobody takes.
  double twice = 0.0;
};

// The weather between all hosts of a world: delays, losses, partitions.
class Links {
 public:
  explicit Links(World& world) : world_(world) {}

  void set_behaviour(const LinkBehaviour& behaviour) { behaviour_ = behaviour; }
  // Cuts `from` -> `to` (one way). Streams and calls over a cut link stay silent, and break when
  // it lasts longer than kPatience.
  void Cut(const std::string& from, const std::string& to);
  void Heal(const std::string& from, const std::string& to) { cut_.erase({from, to}); }
  void HealAll() { cut_.clear(); }
  bool IsCut(const std::string& from, const std::string& to) const {
    return cut_.contains({from, to});
  }
  bool IsCutEitherWay(const std::string& a, const std::string& b) const {
    return IsCut(a, b) || IsCut(b, a);
  }

  // Calls `watcher` (kept for good) when a cut has lasted for kPatience.
  void WatchLongCuts(std::function<void(const std::string& from, const std::string& to)> watcher) {
    watchers_.push_back(std::move(watcher));
  }

  // How long after now `to` learns that its stream from `from`, a process that is gone, ended.
  Micros EndDelay(const Process& from, const std::string& to);

  // Time the next message takes.
  Micros Delay(const std::string& from, const std::string& to);
  // Whether the next message breaks its stream.
  bool Breaks(const std::string& from, const std::string& to);

  // How much later than others the next call arrives; 0 for most.
  Micros Lateness(const std::string& from, const std::string& to);

  // Whether the next call is delivered twice.
  bool Duplicates(const std::string& from, const std::string& to);

  World& world() { return world_; }

  // A silent peer is given up after this long (gRPC's pings, TCP's user time-out).
  static constexpr Micros kPatience = std::chrono::seconds(2);
  // How often a message over a cut link is tried again.
  static constexpr Micros kRetransmit = std::chrono::milliseconds(100);

 private:
  World& world_;
  LinkBehaviour behaviour_;
  std::map<std::pair<std::string, std::string>, uint64_t> cut_;  // which cut it was
  uint64_t cuts_ = 0;
  std::vector<std::function<void(const std::string&, const std::string&)>> watchers_;
};

}  // namespace quorate::sim
