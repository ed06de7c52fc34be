// base/contract_world.h
//
// What the contract suites (base/*_contract.h) need of the world that an implementation lives in,
// be it threads and real time or a simulation on one thread.
//
// A suite is instantiated with a default-constructible World derived from its abstract world:
//   INSTANTIATE_TYPED_TEST_SUITE_P(Posix, EventLoopContract, PosixEventLoopWorld);
#pragma once

#include <functional>

#include "base/event_loop.h"

namespace quorate {

// Moves loops from the outside. Called by the test's thread only, never on a loop.
class ContractWorld {
 public:
  virtual ~ContractWorld() = default;

  // Runs `task` on `loop`; returns when it has run.
  virtual void On(EventLoop& loop, Task task) = 0;

  // Lets the world go on until `condition`, evaluated on `loop` now and then, holds (true), or
  // `timeout` has passed on the loop's clock (false).
  virtual bool RunUntil(EventLoop& loop, std::function<bool()> condition, Micros timeout) = 0;

  // For what must happen: ample time.
  bool Eventually(EventLoop& loop, std::function<bool()> condition) {
    return RunUntil(loop, std::move(condition), std::chrono::seconds(20));
  }
  // For what must not happen: lets the world go on for a short while.
  void Settle(EventLoop& loop) {
    RunUntil(
        loop, [] { return false; }, Millis(20));
  }
};

}  // namespace quorate
