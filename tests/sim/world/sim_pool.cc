#include "tests/sim/world/sim_pool.h"

namespace quorate::sim {

void SimPool::Run(Task work) {
  if (!process_.alive()) return;
  World& world = process_.world();
  const Micros delay(world.random().Between(latency_.low.count(), latency_.high.count()));
  world.ScheduleIn(delay, &process_, std::move(work));
}

}  // namespace quorate::sim
