#include "tests/sim/world/sim_pool.h"

namespace quorate::sim {

void SimPool::Run(Task work) {
  if (!process_.alive()) return;
  World& world = process_.world();
  const Micros delay(world.random().Between(latency_.low.count(), latency_.high.count()));
  if (!latency_.effect_early) return world.ScheduleIn(delay, &process_, std::move(work)), void();
  const Micros effect(world.random().Between(0, delay.count()));
  world.ScheduleIn(effect, &process_,
                   [&process = process_, rest = delay - effect, work = std::move(work)]() mutable {
                     process.set_post_delay(rest);
                     work();
                     process.set_post_delay(Micros(0));
                   });
}

}  // namespace quorate::sim
