// tests/sim/checkers/owner_checker.h
//
// OwnerChecker: in one generation of a group a partition has one owner (I32).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class OwnerChecker {
 public:
  explicit OwnerChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnOwner(int32_t generation, const PartitionName& partition, const std::string& member);

 private:
  Verdict& verdict_;
  std::map<std::pair<int32_t, PartitionName>, std::string> owners_;
};

}  // namespace quorate::sim
