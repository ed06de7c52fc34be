#include "tests/sim/checkers/idle_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void IdleChecker::Check(const IdleMoment& begin, const IdleMoment& end) {
  const double seconds = end.seconds - begin.seconds;
  const auto events = static_cast<double>(end.events - begin.events);
  if (events > seconds * nodes_ * kEventsPerNodeAndSecond) {
    verdict_.Add("idle", absl::StrFormat("%.0f events in %.1f s without clients or faults", events,
                                         seconds));
  }
  if (begin.term != end.term) {
    verdict_.Add("stability",
                 absl::StrFormat("term %d became %d without a fault", begin.term, end.term));
  }
  if (begin.in_sync != end.in_sync) {
    verdict_.Add("stability", absl::StrFormat("the ISRs had %d members and have %d without a fault",
                                              begin.in_sync, end.in_sync));
  }
}

}  // namespace quorate::sim
