// base/ids.h
//
// Strong integer ids: numbers that count different things are different types, so that an offset
// cannot be passed where a leader epoch is meant. See docs of each alias for unit and range.
//
// Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>

namespace quorate {

// An integer of type Rep that only mixes with itself. Adding an integer moves it, subtracting two
// gives a plain Rep. `Tag` is any incomplete type that names the kind.
template <typename Tag, typename Rep>
class StrongId {
 public:
  using rep = Rep;
  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr auto operator<=>(const StrongId&) const = default;
  constexpr StrongId& operator++() {
    ++value_;
    return *this;
  }
  constexpr StrongId operator+(Rep n) const { return StrongId(static_cast<Rep>(value_ + n)); }
  constexpr StrongId operator-(Rep n) const { return StrongId(static_cast<Rep>(value_ - n)); }
  constexpr StrongId& operator+=(Rep n) {
    value_ += n;
    return *this;
  }
  constexpr Rep operator-(StrongId other) const { return static_cast<Rep>(value_ - other.value_); }

  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, StrongId id) { return os << +id.value_; }

 private:
  Rep value_ = 0;
};

// A node of the cluster (controller, broker or both). >= 0; -1 means "none".
using NodeId = StrongId<struct NodeIdTag, int32_t>;
inline constexpr NodeId kNoNode{-1};

// Number of a partition within its topic, >= 0.
using PartitionIndex = StrongId<struct PartitionIndexTag, int32_t>;

// Position of a record in a data partition, >= 0; -1 means "none".
using Offset = StrongId<struct OffsetTag, int64_t>;
inline constexpr Offset kNoOffset{-1};

// Assigned by the controller at each leader change of one partition, >= 0; -1 means "none".
using LeaderEpoch = StrongId<struct LeaderEpochTag, int32_t>;
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};

// Bumped at every change of a partition's state; fences AlterPartition. >= 0; -1 means "none".
using PartitionEpoch = StrongId<struct PartitionEpochTag, int32_t>;
inline constexpr PartitionEpoch kNoPartitionEpoch{-1};

// Number the controller gives to one registration of a broker (the log index of its record).
// >= 0; -1 means "not registered".
using BrokerEpoch = StrongId<struct BrokerEpochTag, int64_t>;
inline constexpr BrokerEpoch kNoBrokerEpoch{-1};

// Raft term of the metadata quorum, >= 0; 0 before the first election.
using Term = StrongId<struct TermTag, int32_t>;

// Position of a record in the metadata log, >= 0.
using LogIndex = StrongId<struct LogIndexTag, int64_t>;

// Idempotent producer's id (>= 0; -1 "none") and epoch (0..32766; -1 "none").
using ProducerId = StrongId<struct ProducerIdTag, int64_t>;
using ProducerEpoch = StrongId<struct ProducerEpochTag, int16_t>;
inline constexpr ProducerId kNoProducerId{-1};
inline constexpr ProducerEpoch kNoProducerEpoch{-1};

}  // namespace quorate

template <typename Tag, typename Rep>
struct std::hash<quorate::StrongId<Tag, Rep>> {
  size_t operator()(quorate::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>{}(id.value());
  }
};
