#include "tests/sim/world/sim_rpc.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/check.h"

namespace quorate::sim {

// One call, seen from above.
struct SimCallState {
  uint64_t id = 0;
  Endpoint to;
  std::string from_host;
  std::string method;
  std::string request;
  MonoTime sent_at;
  bool late = false;  // LinkBehaviour::late

  // The client's side: null once it has its outcome, gave up or is gone.
  SimRpcClient* client = nullptr;
  Process* client_process = nullptr;
  RpcClient::Done done;
  EventKey deadline;

  // The server's side.
  SimRpcServer* server = nullptr;  // from arrival on, until it stops or the call ends there
  Process* server_process = nullptr;
  SimRpcCall* call = nullptr;  // while the handler keeps it
  bool server_ended = false;   // answered, broken or never to arrive
  bool broken = false;         // the server's side knows that the client is gone
  Task on_broken;
};

class SimRpcCall final : public RpcCall {
 public:
  SimRpcCall(RpcExchange& exchange, std::shared_ptr<SimCallState> state)
      : exchange_(exchange), state_(std::move(state)) {
    state_->call = this;
  }
  ~SimRpcCall() override {
    state_->on_broken = nullptr;
    Answer(absl::AbortedError("dropped unanswered"));
    state_->call = nullptr;
  }
  std::string_view request() const override { return state_->request; }
  void Reply(std::string response) override { Answer(std::move(response)); }
  void Fail(const absl::Status& status) override {
    QCHECK(!status.ok());
    Answer(status);
  }
  void OnBroken(Task task) override {
    if (state_->broken) {
      state_->server_process->loop().Post(
          [state = std::weak_ptr<SimCallState>(state_), task = std::move(task)]() mutable {
            const auto alive = state.lock();
            if (alive != nullptr && alive->call != nullptr) task();
          });
      return;
    }
    if (!state_->server_ended) state_->on_broken = std::move(task);
  }

 private:
  void Answer(absl::StatusOr<std::string> outcome) {
    if (state_->server_ended || !state_->server_process->alive()) return;
    state_->server_ended = true;
    state_->on_broken = nullptr;
    if (state_->server == nullptr) return;  // It stopped; the client learns that instead.
    exchange_.Travel(
        state_, /*to_server=*/false,
        [this_exchange = &exchange_, state = state_, outcome = std::move(outcome)]() mutable {
          this_exchange->Finish(state, std::move(outcome));
        });
  }

  RpcExchange& exchange_;
  const std::shared_ptr<SimCallState> state_;
};

RpcExchange::RpcExchange(Links& links) : links_(links) {
  links_.WatchLongCuts(
      [this](const std::string& from, const std::string& to) { OnLongCut(from, to); });
}

void RpcExchange::Travel(const State& call, bool to_server, Task arrive) {
  TravelUntil(call, to_server, links_.world().now() + Links::kPatience, std::move(arrive));
}

void RpcExchange::TravelUntil(const State& call, bool to_server, MonoTime patience_ends,
                              Task arrive) {
  World& world = links_.world();
  const std::string& from = to_server ? call->from_host : call->to.host;
  const std::string& to = to_server ? call->to.host : call->from_host;
  if (links_.IsCut(from, to)) {
    if (world.now() > patience_ends) return Break(call, "the peer fell silent");
    Process* const owner = to_server ? call->client_process : call->server_process;
    world.ScheduleIn(Links::kRetransmit, owner,
                     [this, call, to_server, patience_ends, arrive = std::move(arrive)]() mutable {
                       TravelUntil(call, to_server, patience_ends, std::move(arrive));
                     });
    return;
  }
  if (links_.Breaks(from, to)) return Break(call, "connection reset by peer");
  Micros delay = links_.Delay(from, to);
  if (to_server) {
    const Micros lateness = links_.Lateness(from, to);
    call->late = lateness > Micros(0);
    delay += lateness;
  }
  world.ScheduleIn(delay, nullptr, std::move(arrive));
}

void RpcExchange::ArriveAtServer(const State& call) {
  World& world = links_.world();
  if (call->server_ended) return;
  const auto it = servers_.find(call->to);
  const bool refused = it == servers_.end() || !it->second->process_.alive() ||
                       (call->late && it->second->process_.born() > call->sent_at);
  if (!refused && it->second->process_.paused()) {
    it->second->process_.WhenResumed([this, call] { ArriveAtServer(call); });
    return;
  }
  if (refused) {
    call->server_ended = true;
    world.ScheduleIn(links_.Delay(call->to.host, call->from_host), nullptr, [this, call] {
      Finish(call, absl::UnavailableError(call->to.ToString() + ": connection refused"));
    });
    return;
  }
  SimRpcServer* const server = it->second;
  call->server = server;
  call->server_process = &server->process_;
  const auto handler = server->handlers_.find(call->method);
  if (handler == server->handlers_.end()) {
    call->server_ended = true;
    Travel(call, /*to_server=*/false, [this, call] {
      Finish(call, absl::UnimplementedError("unknown method " + call->method));
    });
    return;
  }
  const auto take = [&] {
    world.RunAs(*call->server_process, [this, call, run = handler->second] {
      (*run)(std::make_unique<SimRpcCall>(*this, call));
    });
  };
  around_call ? around_call(*call->server_process, call->method, call->request, take) : take();
  if (call->late) ++late_calls_;
  if (call->late && call->client == nullptr) {
    ++orphaned_calls_;
    BreakServer(call);
  }
}

void RpcExchange::SendAgain(const State& call) {
  World& world = links_.world();
  auto copy = std::make_shared<SimCallState>();
  copy->id = next_++;
  copy->to = call->to;
  copy->from_host = call->from_host;
  copy->sent_at = call->sent_at;
  copy->method = call->method;
  copy->request = call->request;
  copy->client_process = call->client_process;
  open_.emplace(copy->id, copy);
  ++duplicated_calls_;
  Travel(copy, /*to_server=*/true, [this, copy] { ArriveAtServer(copy); });
  // Calls that wait for long end as those of a client that went away.
  world.ScheduleIn(Links::kPatience, nullptr, [this, copy] { BreakServer(copy); });
}

void RpcExchange::Finish(const State& call, absl::StatusOr<std::string> outcome) {
  if (call->client == nullptr || !call->client_process->alive()) return Forget(call);
  if (call->client_process->paused()) {
    call->client_process->WhenResumed(
        [this, call, outcome = std::move(outcome)]() mutable { Finish(call, std::move(outcome)); });
    return;
  }
  call->client->calls_.erase(call->id);
  call->client = nullptr;
  links_.world().Cancel(call->deadline);
  if (outcome.ok()) links_.world().Trace(std::hash<std::string>{}(*outcome));
  Forget(call);
  links_.world().RunAs(*call->client_process,
                       [done = std::move(call->done), outcome = std::move(outcome)]() mutable {
                         done(std::move(outcome));
                       });
}

void RpcExchange::ClientGone(const State& call) {
  call->client = nullptr;
  call->done = nullptr;
  links_.world().Cancel(call->deadline);
  Forget(call);
  if (call->server_ended) return;
  links_.world().ScheduleIn(links_.EndDelay(*call->client_process, call->to.host), nullptr,
                            [this, call] { BreakServer(call); });
}

void RpcExchange::BreakServer(const State& call) {
  if (call->server_ended) return;
  if (call->late && call->server_process == nullptr) return;  // It will still arrive.
  if (call->server_process != nullptr && call->server_process->paused()) {
    call->server_process->WhenResumed([this, call] { BreakServer(call); });
    return;
  }
  call->server_ended = true;
  call->broken = true;
  Forget(call);
  if (call->call == nullptr || !call->on_broken || !call->server_process->alive()) return;
  links_.world().RunAs(*call->server_process, std::move(call->on_broken));
}

void RpcExchange::Break(const State& call, const char* why) {
  World& world = links_.world();
  const std::string& server = call->to.host;
  world.ScheduleIn(links_.Delay(server, call->from_host), nullptr, [this, call, why] {
    Finish(call, absl::UnavailableError(call->to.ToString() + ": " + why));
  });
  world.ScheduleIn(links_.Delay(call->from_host, server), nullptr,
                   [this, call] { BreakServer(call); });
}

void RpcExchange::OnLongCut(const std::string& from, const std::string& to) {
  std::vector<State> hit;
  for (const auto& [id, call] : open_) {
    const bool forth = call->from_host == from && call->to.host == to;
    const bool back = call->from_host == to && call->to.host == from;
    if (forth || back) hit.push_back(call);
  }
  for (const State& call : hit) Break(call, "the peer fell silent");
}

void RpcExchange::OnHang(const Process& process) {
  std::vector<State> hit;
  for (const auto& [id, call] : open_) {
    if (call->client_process == &process || call->server_process == &process) hit.push_back(call);
  }
  for (const State& call : hit) Break(call, "the peer fell silent");
}

void RpcExchange::Forget(const State& call) {
  if (call->client == nullptr && call->server_ended) open_.erase(call->id);
}

void SimRpcServer::Register(std::string method, EventLoop* loop, Handler handler) {
  QCHECK(!serving_);
  QCHECK(loop == &process_.loop());
  const bool is_new =
      handlers_.emplace(std::move(method), std::make_shared<Handler>(std::move(handler))).second;
  QCHECK(is_new);
}

absl::Status SimRpcServer::Start(const Endpoint& at) {
  QCHECK(!serving_);
  if (at.host != process_.host()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: cannot assign requested address", at.ToString()));
  }
  if (!exchange_.servers_.emplace(at, this).second) {
    return absl::AlreadyExistsError(absl::StrFormat("%s: address already in use", at.ToString()));
  }
  at_ = at;
  serving_ = true;
  return absl::OkStatus();
}

void SimRpcServer::Stop() {
  if (!serving_) return;
  serving_ = false;
  exchange_.servers_.erase(at_);
  std::vector<std::shared_ptr<SimCallState>> mine;
  for (const auto& [id, call] : exchange_.open_) {
    if (call->server == this) mine.push_back(call);
  }
  World& world = process_.world();
  for (const auto& call : mine) {
    call->server = nullptr;
    if (!call->server_ended) {
      world.Schedule(world.now(), &process_,
                     [exchange = &exchange_, call] { exchange->BreakServer(call); });
      // Nothing it says from now on is heard.
      call->server_ended = !process_.alive();
    }
    world.ScheduleIn(exchange_.links_.EndDelay(process_, call->from_host), nullptr,
                     [exchange = &exchange_, call] {
                       exchange->Finish(call, absl::UnavailableError(call->to.ToString() +
                                                                     ": connection reset"));
                     });
  }
}

SimRpcClient::~SimRpcClient() {
  for (auto& [id, call] : std::exchange(calls_, {})) exchange_.ClientGone(call);
}

RpcCallId SimRpcClient::Call(const Endpoint& to, std::string_view method, std::string request,
                             Micros timeout, EventLoop* loop, Done done) {
  QCHECK(loop == &process_.loop());
  World& world = process_.world();
  const auto count = exchange_.counts_.find(method);
  if (count != exchange_.counts_.end()) {
    ++count->second;
  } else {
    exchange_.counts_.emplace(method, 1);
  }
  auto call = std::make_shared<SimCallState>();
  call->id = exchange_.next_++;
  call->to = to;
  call->from_host = process_.host();
  call->sent_at = world.now();
  call->method = std::string(method);
  call->request = std::move(request);
  call->client = this;
  call->client_process = &process_;
  call->done = std::move(done);
  if (!process_.alive()) return static_cast<RpcCallId>(call->id);
  world.Trace(std::hash<std::string>{}(call->request));
  calls_.emplace(call->id, call);
  exchange_.open_.emplace(call->id, call);
  call->deadline = world.ScheduleIn(timeout, &process_, [exchange = &exchange_, call] {
    if (call->client == nullptr) return;
    RpcClient::Done done = std::move(call->done);
    call->client->calls_.erase(call->id);
    exchange->ClientGone(call);
    done(absl::DeadlineExceededError(call->to.ToString() + ": no answer in time"));
  });
  exchange_.Travel(call, /*to_server=*/true,
                   [exchange = &exchange_, call] { exchange->ArriveAtServer(call); });
  if (exchange_.links_.Duplicates(call->from_host, call->to.host)) exchange_.SendAgain(call);
  return static_cast<RpcCallId>(call->id);
}

void SimRpcClient::Cancel(RpcCallId id) {
  const auto it = calls_.find(static_cast<uint64_t>(id));
  if (it == calls_.end()) return;
  const auto call = std::move(it->second);
  calls_.erase(it);
  exchange_.ClientGone(call);
}

}  // namespace quorate::sim
