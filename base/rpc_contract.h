// base/rpc_contract.h
//
// The suite that every pair of RpcServer and RpcClient passes.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/contract_world.h"
#include "base/rpc.h"
#include "gtest/gtest.h"

namespace quorate {

// Two places, one that serves and one that calls, with a running loop each (perhaps the same).
// Servers and the client are used and destroyed on their loop by these tests.
class RpcWorld : public ContractWorld {
 public:
  virtual EventLoop& server_loop() = 0;
  virtual EventLoop& client_loop() = 0;
  // A server that is not started. May be called again after an earlier one was destroyed.
  virtual std::unique_ptr<RpcServer> NewServer() = 0;
  // A client at the client's place.
  virtual std::unique_ptr<RpcClient> NewClient() = 0;
  // Where the server listens and is reached; always the same.
  virtual Endpoint address() = 0;
};

template <typename World>
class RpcContract : public testing::Test {
 protected:
  using Result = std::optional<absl::StatusOr<std::string>>;

  RpcContract() {
    OnClient([this] { client_ = world_.NewClient(); });
  }
  ~RpcContract() override {
    // First: results of calls still open are gone already.
    OnClient([this] { client_.reset(); });
    StopServer();
  }

  void OnServer(Task task) { world_.On(world_.server_loop(), std::move(task)); }
  void OnClient(Task task) { world_.On(world_.client_loop(), std::move(task)); }
  bool EventuallyServer(std::function<bool()> condition) {
    return world_.Eventually(world_.server_loop(), std::move(condition));
  }
  bool EventuallyClient(std::function<bool()> condition) {
    return world_.Eventually(world_.client_loop(), std::move(condition));
  }

  // "Echo" answers the request, "Fail" fails with it, "Park" keeps the call in parked_ and counts
  // in broken_, "Hold" just keeps it, "Drop" destroys it.
  void StartServer() {
    OnServer([this] {
      EventLoop* loop = &world_.server_loop();
      server_ = world_.NewServer();
      server_->Register("Test.Echo", loop, [this](std::unique_ptr<RpcCall> call) {
        echo_on_loop_ = world_.server_loop().OnLoop();
        call->Reply(std::string(call->request()));
      });
      server_->Register("Test.Fail", loop, [](std::unique_ptr<RpcCall> call) {
        call->Fail(absl::FailedPreconditionError(std::string(call->request())));
      });
      server_->Register("Test.Park", loop, [this](std::unique_ptr<RpcCall> call) {
        call->OnBroken([this] {
          broken_on_loop_ = world_.server_loop().OnLoop();
          ++broken_;
        });
        parked_.push_back(std::move(call));
      });
      server_->Register("Test.Hold", loop, [this](std::unique_ptr<RpcCall> call) {
        parked_.push_back(std::move(call));
      });
      server_->Register("Test.Drop", loop, [](std::unique_ptr<RpcCall> call) {});
      const absl::Status started = server_->Start(world_.address());
      ASSERT_TRUE(started.ok()) << started;
    });
  }
  void StopServer() {
    OnServer([this] {
      parked_.clear();
      server_.reset();
    });
  }

  // Begins a call whose outcome goes to `result`.
  RpcCallId Begin(std::string_view method, std::string request, Result* result,
                  Micros timeout = std::chrono::seconds(20)) {
    RpcCallId id = RpcCallId::kNone;
    OnClient([&, this] {
      id =
          client_->Call(world_.address(), method, std::move(request), timeout,
                        &world_.client_loop(), [this, result](absl::StatusOr<std::string> outcome) {
                          done_on_loop_ = world_.client_loop().OnLoop();
                          ++done_;
                          *result = std::move(outcome);
                        });
    });
    return id;
  }
  absl::StatusOr<std::string> Call(std::string_view method, std::string request,
                                   Micros timeout = std::chrono::seconds(20)) {
    Result result;
    Begin(method, std::move(request), &result, timeout);
    EXPECT_TRUE(EventuallyClient([&] { return result.has_value(); }));
    return result ? *std::move(result) : absl::UnknownError("no outcome");
  }
  // Begins a call of Park and waits until it is parked.
  RpcCallId Park(Result* result, Micros timeout = std::chrono::seconds(20)) {
    const RpcCallId id = Begin("Test.Park", "park", result, timeout);
    EXPECT_TRUE(EventuallyServer([this] { return parked_.size() == 1u; }));
    return id;
  }

  // Before the world: used by handlers until it is gone.
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RpcClient> client_;
  std::vector<std::unique_ptr<RpcCall>> parked_;
  int broken_ = 0;
  int done_ = 0;
  bool echo_on_loop_ = false, broken_on_loop_ = false, done_on_loop_ = false;
  World world_;
};

TYPED_TEST_SUITE_P(RpcContract);

TYPED_TEST_P(RpcContract, ACallCarriesRequestAndResponse) {
  this->StartServer();
  std::string bytes(1000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  auto response = this->Call("Test.Echo", bytes);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(*response, bytes);
}

TYPED_TEST_P(RpcContract, HandlerAndDoneRunOnTheirLoops) {
  this->StartServer();
  EXPECT_TRUE(this->Call("Test.Echo", "x").ok());
  EXPECT_TRUE(this->echo_on_loop_);
  EXPECT_TRUE(this->done_on_loop_);
}

TYPED_TEST_P(RpcContract, DoneNeverRunsInsideTheCall) {
  typename TestFixture::Result result;  // Nobody serves: the call fails as early as it can.
  int inside = 0;
  this->OnClient([&] {
    this->client_->Call(this->world_.address(), "Test.Echo", "x", Millis(20'000),
                        &this->world_.client_loop(),
                        [&](absl::StatusOr<std::string> outcome) { result = outcome; });
    inside = result.has_value();
  });
  EXPECT_EQ(inside, 0);
  EXPECT_TRUE(this->EventuallyClient([&] { return result.has_value(); }));
}

TYPED_TEST_P(RpcContract, AnEmptyMessageArrives) {
  this->StartServer();
  auto response = this->Call("Test.Echo", "");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(*response, "");
}

TYPED_TEST_P(RpcContract, ALargeMessageArrives) {
  this->StartServer();
  std::string bytes(20 << 20, 'x');
  bytes[12'345'678] = 'y';
  auto response = this->Call("Test.Echo", bytes);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(*response == bytes);
}

TYPED_TEST_P(RpcContract, FailPassesCodeAndMessage) {
  this->StartServer();
  const absl::Status status = this->Call("Test.Fail", "not the leader: 3 is").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "not the leader: 3 is");
}

TYPED_TEST_P(RpcContract, AnUnknownMethodIsUnimplemented) {
  this->StartServer();
  EXPECT_EQ(this->Call("Test.None", "x").status().code(), absl::StatusCode::kUnimplemented);
}

TYPED_TEST_P(RpcContract, ACallDestroyedUnansweredIsAborted) {
  this->StartServer();
  EXPECT_EQ(this->Call("Test.Drop", "x").status().code(), absl::StatusCode::kAborted);
}

TYPED_TEST_P(RpcContract, WhereNobodyServesACallIsUnavailable) {
  EXPECT_EQ(this->Call("Test.Echo", "x").status().code(), absl::StatusCode::kUnavailable);
}

TYPED_TEST_P(RpcContract, AParkedCallMayBeAnsweredLater) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Park(&result);
  this->world_.Settle(this->world_.client_loop());
  EXPECT_FALSE(result.has_value());
  this->OnServer([this] {
    EXPECT_EQ(this->parked_[0]->request(), "park");
    this->parked_[0]->Reply("at last");
    this->parked_.clear();
  });
  ASSERT_TRUE(this->EventuallyClient([&] { return result.has_value(); }));
  ASSERT_TRUE(result->ok()) << result->status();
  EXPECT_EQ(**result, "at last");
  EXPECT_EQ(this->broken_, 0);
}

TYPED_TEST_P(RpcContract, StopBreaksParkedCalls) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Park(&result);
  this->OnServer([this] {
    this->server_->Stop();
    this->server_->Stop();  // Again: nothing happens.
  });
  ASSERT_TRUE(this->EventuallyClient([&] { return result.has_value(); }));
  EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable) << result->status();
  EXPECT_TRUE(this->EventuallyServer([this] { return this->broken_ == 1; }));
}

TYPED_TEST_P(RpcContract, ACallMayOutliveItsServer) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Park(&result);
  this->OnServer([this] {
    this->server_.reset();
    this->parked_[0]->Reply("too late");
    this->parked_.clear();
  });
  ASSERT_TRUE(this->EventuallyClient([&] { return result.has_value(); }));
  EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable) << result->status();
}

TYPED_TEST_P(RpcContract, AClientThatIsGoneBreaksItsCalls) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Park(&result);
  this->OnClient([this] { this->client_.reset(); });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->broken_ == 1; }));
  EXPECT_TRUE(this->broken_on_loop_);
  EXPECT_FALSE(result.has_value());
  this->OnServer([this] { this->parked_[0]->Reply("to nobody"); });
}

TYPED_TEST_P(RpcContract, OnBrokenOfABrokenCallIsPosted) {
  this->StartServer();
  typename TestFixture::Result result;
  const RpcCallId id = this->Begin("Test.Hold", "x", &result);
  ASSERT_TRUE(this->EventuallyServer([this] { return this->parked_.size() == 1u; }));
  this->OnClient([&] { this->client_->Cancel(id); });
  this->world_.Settle(this->world_.server_loop());
  int inside = 0;
  this->OnServer([&] {
    this->parked_[0]->OnBroken([this] { ++this->broken_; });
    inside = this->broken_;
  });
  EXPECT_EQ(inside, 0);
  EXPECT_TRUE(this->EventuallyServer([this] { return this->broken_ == 1; }));
}

TYPED_TEST_P(RpcContract, ADestroyedCallIsNotToldThatItBroke) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Park(&result);
  this->OnServer([this] { this->parked_.clear(); });
  this->OnClient([this] { this->client_.reset(); });
  this->world_.Settle(this->world_.server_loop());
  this->OnServer([this] { EXPECT_EQ(this->broken_, 0); });
}

TYPED_TEST_P(RpcContract, AnExpiredCallIsDeadlineExceededAndBroken) {
  this->StartServer();
  typename TestFixture::Result result;
  this->Begin("Test.Park", "park", &result, Millis(100));
  ASSERT_TRUE(this->EventuallyClient([&] { return result.has_value(); }));
  EXPECT_EQ(result->status().code(), absl::StatusCode::kDeadlineExceeded) << result->status();
  EXPECT_TRUE(this->EventuallyServer(
      [this] { return this->broken_ == static_cast<int>(this->parked_.size()); }));
}

TYPED_TEST_P(RpcContract, ACancelledCallIsBrokenAndItsDoneDropped) {
  this->StartServer();
  typename TestFixture::Result result;
  const RpcCallId id = this->Park(&result);
  this->OnClient([&] {
    this->client_->Cancel(id);
    this->client_->Cancel(id);  // Again: nothing happens.
  });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->broken_ == 1; }));
  this->world_.Settle(this->world_.client_loop());
  EXPECT_FALSE(result.has_value());
}

TYPED_TEST_P(RpcContract, CancelJustAfterTheAnswerStillDropsDone) {
  this->StartServer();
  typename TestFixture::Result result;
  const RpcCallId id = this->Park(&result);
  this->OnServer([this] {
    this->parked_[0]->Reply("crossing");
    this->parked_.clear();
  });
  bool ran_before = false;
  this->OnClient([&] {
    ran_before = result.has_value();
    this->client_->Cancel(id);
  });
  this->world_.Settle(this->world_.client_loop());
  EXPECT_EQ(result.has_value(), ran_before);
}

TYPED_TEST_P(RpcContract, CallsRunSideBySide) {
  this->StartServer();
  typename TestFixture::Result parked;
  this->Park(&parked);  // Does not hold up the others.
  constexpr int kCalls = 1000;
  std::multiset<std::string> answers, expected;
  this->OnClient([&] {
    for (int i = 0; i < kCalls; ++i) {
      expected.insert(std::to_string(i));
      this->client_->Call(this->world_.address(), "Test.Echo", std::to_string(i),
                          std::chrono::seconds(20), &this->world_.client_loop(),
                          [&](absl::StatusOr<std::string> outcome) {
                            answers.insert(outcome.ok() ? *outcome : outcome.status().ToString());
                          });
    }
  });
  EXPECT_TRUE(this->EventuallyClient([&] { return answers.size() == size_t{kCalls}; }));
  EXPECT_EQ(answers, expected);
  EXPECT_FALSE(parked.has_value());
}

TYPED_TEST_P(RpcContract, ACallSucceedsSoonAfterTheServerIsBack) {
  this->StartServer();
  EXPECT_TRUE(this->Call("Test.Echo", "x").ok());
  for (int round = 0; round < 3; ++round) {
    this->StopServer();
    const absl::Status down = this->Call("Test.Echo", "x").status();
    EXPECT_EQ(down.code(), absl::StatusCode::kUnavailable) << down;
    this->StartServer();
    // Called again and again: the back-off ends after 100 ms.
    bool ok = false;
    std::function<void()> again = [&] {
      this->client_->Call(this->world_.address(), "Test.Echo", "x", Millis(20'000),
                          &this->world_.client_loop(), [&](absl::StatusOr<std::string> outcome) {
                            ok = outcome.ok();
                            if (!ok)
                              this->world_.client_loop().RunAfter(Millis(5), [&] { again(); });
                          });
    };
    MonoTime begun;
    this->OnClient([&] {
      begun = this->world_.client_loop().Now();
      again();
    });
    ASSERT_TRUE(this->EventuallyClient([&] { return ok; }));
    EXPECT_LT((this->world_.client_loop().Now() - begun).count(), 1'000'000);
  }
}

TYPED_TEST_P(RpcContract, StartOnAUsedAddressIsAlreadyExists) {
  this->StartServer();
  this->OnServer([this] {
    auto second = this->world_.NewServer();
    const absl::Status status = second->Start(this->world_.address());
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  });
  EXPECT_TRUE(this->Call("Test.Echo", "x").ok());
}

REGISTER_TYPED_TEST_SUITE_P(
    RpcContract, ACallCarriesRequestAndResponse, HandlerAndDoneRunOnTheirLoops,
    DoneNeverRunsInsideTheCall, AnEmptyMessageArrives, ALargeMessageArrives,
    FailPassesCodeAndMessage, AnUnknownMethodIsUnimplemented, ACallDestroyedUnansweredIsAborted,
    WhereNobodyServesACallIsUnavailable, AParkedCallMayBeAnsweredLater, StopBreaksParkedCalls,
    ACallMayOutliveItsServer, AClientThatIsGoneBreaksItsCalls, OnBrokenOfABrokenCallIsPosted,
    ADestroyedCallIsNotToldThatItBroke, AnExpiredCallIsDeadlineExceededAndBroken,
    ACancelledCallIsBrokenAndItsDoneDropped, CancelJustAfterTheAnswerStillDropsDone,
    CallsRunSideBySide, ACallSucceedsSoonAfterTheServerIsBack, StartOnAUsedAddressIsAlreadyExists);

}  // namespace quorate
