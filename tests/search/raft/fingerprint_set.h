// tests/search/raft/fingerprint_set.h
//
// FingerprintSet: 64-bit fingerprints in one flat table, 8 bytes each at a load of at most 3/4.
//
// Thread-compatible; tests only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quorate::raft::search {

// Mixes `value` into `hash`.
inline uint64_t Fold(uint64_t hash, uint64_t value) {
  const auto product = static_cast<unsigned __int128>(hash ^ value ^ 0x9e3779b97f4a7c15u) *
                       (value + 0xd1b54a32d192ed03u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ (hash << 7);
}

inline uint64_t Finish(uint64_t hash) {
  hash ^= hash >> 30;
  hash *= 0xbf58476d1ce4e5b9u;
  hash ^= hash >> 27;
  hash *= 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

class FingerprintSet {
 public:
  FingerprintSet() : slots_(1 << 16) {}

  // True if it was not in the set before.
  bool Insert(uint64_t fingerprint) {
    if (fingerprint == 0) fingerprint = 1;  // 0 marks a free slot
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    if (!Place(fingerprint)) return false;
    ++size_;
    return true;
  }
  // Begins to fetch the place of `fingerprint` from memory, for an Insert soon after.
  void Prefetch(uint64_t fingerprint) const {
    __builtin_prefetch(&slots_[fingerprint & (slots_.size() - 1)]);
  }
  size_t size() const { return size_; }
  size_t bytes() const { return slots_.size() * sizeof(uint64_t); }

 private:
  bool Place(uint64_t fingerprint) {
    size_t at = fingerprint & (slots_.size() - 1);
    while (slots_[at] != 0) {
      if (slots_[at] == fingerprint) return false;
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = fingerprint;
    return true;
  }
  void Grow() {
    std::vector<uint64_t> old(slots_.size() * 2);
    old.swap(slots_);
    for (uint64_t fingerprint : old) {
      if (fingerprint != 0) Place(fingerprint);
    }
  }

  std::vector<uint64_t> slots_;
  size_t size_ = 0;
};

}  // namespace quorate::raft::search
