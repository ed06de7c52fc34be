#include "tests/sim/world/links.h"

namespace quorate::sim {

Micros Links::Delay(const std::string& from, const std::string& to) {
  if (from == to) return Micros(world_.random().Between(5, 50));
  Micros delay(world_.random().Between(behaviour_.low.count(), behaviour_.high.count()));
  if (behaviour_.stall > 0 && world_.random().Chance(behaviour_.stall)) delay += kRetransmit;
  return delay;
}

bool Links::Breaks(const std::string& from, const std::string& to) {
  return from != to && behaviour_.reset > 0 && world_.random().Chance(behaviour_.reset);
}

}  // namespace quorate::sim
