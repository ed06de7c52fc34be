// tests/sim/world/sim_network.h
//
// SimNetwork: byte streams between simulated processes. Bytes of one direction arrive in order,
// cut into random pieces; streams stall, break and fall silent as the Links say.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/network.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class SimConnection;
class SimListener;

// All listeners of a world, and which hosts exist.
class Internet {
 public:
  explicit Internet(Links& links) : links_(links) {}
  Links& links() { return links_; }
  void AddHost(const std::string& host) { hosts_[host] = 40000; }
  bool HasHost(const std::string& host) const { return hosts_.contains(host); }
  int NextPort(const std::string& host) {
    int& last = hosts_[host];
    last = last >= 60000 ? 40000 : last + 1;
    return last;
  }

  SimListener* Find(const Endpoint& at) const;
  bool Add(const Endpoint& at, SimListener* listener);  // false if in use
  void Remove(const Endpoint& at, SimListener* listener);

 private:
  Links& links_;
  std::map<std::string, int> hosts_;  // last port given out
  std::map<Endpoint, SimListener*> listeners_;
};

// The network as one process sees it.
class SimNetwork final : public Network {
 public:
  SimNetwork(Internet& internet, Process& process) : internet_(internet), process_(process) {}

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                   AcceptHandler on_accept) override;
  void Connect(const Endpoint& to, Micros timeout, ConnectHandler done) override;

 private:
  struct Attempt;
  void Arrive(const std::shared_ptr<Attempt>& attempt);

  Internet& internet_;
  Process& process_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate::sim
