#include "tests/sim/checkers/offsets_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void OffsetsChecker::OnSent(const std::string& group, int64_t offset) {
  groups_[group].sent = std::max(groups_[group].sent, offset);
}

void OffsetsChecker::OnRead(const std::string& group, int64_t acked, int64_t offset) {
  Group& state = groups_[group];
  if (offset < acked) {
    verdict_.Add("group-offsets",
                 absl::StrFormat("group %s is at offset %d, though %d was acknowledged", group,
                                 offset, acked));
  } else if (offset < state.read) {
    verdict_.Add("group-offsets", absl::StrFormat("group %s is at offset %d, though %d was read",
                                                  group, offset, state.read));
  } else if (offset > state.sent) {
    verdict_.Add("group-offsets",
                 absl::StrFormat("group %s is at offset %d, which was never sent", group, offset));
  }
  state.read = std::max(state.read, offset);
}

}  // namespace quorate::sim
