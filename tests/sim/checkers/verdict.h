#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// Something that must never happen, and did.
struct Violation {
  std::string checker;
  std::string text;  // one sentence with names and numbers
  Subject subject;
};

// Collects violations; a run with one has failed. Keeps the first few.
class Verdict {
 public:
  static constexpr size_t kKept = 10;
  void Add(std::string checker, std::string text, Subject subject = {}) {
    ++count_;
    if (violations_.size() >= kKept) return;
    violations_.push_back({std::move(checker), std::move(text), std::move(subject)});
  }
  bool ok() const { return count_ == 0; }
  size_t count() const { return count_; }
  const std::vector<Violation>& violations() const { return violations_; }

 private:
  size_t count_ = 0;
  std::vector<Violation> violations_;
};

}  // namespace quorate::sim
