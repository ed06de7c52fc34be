#include "base/blocking_pool_contract.h"
#include "base/event_loop_contract.h"
#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

class LoopWorld final : public SimulatedWorld<EventLoopWorld> {
 public:
  EventLoop& loop() override { return server_.loop(); }
  void StopLoop() override { server_.Kill(); }
};

class PoolWorld final : public SimulatedWorld<BlockingPoolWorld> {
 public:
  EventLoop& loop() override { return server_.loop(); }
  BlockingPool& pool() override { return pool_; }

 private:
  SimPool pool_{server_, {}};
};

}  // namespace
}  // namespace quorate::sim

namespace quorate {
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, EventLoopContract, sim::LoopWorld);
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, BlockingPoolContract, sim::PoolWorld);
}  // namespace quorate
