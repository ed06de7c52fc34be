// tests/sim/cluster/stale_messages.h
//
// StaleMessages shows StaleMessageChecker what nodes do with messages of epochs and terms that are
// over: it looks at every call that reaches one, most of them by the faults late calls and call
// twice, and now and then fetches from a partition's leader itself, as a replica of earlier
// days would.
//
// One thread; draws from a stream of its own, and changes nothing if all is well.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "tests/sim/checkers/stale_message_checker.h"
#include "tests/sim/clients/record_name.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/world/sim_rpc.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class StaleMessages {
 public:
  StaleMessages(World& world, RpcExchange& exchange,
                const std::vector<std::unique_ptr<SimNode>>& nodes,
                const std::vector<PartitionName>& partitions, uint64_t seed,
                StaleMessageChecker& checker);
  ~StaleMessages();

  // Asks leaders from now on, a few times a second.
  void Start();

 private:
  void Ask();
  // A fetch of a replica, as if it had all, in the leader epoch or of the process before.
  void AskLeader(SimNode& node, const PartitionName& name);
  void OnCall(const Process& server, const std::string& method, std::string_view request,
              const std::function<void()>& take);

  World& world_;
  RpcExchange& exchange_;
  const std::vector<std::unique_ptr<SimNode>>& nodes_;
  const std::vector<PartitionName>& partitions_;
  SeededRandom random_;
  StaleMessageChecker& checker_;
};

}  // namespace quorate::sim
