#include "tests/sim/checkers/owner_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void OwnerChecker::OnOwner(int32_t generation, const PartitionName& partition,
                           const std::string& member) {
  const auto [it, fresh] = owners_.try_emplace({generation, partition}, member);
  if (fresh || it->second == member) return;
  verdict_.Add("group-owner",
               absl::StrFormat("%s belongs to %s and to %s in generation %d", partition.ToString(),
                               it->second, member, generation),
               {partition});
}

}  // namespace quorate::sim
