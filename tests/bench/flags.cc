#include "tests/bench/flags.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace quorate::bench {
namespace {

[[noreturn]] void Exit(std::string_view message) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
  std::exit(2);
}

}  // namespace

Flags::Flags(int argc, char** argv, const std::vector<std::string_view>& known,
             std::string_view usage) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    const size_t equals = argument.find('=');
    if (!argument.starts_with("--") || equals == std::string_view::npos) Exit(usage);
    const std::string_view name = argument.substr(2, equals - 2);
    if (std::find(known.begin(), known.end(), name) == known.end()) Exit(usage);
    values_.emplace_back(name, argument.substr(equals + 1));
  }
}

bool Flags::Has(std::string_view name) const { return !All(name).empty(); }

std::string Flags::Text(std::string_view name, std::string_view otherwise) const {
  const std::vector<std::string> all = All(name);
  return all.empty() ? std::string(otherwise) : all.back();
}

int64_t Flags::Number(std::string_view name, int64_t otherwise) const {
  const std::vector<std::string> all = All(name);
  if (all.empty()) return otherwise;
  int64_t number = 0;
  const char* end = all.back().data() + all.back().size();
  const auto [stopped, error] = std::from_chars(all.back().data(), end, number);
  if (error != std::errc() || stopped != end) Exit("not a number: " + all.back());
  return number;
}

std::vector<std::string> Flags::All(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : values_) {
    if (key == name) found.push_back(value);
  }
  return found;
}

}  // namespace quorate::bench
