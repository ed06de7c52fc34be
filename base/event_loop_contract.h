// base/event_loop_contract.h
//
// The suite that every EventLoop passes.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "base/contract_world.h"
#include "base/event_loop.h"
#include "gtest/gtest.h"

namespace quorate {

class EventLoopWorld : public ContractWorld {
 public:
  // A running loop.
  virtual EventLoop& loop() = 0;
  // Stops it for good; returns once it has stopped. Called on no loop.
  virtual void StopLoop() = 0;
};

template <typename World>
class EventLoopContract : public testing::Test {
 protected:
  EventLoop& loop() { return world_.loop(); }
  void On(Task task) { world_.On(loop(), std::move(task)); }
  bool Eventually(std::function<bool()> condition) {
    return world_.Eventually(loop(), std::move(condition));
  }
  void Settle() { world_.Settle(loop()); }

  // Before the world: it may be destroyed with tasks left that use these.
  std::vector<int> ran_;
  std::shared_ptr<int> token_ = std::make_shared<int>(0);
  World world_;
};

TYPED_TEST_SUITE_P(EventLoopContract);

TYPED_TEST_P(EventLoopContract, RunsTasksInTheOrderPosted) {
  this->On([this] {
    for (int i = 0; i < 100; ++i) this->loop().Post([this, i] { this->ran_.push_back(i); });
  });
  ASSERT_TRUE(this->Eventually([this] { return this->ran_.size() == 100u; }));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(this->ran_[i], i);
}

TYPED_TEST_P(EventLoopContract, NeverRunsATaskInsidePost) {
  bool inside = false;
  this->On([this, &inside] {
    this->loop().Post([this] { this->ran_.push_back(1); });
    inside = !this->ran_.empty();
  });
  EXPECT_FALSE(inside);
  EXPECT_TRUE(this->Eventually([this] { return this->ran_.size() == 1u; }));
}

TYPED_TEST_P(EventLoopContract, TasksMayBePostedFromOutside) {
  for (int i = 0; i < 10; ++i) this->loop().Post([this, i] { this->ran_.push_back(i); });
  ASSERT_TRUE(this->Eventually([this] { return this->ran_.size() == 10u; }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(this->ran_[i], i);
}

TYPED_TEST_P(EventLoopContract, ATaskIsDestroyedOnceItRan) {
  this->loop().Post([token = this->token_] {});
  EXPECT_TRUE(this->Eventually([this] { return this->token_.use_count() == 1; }));
}

TYPED_TEST_P(EventLoopContract, ATimerRunsOnceItsDelayHasPassed) {
  MonoTime set, ran;
  bool done = false;
  this->On([&] {
    set = this->loop().Now();
    this->loop().RunAfter(Millis(3), [&] {
      ran = this->loop().Now();
      done = true;
    });
  });
  ASSERT_TRUE(this->Eventually([&] { return done; }));
  EXPECT_GE((ran - set).count(), 3000);
}

TYPED_TEST_P(EventLoopContract, ATimerWithoutDelayDoesNotRunInsideTheCall) {
  bool inside = false;
  this->On([this, &inside] {
    this->loop().RunAfter(Micros(0), [this] { this->ran_.push_back(1); });
    inside = !this->ran_.empty();
  });
  EXPECT_FALSE(inside);
  EXPECT_TRUE(this->Eventually([this] { return this->ran_.size() == 1u; }));
}

TYPED_TEST_P(EventLoopContract, TimersRunInTheOrderOfTheirDueTimes) {
  this->On([this] {
    for (int ms : {9, 3, 6}) {
      this->loop().RunAfter(Millis(ms), [this, ms] { this->ran_.push_back(ms); });
    }
  });
  ASSERT_TRUE(this->Eventually([this] { return this->ran_.size() == 3u; }));
  EXPECT_EQ(this->ran_, (std::vector<int>{3, 6, 9}));
}

TYPED_TEST_P(EventLoopContract, EqualDueTimesRunInTheOrderOfTheCalls) {
  this->On([this] {
    for (int i = 0; i < 50; ++i) {
      this->loop().RunAfter(Millis(1), [this, i] { this->ran_.push_back(i); });
    }
  });
  ASSERT_TRUE(this->Eventually([this] { return this->ran_.size() == 50u; }));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(this->ran_[i], i);
}

TYPED_TEST_P(EventLoopContract, ATimerMaySetTheNext) {
  std::function<void()> again = [&] {
    this->ran_.push_back(0);
    if (this->ran_.size() < 5) this->loop().RunAfter(Micros(10), [&] { again(); });
  };
  this->On([&] { again(); });
  EXPECT_TRUE(this->Eventually([this] { return this->ran_.size() == 5u; }));
}

TYPED_TEST_P(EventLoopContract, ACancelledTimerDoesNotRunAndIsDestroyed) {
  bool cancelled = false;
  bool ran = false;
  this->On([&] {
    const TimerId timer =
        this->loop().RunAfter(Millis(1), [&ran, token = this->token_] { ran = true; });
    cancelled = this->loop().Cancel(timer);
  });
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(this->token_.use_count(), 1);
  this->Settle();
  EXPECT_FALSE(ran);
}

TYPED_TEST_P(EventLoopContract, CancelOfWhatIsNotPendingIsIgnored) {
  bool none = true, twice = true, after = true;
  bool done = false;
  TimerId ran = TimerId::kNone;
  this->On([&] {
    none = this->loop().Cancel(TimerId::kNone);
    const TimerId timer = this->loop().RunAfter(Millis(1), [] {});
    this->loop().Cancel(timer);
    twice = this->loop().Cancel(timer);
    ran = this->loop().RunAfter(Micros(1), [&] { done = true; });
  });
  ASSERT_TRUE(this->Eventually([&] { return done; }));
  this->On([&] { after = this->loop().Cancel(ran); });
  EXPECT_FALSE(none);
  EXPECT_FALSE(twice);
  EXPECT_FALSE(after);
}

TYPED_TEST_P(EventLoopContract, ManyTimersComeAndGo) {
  // The calls take time as well, so a due time is known as a range only.
  MonoTime last_earliest;
  bool sorted = true;
  int left = 0;
  this->On([&] {
    std::vector<TimerId> timers;
    for (int i = 0; i < 5000; ++i) {
      const Micros delay(20'000 + (i * 7919) % 5000 * 10);
      const MonoTime earliest = this->loop().Now() + delay;
      auto latest = std::make_shared<MonoTime>();
      timers.push_back(this->loop().RunAfter(delay, [&, earliest, latest] {
        sorted = sorted && *latest >= last_earliest;
        last_earliest = std::max(last_earliest, earliest);
        --left;
      }));
      *latest = this->loop().Now() + delay;
      ++left;
    }
    for (size_t i = 0; i < timers.size(); ++i) {
      if (i % 10 != 0 && this->loop().Cancel(timers[i])) --left;
    }
  });
  EXPECT_TRUE(this->Eventually([&] { return left == 0; }));
  EXPECT_TRUE(sorted);
}

TYPED_TEST_P(EventLoopContract, OnLoopIsTrueInTasksOnly) {
  EXPECT_FALSE(this->loop().OnLoop());
  bool inside = false;
  this->On([&] { inside = this->loop().OnLoop(); });
  EXPECT_TRUE(inside);
}

TYPED_TEST_P(EventLoopContract, WhatIsLeftWhenTheLoopStopsIsDestroyedUnrun) {
  bool ran = false;
  this->On([&] {
    this->loop().RunAfter(std::chrono::hours(1), [&ran, token = this->token_] { ran = true; });
  });
  this->world_.StopLoop();
  this->loop().Post([&ran, token = this->token_] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_EQ(this->token_.use_count(), 1);
}

REGISTER_TYPED_TEST_SUITE_P(EventLoopContract, RunsTasksInTheOrderPosted, NeverRunsATaskInsidePost,
                            TasksMayBePostedFromOutside, ATaskIsDestroyedOnceItRan,
                            ATimerRunsOnceItsDelayHasPassed,
                            ATimerWithoutDelayDoesNotRunInsideTheCall,
                            TimersRunInTheOrderOfTheirDueTimes,
                            EqualDueTimesRunInTheOrderOfTheCalls, ATimerMaySetTheNext,
                            ACancelledTimerDoesNotRunAndIsDestroyed,
                            CancelOfWhatIsNotPendingIsIgnored, ManyTimersComeAndGo,
                            OnLoopIsTrueInTasksOnly, WhatIsLeftWhenTheLoopStopsIsDestroyedUnrun);

}  // namespace quorate
