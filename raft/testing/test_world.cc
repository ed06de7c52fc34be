#include "raft/testing/test_world.h"

#include <algorithm>
#include <vector>

namespace quorate {

// The server's handle of one call.
class TestRpcCall final : public RpcCall {
 public:
  TestRpcCall(TestWorld* world, std::shared_ptr<TestCallState> state, std::string request)
      : world_(world), state_(std::move(state)), request_(std::move(request)) {}
  ~TestRpcCall() override {
    if (state_->server_open) End(absl::AbortedError("dropped"));
    state_->on_broken = nullptr;
  }
  std::string_view request() const override { return request_; }
  void Reply(std::string response) override { End(std::move(response)); }
  void Fail(const absl::Status& status) override { End(status); }
  void OnBroken(Task task) override {
    if (state_->broken) {
      state_->server_loop->Post(std::move(task));
    } else {
      state_->on_broken = std::move(task);
    }
  }

 private:
  void End(absl::StatusOr<std::string> result) {
    state_->server_open = false;
    state_->on_broken = nullptr;
    world_->EndCall(state_, std::move(result));
  }
  TestWorld* const world_;
  std::shared_ptr<TestCallState> state_;
  const std::string request_;
};

TestLoop::TestLoop(TestWorld* world) : world_(world) {}

TestLoop::~TestLoop() {
  alive_.reset();
  world_->ForgetLoop(this);
}

TimerId TestLoop::RunAfter(Micros delay, Task task) {
  return world_->Schedule(delay, this, alive_, std::move(task));
}

bool TestLoop::Cancel(TimerId timer) { return world_->CancelTimer(timer); }
bool TestLoop::OnLoop() const { return world_->IsRunning(this); }
const Clock& TestLoop::clock() const { return *world_; }

void TestPool::Run(Task work) {
  world_->Schedule(world_->pool_delay, nullptr, alive_, std::move(work));
}

void TestRpcServer::Register(std::string method, EventLoop* loop, Handler handler) {
  methods_.emplace(std::move(method), Method{loop, std::move(handler)});
}

absl::Status TestRpcServer::Start(const Endpoint& at) {
  const absl::Status added = world_->AddServer(at, this);
  running_ = added.ok();
  at_ = at;
  return added;
}

void TestRpcServer::Stop() {
  if (running_) world_->RemoveServer(at_);
  running_ = false;
}

TestRpcClient::~TestRpcClient() {
  const auto calls = std::move(calls_);
  for (const auto& [id, weak] : calls) {
    if (auto call = weak.lock()) {
      call->done = nullptr;
      world_->Break(call);
    }
  }
}

RpcCallId TestRpcClient::Call(const Endpoint& to, std::string_view method, std::string request,
                              Micros timeout, EventLoop* loop, Done done) {
  std::erase_if(calls_, [](const auto& entry) { return entry.second.expired(); });
  auto call = std::make_shared<TestCallState>();
  call->from = from_;
  call->to = to;
  call->client_loop = loop;
  call->done = std::move(done);
  const RpcCallId id = world_->AddCall(call, std::string(method), std::move(request), timeout);
  calls_[id] = call;
  return id;
}

void TestRpcClient::Cancel(RpcCallId id) {
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  const auto call = it->second.lock();
  calls_.erase(it);
  if (!call) return;
  call->done = nullptr;
  world_->Break(call);
}

TimerId TestWorld::Schedule(Micros delay, EventLoop* loop, std::weak_ptr<bool> alive, Task task) {
  const Key key{now_ + std::max(delay, Micros(0)), next_++};
  queue_.emplace(key, Entry{std::move(alive), loop, std::move(task)});
  timers_[key.second] = key.first;
  return TimerId{key.second};
}

bool TestWorld::CancelTimer(TimerId timer) {
  const auto it = timers_.find(static_cast<uint64_t>(timer));
  if (it == timers_.end()) return false;
  queue_.erase({it->second, it->first});
  timers_.erase(it);
  return true;
}

void TestWorld::ForgetLoop(const EventLoop* loop) {
  for (const auto& [id, call] : open_) {
    if (call->client_loop == loop) call->done = nullptr;
    if (call->server_loop == loop) {
      call->on_broken = nullptr;
      call->server_loop = nullptr;
    }
  }
}

absl::Status TestWorld::AddServer(const Endpoint& at, TestRpcServer* server) {
  if (!servers_.emplace(at, server).second) return absl::AlreadyExistsError(at.ToString());
  return absl::OkStatus();
}

void TestWorld::RemoveServer(const Endpoint& at) {
  servers_.erase(at);
  const auto open = open_;
  for (const auto& [id, call] : open) {
    if (call->to != at) continue;
    call->server_open = false;
    call->on_broken = nullptr;
    EndCall(call, absl::UnavailableError("server stopped"));
  }
}

RpcCallId TestWorld::AddCall(const std::shared_ptr<TestCallState>& call, std::string method,
                             std::string request, Micros timeout) {
  call->id = ++next_call_;
  open_[call->id] = call;
  Schedule(timeout, nullptr, world_alive_, [this, call] {
    if (!call->done) return;
    Break(call);
    EndCall(call, absl::DeadlineExceededError("timed out"));
  });
  Schedule(latency, nullptr, world_alive_,
           [this, call, method = std::move(method), request = std::move(request)]() mutable {
             Deliver(call, std::move(method), std::move(request));
           });
  return RpcCallId{call->id};
}

bool TestWorld::RunOne(MonoTime until) {
  if (queue_.empty() || queue_.begin()->first.first > until) return false;
  const auto it = queue_.begin();
  now_ = std::max(now_, it->first.first);
  timers_.erase(it->first.second);
  Entry entry = std::move(it->second);
  queue_.erase(it);
  if (entry.alive.expired()) return true;
  current_ = entry.loop;
  entry.task();
  current_ = nullptr;
  return true;
}

void TestWorld::RunFor(Micros time) {
  const MonoTime until = now_ + time;
  while (RunOne(until)) {
  }
  now_ = until;
}

bool TestWorld::RunUntil(const std::function<bool()>& condition, Micros limit) {
  const MonoTime until = now_ + limit;
  while (!condition()) {
    if (!RunOne(until)) return false;
  }
  return true;
}

void TestWorld::On(EventLoop* loop, const std::function<void()>& function) {
  EventLoop* const before = current_;
  current_ = loop;
  function();
  current_ = before;
}

void TestWorld::Deliver(std::shared_ptr<TestCallState> call, std::string method,
                        std::string request) {
  if (!call->done) return;
  if (black_hole_.contains({call->from, call->to})) return;
  const auto server = servers_.find(call->to);
  if (server == servers_.end() || IsCut(call->from, call->to)) {
    return EndCall(call, absl::UnavailableError("cannot reach " + call->to.ToString()));
  }
  TestRpcServer::Method* const target = server->second->Find(method);
  if (target == nullptr) return EndCall(call, absl::UnimplementedError(method));
  call->server_loop = target->loop;
  call->server_open = true;
  target->loop->Post([this, call, target, request = std::move(request)]() mutable {
    if (!call->server_open) return;  // the server stopped, and the target with it
    target->handler(std::make_unique<TestRpcCall>(this, call, std::move(request)));
  });
}

void TestWorld::EndCall(const std::shared_ptr<TestCallState>& call,
                        absl::StatusOr<std::string> result) {
  open_.erase(call->id);
  if (!call->done) return;
  if (black_hole_.contains({call->to, call->from})) return;
  call->client_loop->RunAfter(latency, [call, result = std::move(result)]() mutable {
    if (!call->done) return;
    auto done = std::move(call->done);
    call->done = nullptr;
    done(std::move(result));
  });
}

void TestWorld::Break(const std::shared_ptr<TestCallState>& call) {
  open_.erase(call->id);
  call->broken = true;
  call->server_open = false;
  if (!call->on_broken || call->server_loop == nullptr) return;
  call->server_loop->RunAfter(latency, [call] {
    if (!call->on_broken) return;
    Task task = std::move(call->on_broken);
    call->on_broken = nullptr;
    task();
  });
}

void TestWorld::Cut(const Endpoint& a, const Endpoint& b) {
  cut_.insert({a, b});
  cut_.insert({b, a});
  const auto open = open_;
  for (const auto& [id, call] : open) {
    if (!IsCut(call->from, call->to)) continue;
    Break(call);
    EndCall(call, absl::UnavailableError("connection broken"));
  }
}

void TestWorld::BlackHole(const Endpoint& a, const Endpoint& b) {
  black_hole_.insert({a, b});
  black_hole_.insert({b, a});
}

}  // namespace quorate
