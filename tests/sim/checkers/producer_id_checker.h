// tests/sim/checkers/producer_id_checker.h
//
// ProducerIdChecker: no producer id is given out twice (I29).
#pragma once

#include <cstdint>
#include <set>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class ProducerIdChecker {
 public:
  explicit ProducerIdChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnProducerId(int64_t id);

 private:
  Verdict& verdict_;
  std::set<int64_t> given_;
};

}  // namespace quorate::sim
