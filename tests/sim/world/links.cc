#include "tests/sim/world/links.h"

namespace quorate::sim {

void Links::Cut(const std::string& from, const std::string& to) {
  const uint64_t cut = ++cuts_;
  if (!cut_.try_emplace({from, to}, cut).second) return;
  world_.ScheduleIn(kPatience, nullptr, [this, from, to, cut] {
    const auto it = cut_.find({from, to});
    if (it == cut_.end() || it->second != cut) return;
    for (const auto& watcher : watchers_) watcher(from, to);
  });
}

Micros Links::EndDelay(const Process& from, const std::string& to) {
  if (from.died_silently() || IsCut(from.host(), to)) return kPatience;
  return Delay(from.host(), to);
}

Micros Links::Delay(const std::string& from, const std::string& to) {
  if (from == to) return Micros(world_.random().Between(5, 50));
  Micros delay(world_.random().Between(behaviour_.low.count(), behaviour_.high.count()));
  if (behaviour_.stall > 0 && world_.random().Chance(behaviour_.stall)) delay += kRetransmit;
  return delay;
}

Micros Links::Lateness(const std::string& from, const std::string& to) {
  if (behaviour_.late <= 0 || from == to || !world_.random().Chance(behaviour_.late)) {
    return Micros(0);
  }
  return Micros(world_.random().Between(500'000, 20'000'000));
}

bool Links::Duplicates(const std::string& from, const std::string& to) {
  return from != to && behaviour_.twice > 0 && world_.random().Chance(behaviour_.twice);
}

bool Links::Breaks(const std::string& from, const std::string& to) {
  return from != to && behaviour_.reset > 0 && world_.random().Chance(behaviour_.reset);
}

}  // namespace quorate::sim
