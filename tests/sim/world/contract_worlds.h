// The worlds of base/*_contract.h made of simulated processes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/contract_world.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_disk.h"
#include "tests/sim/world/sim_network.h"
#include "tests/sim/world/sim_pool.h"
#include "tests/sim/world/sim_rpc.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

// Implements ContractWorld's operations for any abstract world `Base`: two hosts, one process each.
template <typename Base>
class SimulatedWorld : public Base {
 public:
  void On(EventLoop& loop, Task task) override {
    bool ran = false;
    loop.Post([&] {
      task();
      task = nullptr;
      ran = true;
    });
    while (!ran && world_.RunOne()) {
    }
  }
  bool RunUntil(EventLoop& loop, std::function<bool()> condition, Micros timeout) override {
    const MonoTime end = world_.now() + timeout;
    while (true) {
      bool holds = false;
      On(loop, [&] { holds = condition(); });
      if (holds) return true;
      if (world_.now() >= end) return false;
      world_.RunUntil(world_.now() + Micros(100));
    }
  }

 protected:
  World world_{1};
  Links links_{world_};
  Internet internet_{links_};
  RpcExchange exchange_{links_};
  SimDisk disk_{world_.random()};
  SimFileSystem files_{disk_};
  Process server_{world_, "server", 1};
  Process client_{world_, "client", 2};
};

}  // namespace quorate::sim
