#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace quorate::sim {

// Something that must never happen, and did.
struct Violation {
  std::string checker;
  std::string text;  // one sentence with names and numbers
};

// Collects violations; a run with one has failed. Keeps the first few.
class Verdict {
 public:
  static constexpr size_t kKept = 10;
  void Add(std::string checker, std::string text) {
    ++count_;
    if (violations_.size() < kKept) violations_.push_back({std::move(checker), std::move(text)});
  }
  bool ok() const { return count_ == 0; }
  size_t count() const { return count_; }
  const std::vector<Violation>& violations() const { return violations_; }

 private:
  size_t count_ = 0;
  std::vector<Violation> violations_;
};

}  // namespace quorate::sim
