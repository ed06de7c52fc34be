#include "tests/sim/checkers/isr_shape_checker.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace quorate::sim {
namespace {

bool Has(const std::vector<int32_t>& list, int32_t node) {
  return std::find(list.begin(), list.end(), node) != list.end();
}

}  // namespace

void IsrShapeChecker::OnState(const PartitionName& partition, int64_t index, const IsrShape& shape,
                              const std::set<int32_t>& fenced) {
  for (int32_t node : shape.isr) {
    if (!Has(shape.replicas, node)) Refuse(partition, index, shape, "the ISR is no replica set");
    if (Has(shape.elr, node)) Refuse(partition, index, shape, "a node is in ISR and ELR");
    if (shape.isr.size() > 1 && fenced.contains(node)) {
      Refuse(partition, index, shape, "a fenced broker is in the ISR");
    }
  }
  for (int32_t node : shape.elr) {
    if (!Has(shape.replicas, node)) Refuse(partition, index, shape, "the ELR is no replica set");
  }
  if (shape.leader >= 0 && !Has(shape.isr, shape.leader)) {
    Refuse(partition, index, shape, "the leader is not in the ISR");
  }
  if (shape.isr.size() >= static_cast<size_t>(min_isr_) && !shape.elr.empty()) {
    Refuse(partition, index, shape, "there is an ELR beside a full ISR");
  }
  auto& [leader_epoch, partition_epoch] = epochs_[partition];
  if (shape.leader_epoch < leader_epoch || shape.partition_epoch < partition_epoch) {
    Refuse(partition, index, shape, "an epoch went back");
  }
  leader_epoch = shape.leader_epoch;
  partition_epoch = shape.partition_epoch;
}

void IsrShapeChecker::Refuse(const PartitionName& partition, int64_t index, const IsrShape& shape,
                             const char* what) {
  verdict_.Add("isr-shape",
               absl::StrFormat("%s at metadata index %d: %s: leader %d in epoch %d, ISR [%s], ELR "
                               "[%s]",
                               partition.ToString(), index, what, shape.leader, shape.leader_epoch,
                               absl::StrJoin(shape.isr, " "), absl::StrJoin(shape.elr, " ")),
               {partition});
}

}  // namespace quorate::sim
