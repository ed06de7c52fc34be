#include "base/fault_point.h"

#include <utility>

namespace quorate {
namespace {

std::vector<const FaultPoint*>& Registry() {
  static auto* const points = new std::vector<const FaultPoint*>;
  return *points;
}

}  // namespace

const std::vector<const FaultPoint*>& FaultPoints() { return Registry(); }

FaultDecider* SetFaultDecider(FaultDecider* decider) {
  return std::exchange(fault_internal::decider, decider);
}

namespace fault_internal {

constinit FaultDecider* decider = nullptr;

FaultPoint Register(std::string_view name, FaultPoint::Kind kind, const FaultPoint* at) {
  Registry().push_back(at);
  return {name, kind, Registry().size() - 1};
}

}  // namespace fault_internal
}  // namespace quorate
