#include "tests/sim/checkers/flush_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void FlushChecker::OnClaim(int32_t node, int64_t claimed, int64_t on_disk) {
  if (claimed <= on_disk) return;
  verdict_.Add("flush",
               absl::StrFormat("node %d takes all below %d for durable, its disk has it up to %d",
                               node, claimed, on_disk),
               {{}, on_disk, node});
}

}  // namespace quorate::sim
