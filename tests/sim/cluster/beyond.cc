// Runs of Profile::kBeyond. Part of Simulation (simulation.h).
#include <algorithm>
#include <chrono>

#include "broker/broker.h"
#include "tests/sim/checkers/safe_halt_checker.h"
#include "tests/sim/cluster/simulation.h"

namespace quorate::sim {
namespace {

constexpr Micros kAftermath = std::chrono::seconds(10);
constexpr Micros kPatience = std::chrono::seconds(40);
constexpr Micros kReadPatience = std::chrono::seconds(20);

}  // namespace

void Simulation::RunBeyond() {
  StartFaults();
  RunUnderFaults(MonoTime(scenario_.faults.excess_at));
  if (!verdict_.ok()) return;
  faults_->StandBack();
  excess_ = std::make_unique<Excess>(Targets(), partitions_);
  excess_->Begin(records_);
  if (excess_->costs_tail()) watcher_->Stop();  // what was acknowledged may go
  if (excess_->kind() == ExcessKind::kLyingSyncs) {
    RunUnderFaults(world_.now() + Micros(world_.random().Between(100'000, 5'000'000)));
  }
  if (excess_->costs_tail()) {
    for (Process* producer : producer_processes_) producer->Kill();
  }
  excess_->Strike();
  RunUnderFaults(world_.now() + kAftermath);
  StopClients();
  if (verdict_.ok()) JudgeBeyond();
}

void Simulation::JudgeBeyond() {
  faults_->Heal();
  const bool well = RunUntil([this] { return view_.WhatIsMissing().empty(); }, kPatience);
  SimClient& client = NewClient("final-reader");
  final_reader_ =
      std::make_unique<SimConsumer>(client, partitions_, ConsumerOptions{.last = true}, *this);
  bad_crcs_.clear();
  world_.RunAs(client.process(), [this] { final_reader_->Start(); });
  const auto is_whole = [this](const PartitionName& name) {
    const int64_t high_watermark = final_reader_->high_watermark(name);
    return high_watermark >= records_.acked_end(name) &&
           final_reader_->position(name) >= high_watermark && final_reader_->last_error(name) == 0;
  };
  RunUntil([&] { return std::all_of(partitions_.begin(), partitions_.end(), is_whole); },
           kReadPatience);
  SafeHaltChecker checker(verdict_, records_);
  for (const PartitionName& name : partitions_) {
    const bool told = final_reader_->last_error(name) != 0 || bad_crcs_.contains(name) ||
                      client.LeaderOf(name) == nullptr;
    SafeHaltChecker::ReadOut read{final_reader_->position(name),
                                  final_reader_->high_watermark(name), -1, told};
    if (!told) read.log_end = LogEndAt(NodeId(client.LeaderOf(name)->leader), name);
    int64_t tail = excess_->TailOf(name);
    // Deposed, and nobody is left to tell it.
    const bool deposed = excess_->kind() == ExcessKind::kWipedVoters && !told &&
                         !Leads(name, client.LeaderOf(name)->leader);
    if (deposed) tail = read.high_watermark;
    checker.OnPartition(name, read, tail);
  }
  whole_ = checker.whole();
  refused_ = checker.refused() + checker.withheld();
  if (well && refused_ == 0 && verdict_.ok()) CompareReplicas();
}

int64_t Simulation::LogEndAt(NodeId broker, const PartitionName& partition) const {
  const SimNode* const node = view_.NodeOf(broker);
  const ImagePtr image = view_.NewestImage();
  if (node == nullptr || !node->up() || image == nullptr) return -1;
  const TopicImage* topic = image->FindTopicByName(partition.topic);
  if (topic == nullptr) return -1;
  const auto at = view_.NodeOf(broker)->broker().replicas().Positions(
      {topic->id, PartitionIndex(partition.index)});
  return at ? at->end_offset.value() : -1;
}

bool Simulation::IsRefusal(const std::string& checker, const Subject& subject) {
  if (excess_ == nullptr) return false;
  if (checker == "integrity") bad_crcs_.insert(subject.partition);
  return checker == "integrity" || checker == "consumer" || checker == "producer" ||
         checker == "consistent-read";
}

}  // namespace quorate::sim
