// tests/sim/cluster/sim_points.h
//
// SimPoints decides about the points of base/fault_point.h in one run: which BUGGIFY points are on
// follows from the seed and the point's name alone, when they fire from a stream of their own; a
// FAILPOINT can be armed to end the process that reaches it.
//
// One at a time, in one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/fault_point.h"
#include "base/random.h"
#include "base/task.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class SimPoints final : public FaultDecider {
 public:
  // Each BUGGIFY point is on with chance `share`; then the chance that its place asks for is
  // multiplied with `rate`, 0 to 1.
  SimPoints(World& world, uint64_t seed, double share, double rate);
  ~SimPoints() override;
  SimPoints(const SimPoints&) = delete;
  SimPoints& operator=(const SimPoints&) = delete;

  bool Fires(const FaultPoint& point, double p) override;
  void Reached(const FaultPoint& point) override;

  // Whether the BUGGIFY point of this name is on in this run.
  bool IsOn(std::string_view name) const;

  // BUGGIFY points disturb nothing any more, and nothing is armed.
  void Stop();

  // The process `victim` meets `die`, once, at the failpoint `name` when it comes there for the
  // (skip + 1)-th time from now on. One at a time: the last call counts. `die` runs inside the
  // victim's event.
  void Arm(const Process* victim, std::string name, int skip, Task die);
  void Disarm() { armed_.victim = nullptr; }
  bool armed() const { return armed_.victim != nullptr; }

  // Failpoints that were reached in this run, by name in order.
  std::vector<std::string> reached() const;
  // How often each point fired (BUGGIFY), or was reached (FAILPOINT), by name; all points.
  std::map<std::string, uint64_t> Counts() const;

 private:
  struct State {
    bool decided = false;
    bool on = false;
    uint64_t count = 0;
  };
  struct Armed {
    const Process* victim = nullptr;
    std::string name;
    int skip = 0;
    Task die;
  };

  State& StateOf(const FaultPoint& point);

  World& world_;
  const uint64_t seed_;
  const double share_;
  const double rate_;
  SeededRandom random_;
  bool stopped_ = false;
  std::vector<State> states_;  // by number
  Armed armed_;
  FaultDecider* const previous_;
};

}  // namespace quorate::sim
