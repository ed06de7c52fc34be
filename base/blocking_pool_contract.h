// base/blocking_pool_contract.h
//
// The suite that every BlockingPool passes.
#pragma once

#include <atomic>
#include <memory>

#include "base/blocking_pool.h"
#include "base/contract_world.h"
#include "gtest/gtest.h"

namespace quorate {

class BlockingPoolWorld : public ContractWorld {
 public:
  // A running loop, and a pool that may post to it.
  virtual EventLoop& loop() = 0;
  virtual BlockingPool& pool() = 0;
};

template <typename World>
class BlockingPoolContract : public testing::Test {
 protected:
  EventLoop& loop() { return world_.loop(); }
  BlockingPool& pool() { return world_.pool(); }
  bool Eventually(std::function<bool()> condition) {
    return world_.Eventually(loop(), std::move(condition));
  }

  // Before the world: work left may use it.
  std::atomic<int> ran_{0};
  World world_;
};

TYPED_TEST_SUITE_P(BlockingPoolContract);

TYPED_TEST_P(BlockingPoolContract, RunsEachPieceOfWorkOnce) {
  for (int i = 0; i < 200; ++i) this->pool().Run([this] { ++this->ran_; });
  EXPECT_TRUE(this->Eventually([this] { return this->ran_ >= 200; }));
  this->world_.Settle(this->loop());
  EXPECT_EQ(this->ran_, 200);
}

TYPED_TEST_P(BlockingPoolContract, WorkMayQueueMoreWork) {
  this->pool().Run([this] { this->pool().Run([this] { ++this->ran_; }); });
  EXPECT_TRUE(this->Eventually([this] { return this->ran_ == 1; }));
}

TYPED_TEST_P(BlockingPoolContract, WorkIsDestroyedOnceItRan) {
  auto token = std::make_shared<int>(0);
  this->pool().Run([token] {});
  EXPECT_TRUE(this->Eventually([&] { return token.use_count() == 1; }));
}

TYPED_TEST_P(BlockingPoolContract, RunThenCarriesTheResultToTheLoop) {
  int result = 0;
  bool on_loop = false;
  this->world_.On(this->loop(), [&] {
    this->pool().RunThen(
        &this->loop(), [] { return std::make_unique<int>(42); },
        [&](std::unique_ptr<int> value) {
          on_loop = this->loop().OnLoop();
          result = *value;
        });
  });
  EXPECT_TRUE(this->Eventually([&] { return result == 42; }));
  EXPECT_TRUE(on_loop);
}

TYPED_TEST_P(BlockingPoolContract, RunThenNeverCompletesInsideTheCall) {
  bool done = false;
  bool inside = false;
  this->world_.On(this->loop(), [&] {
    this->pool().RunThen(
        &this->loop(), [] { return 1; }, [&](int) { done = true; });
    inside = done;
  });
  EXPECT_FALSE(inside);
  EXPECT_TRUE(this->Eventually([&] { return done; }));
}

REGISTER_TYPED_TEST_SUITE_P(BlockingPoolContract, RunsEachPieceOfWorkOnce, WorkMayQueueMoreWork,
                            WorkIsDestroyedOnceItRan, RunThenCarriesTheResultToTheLoop,
                            RunThenNeverCompletesInsideTheCall);

}  // namespace quorate
