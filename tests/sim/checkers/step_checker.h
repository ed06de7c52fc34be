// tests/sim/checkers/step_checker.h
//
// StepChecker: no event goes on for long (I34): neither does one event bring about very many others
// (tasks, timers, messages), nor do events go on bringing about each other while no time passes.
#pragma once

#include <cstdint>

#include "absl/strings/str_format.h"
#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class StepChecker {
 public:
  // Ten times what runs without a mistake come to.
  static constexpr uint64_t kAtOnce = 2'000;
  static constexpr uint64_t kByOne = 1'500;

  explicit StepChecker(Verdict& verdict) : verdict_(verdict) {}

  // The most events so far at one moment, and the most that one event brought about.
  void OnSteps(uint64_t at_once, uint64_t by_one) {
    if (at_once > kAtOnce) {
      verdict_.Add("steps", absl::StrFormat("%d events, and no time passes", at_once));
    } else if (by_one > kByOne) {
      verdict_.Add("steps", absl::StrFormat("one event brings about %d others", by_one));
    }
  }

 private:
  Verdict& verdict_;
};

}  // namespace quorate::sim
