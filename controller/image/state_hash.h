// controller/image/state_hash.h
//
// StateHash stands for a whole metadata image: the sum of the hashes of its entries. An entry that
// changes is taken out and put in again, so keeping it costs O(changes), and its value does not
// depend on the order of the changes. Nodes compare it at equal log indexes (invariant I6).
//
// It finds mistakes, it does not resist an attacker.
//
// Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate {

// 128 bits, as two independent sums modulo 2^64. The default value is that of the empty image.
class StateHash {
 public:
  constexpr StateHash() = default;

  // `entry` is the entry's canonical bytes, its kind and key included.
  void Add(std::string_view entry);
  void Remove(std::string_view entry);

  // 32 hexadecimal digits.
  std::string ToString() const;

  auto operator<=>(const StateHash&) const = default;

 private:
  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

}  // namespace quorate
