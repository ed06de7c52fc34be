// What a seed decides, and what death does.
#include "tests/sim/world/world.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

uint64_t HashOfARun(uint64_t seed) {
  World world(seed);
  Process process(world, "a", seed);
  for (int i = 0; i < 100; ++i) {
    world.ScheduleIn(Micros(world.random().Between(0, 1000)), &process, [] {});
  }
  world.RunUntil(world.now() + Millis(10));
  return world.trace_hash();
}

TEST(World, EqualSeedsGiveEqualTracesAndOthersDoNot) {
  EXPECT_EQ(HashOfARun(1), HashOfARun(1));
  EXPECT_NE(HashOfARun(1), HashOfARun(2));
}

TEST(World, AKilledProcessRunsNothing) {
  World world(1);
  Process process(world, "a", 1);
  int ran = 0;
  auto token = std::make_shared<int>(0);
  process.loop().Post([&ran, token] { ++ran; });
  world.RunAs(process, [&] { process.loop().RunAfter(Millis(1), [&ran, token] { ++ran; }); });
  process.Kill();
  EXPECT_EQ(token.use_count(), 1);
  process.loop().Post([&ran, token] { ++ran; });
  world.RunUntil(world.now() + Millis(10));
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(World, APausedProcessRunsItsEventsInTheirOrderOnceItGoesOn) {
  World world(1);
  Process process(world, "a", 1);
  std::string ran;
  TimerId cancelled = TimerId::kNone;
  world.RunAs(process, [&] {
    process.loop().RunAfter(Millis(1), [&] {
      ran += "1";
      EXPECT_TRUE(process.loop().Cancel(cancelled));
    });
    cancelled = process.loop().RunAfter(Millis(2), [&] { ran += "2"; });
    process.loop().RunAfter(Millis(3), [&] { ran += "3"; });
    process.loop().RunAfter(Millis(30), [&] { ran += "4"; });
  });
  process.Pause();
  process.WhenResumed([&] { ran += "b"; });
  world.RunUntil(world.now() + Millis(10));
  EXPECT_EQ(ran, "");
  const MonoTime resumed = world.now();
  process.Resume();
  world.RunUntil(world.now() + Millis(10));
  EXPECT_EQ(ran, "13b");
  EXPECT_GE(process.loop().Now(), resumed);
  world.RunUntil(world.now() + Millis(30));
  EXPECT_EQ(ran, "13b4");
}

TEST(World, AClockThatIsFastOrSlowGoesOnAtItsRate) {
  World world(1);
  Process process(world, "a", 1);
  process.SetClockDrift(50'000);
  const MonoTime begun = process.clock().Now();
  EXPECT_EQ(begun, world.now());
  world.RunUntil(world.now() + Millis(1000));
  EXPECT_EQ(process.clock().Now() - begun, Millis(1050));
  process.SetClockDrift(-50'000);
  world.RunUntil(world.now() + Millis(1000));
  EXPECT_EQ(process.clock().Now() - begun, Millis(2000));
}

TEST(World, ATimerNeverComesBeforeItsOwnClockSaysSo) {
  World world(1);
  Process process(world, "a", 1);
  process.SetClockDrift(50'000);
  MonoTime ran;
  MonoTime due;
  world.RunAs(process, [&] {
    due = process.loop().Now() + Millis(1000);
    process.loop().RunAfter(Millis(1000), [&] { ran = process.loop().Now(); });
  });
  world.RunUntil(world.now() + Millis(500));
  process.SetClockDrift(-50'000);  // slower than when the timer was set
  world.RunUntil(world.now() + Millis(2000));
  EXPECT_GE(ran, due);
  EXPECT_LT(ran, due + Millis(1));
}

TEST(World, APausedProcessThatDiesRunsNothing) {
  World world(1);
  Process process(world, "a", 1);
  std::string ran;
  world.RunAs(process, [&] { process.loop().RunAfter(Millis(1), [&] { ran += "1"; }); });
  process.Pause();
  process.WhenResumed([&] { ran += "b"; });
  world.RunUntil(world.now() + Millis(10));
  process.Kill();
  world.RunUntil(world.now() + Millis(10));
  EXPECT_EQ(ran, "b");
}

TEST(World, AClockThatJumpsMovesTheWallAlone) {
  World world(1);
  Process process(world, "a", 1);
  const WallMillis before = process.clock().WallNow();
  const MonoTime now = process.clock().Now();
  process.JumpClock(Millis(-5000));
  EXPECT_EQ(process.clock().WallNow(), before - 5000);
  EXPECT_EQ(process.clock().Now(), now);
}

// One client, one server that parks calls.
class DeathTest : public testing::Test {
 protected:
  DeathTest() {
    server_->Register("Park", &server_process_.loop(), [this](std::unique_ptr<RpcCall> call) {
      call->OnBroken([this] { broken_at_ = world_.now(); });
      parked_.push_back(std::move(call));
    });
    EXPECT_TRUE(server_->Start({"server", 1}).ok());
    world_.RunAs(client_process_, [this] {
      client_->Call({"server", 1}, "Park", "", std::chrono::seconds(100), &client_process_.loop(),
                    [this](absl::StatusOr<std::string> outcome) {
                      status_ = outcome.status();
                      done_at_ = world_.now();
                    });
    });
    world_.RunUntil(world_.now() + Millis(100));
    EXPECT_EQ(parked_.size(), 1u);
    begun_ = world_.now();
  }
  void KillServer(bool silently) {
    server_process_.Kill(silently);
    parked_.clear();
    server_.reset();
    world_.RunUntil(world_.now() + std::chrono::seconds(10));
  }

  World world_{1};
  Links links_{world_};
  RpcExchange exchange_{links_};
  Process server_process_{world_, "server", 1};
  Process client_process_{world_, "client", 2};
  std::unique_ptr<SimRpcServer> server_ =
      std::make_unique<SimRpcServer>(exchange_, server_process_);
  std::unique_ptr<SimRpcClient> client_ =
      std::make_unique<SimRpcClient>(exchange_, client_process_);
  std::vector<std::unique_ptr<RpcCall>> parked_;
  absl::Status status_;
  MonoTime begun_, done_at_, broken_at_;
};

TEST_F(DeathTest, ADeadServerBreaksItsCallsWithinALinksDelay) {
  KillServer(/*silently=*/false);
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable) << status_;
  EXPECT_LT(done_at_ - begun_, Millis(2));
}

TEST_F(DeathTest, ALostMachineIsNoticedWhenPatienceEnds) {
  KillServer(/*silently=*/true);
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable) << status_;
  EXPECT_EQ(done_at_ - begun_, Links::kPatience);
}

TEST_F(DeathTest, ADeadClientBreaksTheServersSide) {
  client_process_.Kill();
  client_.reset();
  world_.RunUntil(world_.now() + std::chrono::seconds(10));
  EXPECT_LT(broken_at_ - begun_, Millis(2));
  EXPECT_GT(broken_at_, begun_);
}

TEST_F(DeathTest, ALongCutBreaksAParkedCallAtBothSides) {
  links_.Cut("server", "client");
  world_.RunUntil(begun_ + Links::kPatience - Millis(1));
  EXPECT_TRUE(status_.ok());
  world_.RunUntil(begun_ + Links::kPatience + Millis(5));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable) << status_;
  EXPECT_GT(broken_at_, begun_);
}

TEST_F(DeathTest, AShortCutOnlyDelaysTheAnswer) {
  links_.Cut("server", "client");
  world_.RunAs(server_process_, [this] { parked_[0]->Reply("late"); });
  world_.RunUntil(begun_ + Millis(500));
  EXPECT_EQ(done_at_, MonoTime());
  links_.Heal("server", "client");
  world_.RunUntil(begun_ + Millis(1000));
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_GT(done_at_, begun_);
}

TEST_F(DeathTest, APausedServerAnswersWhenItGoesOn) {
  server_process_.Pause();
  world_.RunAs(client_process_, [this] {
    client_->Call({"server", 1}, "Park", "", std::chrono::seconds(100), &client_process_.loop(),
                  [](absl::StatusOr<std::string>) {});
  });
  world_.RunUntil(begun_ + Millis(500));
  EXPECT_EQ(parked_.size(), 1u);
  server_process_.Resume();
  world_.RunUntil(begun_ + Millis(600));
  EXPECT_EQ(parked_.size(), 2u);
}

TEST_F(DeathTest, AHangBreaksTheCallsOfBothSides) {
  server_process_.Pause();
  exchange_.OnHang(server_process_);
  world_.RunUntil(begun_ + Millis(100));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable) << status_;
  EXPECT_EQ(broken_at_, MonoTime());
  server_process_.Resume();
  world_.RunUntil(begun_ + Millis(200));
  EXPECT_GT(broken_at_, begun_);
}

TEST_F(DeathTest, ALateCallArrivesAlthoughItsClientGaveUpAndIsThenBroken) {
  LinkBehaviour late;
  late.late = 1;
  links_.set_behaviour(late);
  absl::Status second;
  world_.RunAs(client_process_, [&] {
    client_->Call({"server", 1}, "Park", "", Millis(200), &client_process_.loop(),
                  [&second](absl::StatusOr<std::string> outcome) { second = outcome.status(); });
  });
  world_.RunUntil(begun_ + Millis(400));
  EXPECT_EQ(second.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(parked_.size(), 1u);
  world_.RunUntil(begun_ + std::chrono::seconds(30));
  EXPECT_EQ(parked_.size(), 2u);
  EXPECT_EQ(exchange_.late_calls(), 1u);
  EXPECT_EQ(exchange_.orphaned_calls(), 1u);
  EXPECT_GT(broken_at_, begun_);
}

TEST_F(DeathTest, ACallThatIsDeliveredTwiceIsAnsweredOnce) {
  LinkBehaviour twice;
  twice.twice = 1;
  links_.set_behaviour(twice);
  int answers = 0;
  world_.RunAs(client_process_, [&] {
    client_->Call({"server", 1}, "Park", "", std::chrono::seconds(10), &client_process_.loop(),
                  [&answers](absl::StatusOr<std::string>) { ++answers; });
  });
  const size_t before = parked_.size();
  world_.RunUntil(world_.now() + Millis(400));
  EXPECT_EQ(parked_.size(), before + 2);
  EXPECT_EQ(exchange_.duplicated_calls(), 1u);
  world_.RunAs(server_process_, [&] {
    for (auto& call : parked_) call->Reply("ok");
  });
  world_.RunUntil(world_.now() + Millis(400));
  EXPECT_EQ(answers, 1);
}

TEST_F(DeathTest, ALateCallDoesNotReachALaterProcess) {
  LinkBehaviour late;
  late.late = 1;
  links_.set_behaviour(late);
  world_.RunAs(client_process_, [&] {
    client_->Call({"server", 1}, "Park", "", Millis(200), &client_process_.loop(),
                  [](absl::StatusOr<std::string>) {});
  });
  world_.RunUntil(begun_ + Millis(300));
  server_process_.Kill();
  parked_.clear();
  server_.reset();
  Process next(world_, "server", 3);
  SimRpcServer server(exchange_, next);
  server.Register("Park", &next.loop(),
                  [this](std::unique_ptr<RpcCall> call) { parked_.push_back(std::move(call)); });
  ASSERT_TRUE(server.Start({"server", 1}).ok());
  world_.RunUntil(begun_ + std::chrono::seconds(30));
  EXPECT_EQ(parked_.size(), 0u);
}

}  // namespace
}  // namespace quorate::sim
