// tests/sim/clients/sim_client.h
//
// SimClient: what all simulated clients share: a process on a host of its own, connections to the
// brokers, and the cluster's metadata, refreshed when somebody finds it stale.
//
// Everything happens on its process' loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "tests/sim/clients/kafka_peer.h"
#include "tests/sim/clients/record_name.h"
#include "tests/sim/world/sim_network.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

struct LeaderView {
  int32_t leader = -1;
  int32_t epoch = -1;
};

class SimClient {
 public:
  // `topics` must exist or come into being; `process` runs on a host of the internet.
  SimClient(Internet& internet, Process& process, std::vector<Endpoint> bootstrap,
            std::vector<std::string> topics);

  Process& process() { return process_; }
  EventLoop& loop() { return process_.loop(); }
  Random& random() { return process_.random(); }
  const std::string& name() const { return process_.host(); }

  // nullptr if the leader is unknown.
  const LeaderView* LeaderOf(const PartitionName& partition) const;
  const Uuid* TopicId(const std::string& topic) const;
  // The topic of an id, or empty.
  std::string TopicName(const Uuid& id) const;
  // A partition's leader or epoch turned out to be another one: ask again, soon.
  void RefreshMetadata();
  // Called when new metadata is there.
  void OnMetadata(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }

  // The connection to a broker, made anew if it broke; nullptr if its address is not known.
  KafkaPeer* PeerOf(int32_t broker);
  // Called when an answer is overdue; may be empty.
  std::function<void()> on_overdue;
  // A connection to some broker.
  KafkaPeer* AnyPeer();

 private:
  void AskForMetadata();
  KafkaPeer* PeerAt(const Endpoint& at);

  Process& process_;
  SimNetwork network_;
  const std::vector<Endpoint> bootstrap_;
  const std::vector<std::string> topics_;
  std::map<Endpoint, std::unique_ptr<KafkaPeer>> peers_;
  std::map<int32_t, Endpoint> brokers_;
  std::map<PartitionName, LeaderView> leaders_;
  std::map<std::string, Uuid> topic_ids_;
  bool asking_ = false;
  std::vector<std::function<void()>> listeners_;
};

}  // namespace quorate::sim
