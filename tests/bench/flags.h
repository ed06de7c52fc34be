// tests/bench/flags.h
//
// Flags holds the command line of a measuring program: --name=value, later ones win, and
// --name=value repeated is kept in order for All().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::bench {

// Pure: constant after construction.
class Flags {
 public:
  // Parses argv; an argument of another shape, or a name not in `known`, prints `usage` to
  // standard error and exits with code 2.
  Flags(int argc, char** argv, const std::vector<std::string_view>& known, std::string_view usage);

  bool Has(std::string_view name) const;
  std::string Text(std::string_view name, std::string_view otherwise) const;

  // Exits with code 2 if the value is not a number.
  int64_t Number(std::string_view name, int64_t otherwise) const;

  std::vector<std::string> All(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;  // In command-line order.
};

}  // namespace quorate::bench
