#include "tests/sim/checkers/producer_id_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void ProducerIdChecker::OnProducerId(int64_t id) {
  if (given_.insert(id).second) return;
  verdict_.Add("producer-id", absl::StrFormat("producer id %d was given out twice", id));
}

}  // namespace quorate::sim
