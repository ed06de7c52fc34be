// tests/sim/cluster/simulation.h
//
// Simulation: one run. Some nodes and their clients for a stretch of simulated time under faults
// (safety), then all is healed and the cluster must be well again within two simulated minutes
// (liveness), then a fresh consumer reads everything and the checkers judge. A run of
// Profile::kBeyond is asked for no more than a safe halt (excess.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/checkers/answers_checker.h"
#include "tests/sim/checkers/committed_offset_checker.h"
#include "tests/sim/checkers/latest_offset_checker.h"
#include "tests/sim/checkers/owner_checker.h"
#include "tests/sim/checkers/producer_id_checker.h"
#include "tests/sim/checkers/read_checker.h"
#include "tests/sim/checkers/records_checker.h"
#include "tests/sim/checkers/stale_message_checker.h"
#include "tests/sim/checkers/step_checker.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/admin_storm.h"
#include "tests/sim/clients/consumer.h"
#include "tests/sim/clients/group_member.h"
#include "tests/sim/clients/history.h"
#include "tests/sim/clients/producer.h"
#include "tests/sim/clients/sim_client.h"
#include "tests/sim/clients/topic_maker.h"
#include "tests/sim/cluster/cluster_view.h"
#include "tests/sim/cluster/excess.h"
#include "tests/sim/cluster/fault_injector.h"
#include "tests/sim/cluster/run_log.h"
#include "tests/sim/cluster/scenario.h"
#include "tests/sim/cluster/sim_node.h"
#include "tests/sim/cluster/stale_messages.h"
#include "tests/sim/cluster/story.h"
#include "tests/sim/cluster/watcher.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

struct RunResult {
  std::vector<Violation> violations;
  std::vector<std::string> story;  // of the first violation, a few lines
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  uint64_t acked = 0;
  uint64_t read = 0;
  uint64_t retries = 0;
  uint64_t commits = 0;                               // of the group's offsets
  std::map<std::string, uint64_t> faults;             // injected, by kind
  std::map<std::string, uint64_t> effects;            // what came of them
  std::map<std::string, uint64_t> points;             // how often each fired or was reached
  std::vector<std::pair<int, std::string>> injected;  // number in the plan, kind
  double simulated_seconds = 0;
  double node_hours = 0;       // simulated
  double healing_seconds = 0;  // from the healing until the cluster was well
};

class Simulation final : public History, public GroupHistory {
 public:
  // `loud`: the run's log goes to stderr as it comes.
  Simulation(const Scenario& scenario, bool loud);
  ~Simulation() override;

  RunResult Run();
  const RunLog& log() const { return log_; }

 private:
  void OnSend(const PartitionName& partition, const RecordName& record) override;
  void OnAck(const PartitionName& partition, const RecordName& record, int64_t offset) override;
  void OnRead(const std::string& reader, bool last, const PartitionName& partition, int64_t offset,
              const RecordName& record) override;
  void OnOutrage(const std::string& checker, const std::string& text,
                 const Subject& subject) override;
  bool Leads(const PartitionName& partition, int32_t broker) const override;
  void OnCommittedUpTo(const PartitionName& partition, int32_t epoch, int64_t offset) override {
    latest_offsets_.OnCommittedUpTo(partition, epoch, offset);
  }
  int64_t LatestFloor(const PartitionName& partition, int32_t epoch) const override {
    return latest_offsets_.Floor(partition, epoch);
  }
  void OnLatest(const PartitionName& partition, int32_t epoch, int64_t floor,
                int64_t offset) override {
    if (excess_ != nullptr && excess_->costs_tail()) return;  // a lower one tells of it
    latest_offsets_.OnLatest(partition, epoch, floor, offset);
  }
  void OnProducerId(int64_t id) override { producer_ids_.OnProducerId(id); }
  void OnOwner(int32_t generation, const PartitionName& partition,
               const std::string& member) override {
    owners_.OnOwner(generation, partition, member);
  }
  void OnCommitSent(const std::string& group, const PartitionName& partition,
                    int64_t offset) override {
    committed_offsets_.OnSent(group, partition, offset);
  }
  void OnCommitAcked(const std::string& group, const PartitionName& partition,
                     int64_t offset) override {
    committed_offsets_.OnAcked(group, partition, offset);
  }
  int64_t CommitFloor(const std::string& group, const PartitionName& partition) const override {
    return committed_offsets_.Floor(group, partition);
  }
  void OnCommittedRead(const std::string& group, const PartitionName& partition, int64_t floor,
                       int64_t offset) override {
    committed_offsets_.OnRead(group, partition, floor, offset);
  }

  SimClient& NewClient(const std::string& host);
  void StartNodes();
  bool MakeTopics();
  // The group of consumers and those who commit alone; false if the topic of their offsets does not
  // come into being.
  bool StartGroups();
  // Every committed offset is read again.
  void AuditGroups();
  void StartClients();
  void MakeStorms();
  // Goes on until `time`, then looks at how that went.
  void Go(MonoTime time);
  // Goes on until `condition` holds; false after `patience`.
  bool RunUntil(const std::function<bool()>& condition, Micros patience);
  FaultTargets Targets();
  void StartFaults();
  void RunUnderFaults(MonoTime end);
  void RunScript();
  void StopClients();
  // False if the cluster is not well in time.
  bool HealAndWait();
  void ReadEverything();
  // Some time passes, then the cluster must be well again.
  bool Settle();
  void CompareReplicas();
  // Faults, the excess, and whether that ends in a safe halt (beyond.cc).
  void RunBeyond();
  void JudgeBeyond();
  // Of a broker's log, -1 if it has none.
  int64_t LogEndAt(NodeId broker, const PartitionName& partition) const;
  // Whether what a client sees tells it, after the excess, that something is lost.
  bool IsRefusal(const std::string& checker, const Subject& subject);
  // Without clients and faults nothing happens.
  void BeIdle();
  Subject SubjectOf(const std::string& text) const;
  RunResult Result();
  std::vector<std::string> Story() const;

  const Scenario scenario_;
  World world_;
  Links links_{world_};
  Internet internet_{links_};
  RpcExchange exchange_{links_};
  SimPoints points_;
  RunLog log_;
  Verdict verdict_;
  RecordsChecker records_{verdict_};
  ReadChecker reads_{verdict_};
  ProducerIdChecker producer_ids_{verdict_};
  AnswersChecker answers_{verdict_};
  CommittedOffsetChecker committed_offsets_{verdict_};
  OwnerChecker owners_{verdict_};
  LatestOffsetChecker latest_offsets_{verdict_};
  StepChecker steps_{verdict_};
  StaleMessageChecker stale_messages_{verdict_};

  std::vector<PartitionName> partitions_;      // with the producers' records
  std::vector<PartitionName> all_partitions_;  // and those of the group's offsets
  // When which offsets were acknowledged, for stories.
  std::map<PartitionName, std::vector<std::pair<MonoTime, int64_t>>> acks_;
  std::vector<std::unique_ptr<Process>> client_processes_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<std::unique_ptr<SimProducer>> producers_;
  std::vector<std::unique_ptr<SimConsumer>> consumers_;
  std::vector<std::unique_ptr<SimGroupMember>> members_;
  std::unique_ptr<SimConsumer> final_reader_;
  std::unique_ptr<TopicMaker> topic_maker_;
  std::vector<std::unique_ptr<AdminStorm>> storms_;
  std::vector<Process*> producer_processes_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  const ClusterView view_{nodes_, all_partitions_};
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<StaleMessages> stale_;
  std::unique_ptr<FaultInjector> faults_;
  double healing_seconds_ = 0;
  std::unique_ptr<Excess> excess_;    // once it began
  std::set<PartitionName> bad_crcs_;  // seen since
  uint64_t whole_ = 0;                // partitions, by JudgeBeyond
  uint64_t refused_ = 0;
};

}  // namespace quorate::sim
