// tests/sim/checkers/idle_checker.h
//
// IdleChecker: a healed cluster without clients is quiet (I35) and stable (I10): few events, no new
// term, no shrunk ISR. (Partition leaders may change: preferred replicas take over again.)
#pragma once

#include <cstdint>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

// The state of a cluster at one moment.
struct IdleMoment {
  double seconds = 0;
  uint64_t events = 0;
  int32_t term = 0;
  int64_t in_sync = 0;  // members of all ISRs
};

class IdleChecker {
 public:
  // Simulated events that a quiet node and its partitions may cause in a second, watching included.
  static constexpr double kEventsPerNodeAndSecond = 1000;

  IdleChecker(Verdict& verdict, int nodes) : verdict_(verdict), nodes_(nodes) {}

  void Check(const IdleMoment& begin, const IdleMoment& end);

 private:
  Verdict& verdict_;
  const int nodes_;
};

}  // namespace quorate::sim
