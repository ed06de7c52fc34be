// base/fault_point.h
//
// Named places in production code at which a simulation may disturb it. In a real process nobody
// decides, and a point costs one predictable branch.
//
//   BUGGIFY("area.name", p)    true with probability p, if the run has switched this point on: the
//                              code then does something rare that its contract allows (a tiny
//                              batch, a late flush, an early time-out, an error that callers must
//                              retry).
//   FAILPOINT("area.step")     tells that a step towards durability is reached: the simulation may
//                              end the process or its machine right here. What the code goes on to
//                              do in this event has no effect any more.
//
// A name may be used at several places; it is registered before main, whether its place is ever
// reached or not. Pure code (raft/core, codecs) has no points: its callers have them.
//
// Thread-safe to read: the decider is set while one thread runs, by a simulation only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace quorate {

struct FaultPoint {
  enum class Kind { kBuggify, kFailpoint };
  std::string_view name;
  Kind kind = Kind::kBuggify;
  // Its place in FaultPoints(): differs from build to build, so nothing may follow from it.
  size_t number = 0;
};

// All points of this program.
const std::vector<const FaultPoint*>& FaultPoints();

class FaultDecider {
 public:
  virtual ~FaultDecider() = default;
  // Whether a BUGGIFY point is to disturb this time; `p` is what its place asks for, 0 to 1.
  virtual bool Fires(const FaultPoint& point, double p) = 0;
  // A FAILPOINT is reached.
  virtual void Reached(const FaultPoint& point) = 0;
};

// Who decides from now on; nullptr = nobody, as in every real process. Returns who did before.
FaultDecider* SetFaultDecider(FaultDecider* decider);

namespace fault_internal {

extern FaultDecider* decider;

// Gives the point its number; called before main.
FaultPoint Register(std::string_view name, FaultPoint::Kind kind, const FaultPoint* at);

template <size_t N>
struct Name {
  char text[N];
  constexpr Name(const char (&literal)[N]) {  // NOLINT: literals become names
    for (size_t i = 0; i < N; ++i) text[i] = literal[i];
  }
};

template <Name name, FaultPoint::Kind kind>
struct PointOf {
  static inline const FaultPoint point =
      Register(std::string_view(name.text, sizeof(name.text) - 1), kind, &PointOf::point);
};

}  // namespace fault_internal
}  // namespace quorate

#define BUGGIFY(name, p)                                                 \
  (__builtin_expect(::quorate::fault_internal::decider != nullptr, 0) && \
   ::quorate::fault_internal::decider->Fires(                            \
       ::quorate::fault_internal::PointOf<name, ::quorate::FaultPoint::Kind::kBuggify>::point, p))

#define FAILPOINT(name)                                                                        \
  do {                                                                                         \
    if (__builtin_expect(::quorate::fault_internal::decider != nullptr, 0)) {                  \
      ::quorate::fault_internal::decider->Reached(                                             \
          ::quorate::fault_internal::PointOf<name,                                             \
                                             ::quorate::FaultPoint::Kind::kFailpoint>::point); \
    }                                                                                          \
  } while (false)
