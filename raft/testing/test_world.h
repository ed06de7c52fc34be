// raft/testing/test_world.h
//
// TestWorld: loops, pools and Rpc of several nodes on one thread and in virtual time, for the tests
// of raft/. Small and deterministic; the whole-cluster simulation has its own world.
//
// Tests only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/blocking_pool.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/rpc.h"

namespace quorate {

class TestWorld;

// One node's loop. Once stopped, its tasks are dropped unrun.
class TestLoop final : public EventLoop {
 public:
  explicit TestLoop(TestWorld* world);
  ~TestLoop() override;
  void Post(Task task) override { RunAfter(Micros(0), std::move(task)); }
  TimerId RunAfter(Micros delay, Task task) override;
  bool Cancel(TimerId timer) override;
  bool OnLoop() const override;
  const Clock& clock() const override;

 private:
  TestWorld* const world_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Runs work after world.pool_delay; what is under way when it is destroyed does not run.
class TestPool final : public BlockingPool {
 public:
  explicit TestPool(TestWorld* world) : world_(world) {}
  void Run(Task work) override;

 private:
  TestWorld* const world_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Both ends of one call.
struct TestCallState {
  uint64_t id = 0;
  Endpoint from, to;
  EventLoop* client_loop = nullptr;
  RpcClient::Done done;  // null once ended
  EventLoop* server_loop = nullptr;
  Task on_broken;            // set while the server's call is open and wants to know
  bool server_open = false;  // the server has the call and has not answered
  bool broken = false;       // for the server
};

class TestRpcServer final : public RpcServer {
 public:
  explicit TestRpcServer(TestWorld* world) : world_(world) {}
  ~TestRpcServer() override { Stop(); }
  void Register(std::string method, EventLoop* loop, Handler handler) override;
  absl::Status Start(const Endpoint& at) override;
  void Stop() override;

  // The method's handler and its loop, or null.
  struct Method {
    EventLoop* loop;
    Handler handler;
  };
  Method* Find(const std::string& method) {
    const auto it = methods_.find(method);
    return it == methods_.end() ? nullptr : &it->second;
  }

 private:
  TestWorld* const world_;
  Endpoint at_;
  bool running_ = false;
  std::map<std::string, Method> methods_;
};

class TestRpcClient final : public RpcClient {
 public:
  TestRpcClient(TestWorld* world, Endpoint from) : world_(world), from_(std::move(from)) {}
  ~TestRpcClient() override;
  RpcCallId Call(const Endpoint& to, std::string_view method, std::string request, Micros timeout,
                 EventLoop* loop, Done done) override;
  void Cancel(RpcCallId id) override;

 private:
  TestWorld* const world_;
  const Endpoint from_;
  std::map<RpcCallId, std::weak_ptr<TestCallState>> calls_;
};

class TestWorld final : public Clock {
 public:
  MonoTime Now() const override { return now_; }
  WallMillis WallNow() const override { return 1700000000000 + now_.since_zero() / Millis(1); }

  // Runs what is due within the next `time`.
  void RunFor(Micros time);
  // True once `condition` holds; gives up after `limit`.
  bool RunUntil(const std::function<bool()>& condition, Micros limit);
  // Runs `function` as a task of `loop`, now.
  void On(EventLoop* loop, const std::function<void()>& function);

  // Links by endpoint. A cut link refuses new calls at once and breaks the open ones; a black hole
  // swallows messages without a word.
  void Cut(const Endpoint& a, const Endpoint& b);
  void BlackHole(const Endpoint& a, const Endpoint& b);
  void Heal() {
    cut_.clear();
    black_hole_.clear();
  }
  int64_t calls() const { return static_cast<int64_t>(next_call_); }

  Micros latency{200};
  Micros pool_delay{500};

  // --- For loops, pools, servers and clients of this world ---

  TimerId Schedule(Micros delay, EventLoop* loop, std::weak_ptr<bool> alive, Task task);
  bool CancelTimer(TimerId timer);
  bool IsRunning(const EventLoop* loop) const { return current_ == loop; }
  // Tasks and calls of `loop` are dropped.
  void ForgetLoop(const EventLoop* loop);
  absl::Status AddServer(const Endpoint& at, TestRpcServer* server);
  void RemoveServer(const Endpoint& at);
  // A call begins; it ends when its `done` is null.
  RpcCallId AddCall(const std::shared_ptr<TestCallState>& call, std::string method,
                    std::string request, Micros timeout);
  void EndCall(const std::shared_ptr<TestCallState>& call, absl::StatusOr<std::string> result);
  // For the server's side: the caller is gone.
  void Break(const std::shared_ptr<TestCallState>& call);

 private:
  using Key = std::pair<MonoTime, uint64_t>;
  struct Entry {
    std::weak_ptr<bool> alive;
    EventLoop* loop;
    Task task;
  };

  bool RunOne(MonoTime until);
  void Deliver(std::shared_ptr<TestCallState> call, std::string method, std::string request);
  bool IsCut(const Endpoint& a, const Endpoint& b) const { return cut_.contains({a, b}); }

  MonoTime now_{Micros(1)};
  uint64_t next_ = 1;
  uint64_t next_call_ = 0;
  std::map<Key, Entry> queue_;
  std::map<uint64_t, MonoTime> timers_;
  EventLoop* current_ = nullptr;
  std::shared_ptr<bool> world_alive_ = std::make_shared<bool>(true);
  std::map<Endpoint, TestRpcServer*> servers_;
  std::map<uint64_t, std::shared_ptr<TestCallState>> open_;  // by id
  std::set<std::pair<Endpoint, Endpoint>> cut_;
  std::set<std::pair<Endpoint, Endpoint>> black_hole_;
};

}  // namespace quorate
