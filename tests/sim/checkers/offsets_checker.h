// tests/sim/checkers/offsets_checker.h
//
// OffsetsChecker: the offset committed under a group's name, by one client that commits ever higher
// ones and one at a time, never goes back (I31): a read finds at least what was acknowledged before
// it began, at least what an earlier read found, and nothing that was never sent.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/sim/checkers/verdict.h"

namespace quorate::sim {

class OffsetsChecker {
 public:
  explicit OffsetsChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnSent(const std::string& group, int64_t offset);
  // The read began when `acked` was the highest acknowledged offset (-1: none), and found `offset`
  // (-1: none).
  void OnRead(const std::string& group, int64_t acked, int64_t offset);

 private:
  struct Group {
    int64_t sent = -1;
    int64_t read = -1;  // the highest
  };

  Verdict& verdict_;
  std::map<std::string, Group> groups_;
};

}  // namespace quorate::sim
