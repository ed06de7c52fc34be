// tests/sim/cluster/simulation.h
//
// Simulation: one run. Three nodes and their clients for a stretch of simulated time under faults
// (safety), then all is healed and the cluster must be well again within two simulated minutes
// (liveness), then a fresh consumer reads everything and the checkers judge.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/image/metadata_image.h"
#include "tests/sim/checkers/leadership_checker.h"
#include "tests/sim/checkers/metadata_checker.h"
#include "tests/sim/checkers/read_checker.h"
#include "tests/sim/checkers/records_checker.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/checkers/watermark_checker.h"
#include "tests/sim/clients/consumer.h"
#include "tests/sim/clients/history.h"
#include "tests/sim/clients/producer.h"
#include "tests/sim/clients/sim_client.h"
#include "tests/sim/clients/topic_maker.h"
#include "tests/sim/cluster/fault_injector.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

struct RunResult {
  std::vector<Violation> violations;
  std::vector<std::string> log;  // the latest lines
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t acked = 0;
  uint64_t read = 0;
  uint64_t retries = 0;
  std::map<std::string, uint64_t> faults;  // injected, by kind
  double simulated_seconds = 0;
  double healing_seconds = 0;  // from the healing until the cluster was well
};

class Simulation final : public History {
 public:
  // `loud`: the run's log goes to stderr as it comes.
  Simulation(const Scenario& scenario, bool loud);
  ~Simulation() override;

  RunResult Run();

 private:
  void OnSend(const PartitionName& partition, const RecordName& record) override;
  void OnAck(const PartitionName& partition, const RecordName& record, int64_t offset) override;
  void OnRead(const std::string& reader, bool last, const PartitionName& partition, int64_t offset,
              const RecordName& record) override;
  void OnOutrage(const std::string& checker, const std::string& text) override;

  SimClient& NewClient(const std::string& host);
  void StartNodes();
  bool MakeTopics();
  void StartClients();
  // Looks at all nodes, again and again.
  void Watch();
  void WatchNode(SimNode& node);
  // Goes on until `condition` holds; false after `patience`.
  bool RunUntil(const std::function<bool()>& condition, Micros patience);
  // Leaders, full ISRs, all nodes at the same state, all replicas at their leader's end. Says what
  // is missing, or "" if it is well.
  std::string WhatIsMissing();
  std::string MissingOf(const PartitionName& name, const TopicPartition& tp,
                        const PartitionState& state);
  void ReadEverything();
  void CompareReplicas();
  bool AllInSync();
  SimNode* LeaderOfSome();
  ImagePtr NewestImage() const;
  SimNode* NodeOf(NodeId id);

  const Scenario scenario_;
  World world_;
  Links links_{world_};
  Internet internet_{links_};
  RpcExchange exchange_{links_};
  RunLog log_;
  Verdict verdict_;
  RecordsChecker records_{verdict_};
  ReadChecker reads_{verdict_};
  LeadershipChecker leaders_{verdict_};
  WatermarkChecker watermarks_{verdict_};
  MetadataChecker metadata_{verdict_};

  std::vector<PartitionName> partitions_;
  std::map<PartitionName, std::pair<int32_t, int32_t>> shown_leaders_;  // in the log
  int32_t shown_term_ = 0;
  std::vector<std::unique_ptr<Process>> client_processes_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<std::unique_ptr<SimProducer>> producers_;
  std::vector<std::unique_ptr<SimConsumer>> consumers_;
  std::unique_ptr<SimConsumer> final_reader_;
  std::unique_ptr<TopicMaker> topic_maker_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::unique_ptr<FaultInjector> faults_;
};

}  // namespace quorate::sim
