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
  for (const auto& call : world_->open_) {
    if (call->client_loop == this) call->done = nullptr;
    if (call->server_loop == this) {
      call->on_broken = nullptr;
      call->server_loop = nullptr;
    }
  }
}

TimerId TestLoop::RunAfter(Micros delay, Task task) {
  return world_->Schedule(delay, this, alive_, std::move(task));
}

bool TestLoop::Cancel(TimerId timer) {
  const auto it = world_->timers_.find(static_cast<uint64_t>(timer));
  if (it == world_->timers_.end()) return false;
  world_->queue_.erase({it->second, it->first});
  world_->timers_.erase(it);
  return true;
}

bool TestLoop::OnLoop() const { return world_->current_ == this; }
const Clock& TestLoop::clock() const { return *world_; }

void TestPool::Run(Task work) {
  world_->Schedule(world_->pool_delay, nullptr, alive_, std::move(work));
}

void TestRpcServer::Register(std::string method, EventLoop* loop, Handler handler) {
  methods_.emplace(std::move(method), Method{loop, std::move(handler)});
}

absl::Status TestRpcServer::Start(const Endpoint& at) {
  if (world_->servers_.contains(at)) return absl::AlreadyExistsError(at.ToString());
  world_->servers_[at] = this;
  at_ = at;
  running_ = true;
  return absl::OkStatus();
}

void TestRpcServer::Stop() {
  if (!running_) return;
  running_ = false;
  world_->servers_.erase(at_);
  const auto open = world_->open_;
  for (const auto& call : open) {
    if (call->to != at_) continue;
    call->server_open = false;
    call->on_broken = nullptr;
    world_->EndCall(call, absl::UnavailableError("server stopped"));
  }
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
  const RpcCallId id{++world_->next_call_};
  auto call = std::make_shared<TestCallState>();
  call->from = from_;
  call->to = to;
  call->client_loop = loop;
  call->done = std::move(done);
  calls_[id] = call;
  world_->open_.insert(call);
  TestWorld* world = world_;
  world->Schedule(timeout, nullptr, world->world_alive_, [world, call] {
    if (!call->done) return;
    world->Break(call);
    world->EndCall(call, absl::DeadlineExceededError("timed out"));
  });
  world->Schedule(
      world->latency, nullptr, world->world_alive_,
      [world, call, method = std::string(method), request = std::move(request)]() mutable {
        world->Deliver(call, std::move(method), std::move(request));
      });
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
  const auto found = server->second->methods_.find(method);
  if (found == server->second->methods_.end()) {
    return EndCall(call, absl::UnimplementedError(method));
  }
  TestRpcServer* const target = server->second;
  call->server_loop = found->second.loop;
  call->server_open = true;
  found->second.loop->Post([this, call, target, method, request = std::move(request)]() mutable {
    if (!call->server_open) return;
    auto handle = std::make_unique<TestRpcCall>(this, call, std::move(request));
    target->methods_.at(method).handler(std::move(handle));
  });
}

void TestWorld::EndCall(const std::shared_ptr<TestCallState>& call,
                        absl::StatusOr<std::string> result) {
  open_.erase(call);
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
  open_.erase(call);
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
  for (const auto& call : open) {
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
