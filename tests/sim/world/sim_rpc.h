// tests/sim/world/sim_rpc.h
//
// SimRpc: base/rpc.h between simulated processes. Request and reply are messages of their own with
// their own delays, so calls overtake each other. A call ends broken, at either side, as soon as
// that side can know: the other process died, a link stayed cut for Links::kPatience, or the
// weather (Links::Breaks) took a message.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/rpc.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class SimRpcServer;
class SimRpcClient;
class SimRpcCall;
struct SimCallState;

// All servers and open calls of a world.
class RpcExchange {
 public:
  explicit RpcExchange(Links& links);
  RpcExchange(const RpcExchange&) = delete;
  RpcExchange& operator=(const RpcExchange&) = delete;

  Links& links() { return links_; }
  // Called for each call that reaches a server, which takes it when `take` is called; may be empty.
  std::function<void(const Process& server, const std::string& method, std::string_view request,
                     const std::function<void()>& take)>
      around_call;
  // Calls begun, by method.
  const std::map<std::string, uint64_t, std::less<>>& counts() const { return counts_; }
  // Calls that reached their server late (LinkBehaviour::late), and those of them that no client
  // waited for any more: repeated or left over from a process that is gone.
  uint64_t late_calls() const { return late_calls_; }
  uint64_t orphaned_calls() const { return orphaned_calls_; }
  // Calls that were delivered a second time (LinkBehaviour::twice).
  uint64_t duplicated_calls() const { return duplicated_calls_; }
  // `process` has not answered pings for Links::kPatience (it is paused): peers give it up.
  void OnHang(const Process& process);

 private:
  friend class SimRpcServer;
  friend class SimRpcClient;
  friend class SimRpcCall;
  using State = std::shared_ptr<SimCallState>;

  // Sends a message of `call` from one side to the other: runs `arrive` there, or breaks the call.
  void Travel(const State& call, bool to_server, Task arrive);
  void TravelUntil(const State& call, bool to_server, MonoTime patience_ends, Task arrive);
  void ArriveAtServer(const State& call);
  // The client's outcome; later ones are ignored.
  void Finish(const State& call, absl::StatusOr<std::string> outcome);
  // Sends `call` a second time, with nobody to take the answer.
  void SendAgain(const State& call);
  // The client gave up: the server learns it a delay later.
  void ClientGone(const State& call);
  // Breaks the server's side now, if it is still open.
  void BreakServer(const State& call);
  // Breaks both sides, each a delay from now.
  void Break(const State& call, const char* why);
  void OnLongCut(const std::string& from, const std::string& to);
  void Forget(const State& call);

  Links& links_;
  std::map<Endpoint, SimRpcServer*> servers_;
  std::map<uint64_t, State> open_;  // not ended at both sides
  uint64_t next_ = 1;
  std::map<std::string, uint64_t, std::less<>> counts_;
  uint64_t late_calls_ = 0;
  uint64_t orphaned_calls_ = 0;
  uint64_t duplicated_calls_ = 0;
};

class SimRpcServer final : public RpcServer {
 public:
  SimRpcServer(RpcExchange& exchange, Process& process) : exchange_(exchange), process_(process) {}
  ~SimRpcServer() override { Stop(); }

  void Register(std::string method, EventLoop* loop, Handler handler) override;
  absl::Status Start(const Endpoint& at) override;
  void Stop() override;

 private:
  friend class RpcExchange;

  RpcExchange& exchange_;
  Process& process_;
  std::map<std::string, std::shared_ptr<Handler>, std::less<>> handlers_;
  Endpoint at_;
  bool serving_ = false;
};

class SimRpcClient final : public RpcClient {
 public:
  SimRpcClient(RpcExchange& exchange, Process& process) : exchange_(exchange), process_(process) {}
  ~SimRpcClient() override;

  RpcCallId Call(const Endpoint& to, std::string_view method, std::string request, Micros timeout,
                 EventLoop* loop, Done done) override;
  void Cancel(RpcCallId id) override;

 private:
  friend class RpcExchange;

  RpcExchange& exchange_;
  Process& process_;
  std::map<uint64_t, std::shared_ptr<SimCallState>> calls_;  // not finished
};

}  // namespace quorate::sim
