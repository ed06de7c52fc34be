// tests/sim/checkers/broker_epoch_checker.h
//
// BrokerEpochChecker: one live broker epoch per id (I20): an epoch is given to one incarnation, and
// later ones are higher.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class BrokerEpochChecker {
 public:
  explicit BrokerEpochChecker(Verdict& verdict) : verdict_(verdict) {}

  // The metadata names this registration; called with metadata indexes in order.
  void OnRegistration(int32_t node, int64_t epoch, const std::string& incarnation);

 private:
  Verdict& verdict_;
  std::map<int32_t, std::pair<int64_t, std::string>> latest_;  // by node
};

}  // namespace quorate::sim
