// tests/sim/world/sim_pool.h
#pragma once

#include "base/blocking_pool.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// How long a piece of blocking work takes: uniform in [low, high].
struct PoolLatency {
  Micros low{20};
  Micros high{2000};
  // The work takes effect at some moment of that time, and its end is known when it is over: what
  // comes in between is not covered by a sync, say. Else all of it happens at the end.
  bool effect_early = false;
};

// BlockingPool of one process: work runs, whole, after a random delay, so pieces overtake each
// other. What has not run when the process dies never runs.
class SimPool final : public BlockingPool {
 public:
  SimPool(Process& process, PoolLatency latency) : process_(process), latency_(latency) {}
  void Run(Task work) override;
  // Slow and fast disks: holds from the next piece of work on.
  void set_latency(PoolLatency latency) { latency_ = latency; }

 private:
  Process& process_;
  PoolLatency latency_;
};

}  // namespace quorate::sim
