#include "tests/sim/checkers/broker_epoch_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void BrokerEpochChecker::OnRegistration(int32_t node, int64_t epoch,
                                        const std::string& incarnation) {
  const auto [it, is_new] = latest_.emplace(node, std::pair(epoch, incarnation));
  if (is_new) return;
  auto& [last_epoch, last_incarnation] = it->second;
  const bool same = incarnation == last_incarnation;
  if (epoch < last_epoch || (epoch == last_epoch && !same)) {
    verdict_.Add("broker-epoch",
                 absl::StrFormat("broker %d: epoch %d of incarnation %s after epoch %d of %s", node,
                                 epoch, incarnation, last_epoch, last_incarnation),
                 {{}, -1, node});
  }
  last_epoch = epoch;
  last_incarnation = incarnation;
}

}  // namespace quorate::sim
