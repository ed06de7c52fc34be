#include "tests/sim/cluster/simulation.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/broker.h"
#include "broker/group/offsets_log.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager_impl.h"
#include "proto/kafka/error.h"
#include "raft/raft_node.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log.h"
#include "storage/record_batch.h"
#include "tests/sim/checkers/derived_state_checker.h"
#include "tests/sim/checkers/epoch_cache_checker.h"
#include "tests/sim/checkers/replica_checker.h"
#include "tests/sim/cluster/stage.h"

namespace quorate::sim {
namespace {

constexpr Micros kStartPatience = std::chrono::seconds(30);
constexpr Micros kHealPatience = std::chrono::seconds(120);
constexpr Micros kReadPatience = std::chrono::seconds(60);
constexpr Micros kShutDownGrace = std::chrono::seconds(10);
constexpr Micros kSettleTime = std::chrono::seconds(10);
constexpr Micros kIdleTime = std::chrono::seconds(5);
constexpr size_t kStoryLines = 20;
constexpr int kStorms = 3;
constexpr int32_t kOffsetsPartitions = 2;  // as SimNode asks for

// What a log answers from its indexes and its table of producers.
DerivedState DerivedStateOf(const Log& log) {
  DerivedState state;
  state.batch_at = [&log](int64_t offset) -> int64_t {
    const auto read = log.Read(Offset(offset), log.end_offset(), 1, /*at_least_one=*/true);
    const auto bytes = read.ok() ? read->ToBytes() : read.status();
    if (!bytes.ok() || bytes->empty()) return -1;
    return RecordBatchView::Parse(*bytes)->base_offset().value();
  };
  state.producers = &log.producers();
  state.offset_for_time = [&log](WallMillis timestamp) -> int64_t {
    const auto found = log.OffsetForTimestamp(timestamp, log.end_offset());
    return found.ok() && *found ? (*found)->offset.value() : -1;
  };
  return state;
}

}  // namespace

Simulation::Simulation(const Scenario& scenario, bool loud)
    : scenario_(scenario),
      world_(scenario.seed),
      points_(world_, scenario.seed, scenario.points_share, scenario.points_rate),
      log_(world_, loud) {
  links_.set_behaviour(scenario_.links);
  for (const TopicPlan& topic : scenario_.topics) {
    for (int32_t i = 0; i < topic.partitions; ++i) partitions_.push_back({topic.name, i});
  }
  all_partitions_ = partitions_;
  if (scenario_.group_members + scenario_.committers == 0) return;
  for (int32_t i = 0; i < kOffsetsPartitions; ++i) {
    all_partitions_.push_back({std::string(kOffsetsTopic), i});
  }
}

Simulation::~Simulation() {
  nodes_.clear();
  for (const auto& process : client_processes_) process->Kill();
}

void Simulation::OnSend(const PartitionName& partition, const RecordName& record) {
  records_.OnSend(partition, record);
}

void Simulation::OnAck(const PartitionName& partition, const RecordName& record, int64_t offset) {
  world_.Trace(static_cast<uint64_t>(offset) << 20 ^ static_cast<uint64_t>(record.number));
  records_.OnAck(partition, record, offset);
  if (offset < 0) return;
  if (watcher_ != nullptr) watcher_->OnAck(partition, offset);
  auto& acks = acks_[partition];
  if (acks.empty() || offset > acks.back().second) acks.emplace_back(world_.now(), offset);
}

void Simulation::OnRead(const std::string& reader, bool last, const PartitionName& partition,
                        int64_t offset, const RecordName& record) {
  reads_.OnRead(reader, last, partition, offset, record);
  if (last) records_.OnFinalRead(partition, offset, record);
}

void Simulation::OnOutrage(const std::string& checker, const std::string& text,
                           const Subject& subject) {
  if (IsRefusal(checker, subject)) return;
  if (verdict_.count() < 3) {
    log_.Add({.kind = RunLogEntry::Kind::kViolation, .text = "a client sees: " + text});
  }
  verdict_.Add(checker, text, subject);
}

bool Simulation::Leads(const PartitionName& partition, int32_t broker) const {
  return watcher_ != nullptr && watcher_->LeaderOf(partition) == NodeId(broker);
}

SimClient& Simulation::NewClient(const std::string& host) {
  internet_.AddHost(host);
  client_processes_.push_back(std::make_unique<Process>(world_, host, world_.random().Next()));
  std::vector<Endpoint> bootstrap;
  for (const auto& node : nodes_) bootstrap.push_back({node->host(), 9092});
  std::vector<std::string> topics;
  for (const TopicPlan& topic : scenario_.topics) topics.push_back(topic.name);
  clients_.push_back(
      std::make_unique<SimClient>(internet_, *client_processes_.back(), bootstrap, topics));
  clients_.back()->on_overdue = [this] { answers_.OnOverdue(); };
  return *clients_.back();
}

void Simulation::StartNodes() {
  const Surroundings surroundings{world_, internet_, exchange_, scenario_, verdict_, log_};
  for (int i = 1; i <= scenario_.nodes; ++i) {
    nodes_.push_back(std::make_unique<SimNode>(surroundings, NodeId(i)));
    nodes_.back()->StartLater(Micros(world_.random().Between(0, 500'000)));
  }
}

bool Simulation::MakeTopics() {
  SimClient& client = NewClient("admin");
  topic_maker_ = std::make_unique<TopicMaker>(client, scenario_.topics);
  world_.RunAs(client.process(), [this] { topic_maker_->Start(); });
  if (RunUntil([this] { return topic_maker_->done(); }, kStartPatience)) return true;
  verdict_.Add("liveness", "a fresh cluster does not make topics: " + topic_maker_->last_error());
  return false;
}

bool Simulation::StartGroups() {
  const auto start = [this](const std::string& host, const std::string& group, bool alone) {
    SimClient& client = NewClient(host);
    members_.push_back(
        std::make_unique<SimGroupMember>(client, group, alone, partitions_, *this, *this));
    world_.RunAs(client.process(), [this] { members_.back()->Start(); });
  };
  for (int i = 0; i < scenario_.group_members; ++i) {
    start("member" + std::to_string(i), "group", false);
  }
  for (int i = 0; i < scenario_.committers; ++i) {
    start("committer" + std::to_string(i), "group" + std::to_string(i), true);
  }
  const bool found = RunUntil(
      [this] {
        return std::all_of(members_.begin(), members_.end(),
                           [](const auto& member) { return member->found_coordinator(); });
      },
      kStartPatience);
  if (!found && verdict_.ok()) {
    verdict_.Add("liveness", "a group finds no coordinator: " + members_[0]->last_error());
  }
  return found;
}

void Simulation::AuditGroups() {
  if (members_.empty()) return;
  for (const auto& member : members_) {
    world_.ScheduleIn(Micros(0), nullptr, [this, &member = *member] {
      world_.RunAs(member.process(), [&member] { member.Audit(); });
    });
  }
  world_.RunUntil(world_.now() + Millis(1));
  std::string missing;
  const bool well = RunUntil(
      [&, this] {
        missing.clear();
        std::map<std::string, std::set<PartitionName>> audited;
        for (const auto& member : members_) {
          audited[member->group()].insert(member->audited().begin(), member->audited().end());
          missing += ", " + member->last_error();
        }
        return std::all_of(audited.begin(), audited.end(), [this](const auto& group) {
          return group.second.size() == partitions_.size();
        });
      },
      kHealPatience);
  if (!well && verdict_.ok()) {
    verdict_.Add("liveness", "nobody reads what a group committed for some partitions" + missing);
  }
}

void Simulation::StartClients() {
  for (int i = 0; i < scenario_.producers; ++i) {
    SimClient& client = NewClient("producer" + std::to_string(i));
    producers_.push_back(
        std::make_unique<SimProducer>(i, client, partitions_, scenario_.producer, *this));
    producer_processes_.push_back(&client.process());
    world_.RunAs(client.process(), [this] { producers_.back()->Start(); });
  }
  for (int i = 0; i < scenario_.consumers; ++i) {
    SimClient& client = NewClient("consumer" + std::to_string(i));
    consumers_.push_back(
        std::make_unique<SimConsumer>(client, partitions_, scenario_.consumer, *this));
    world_.RunAs(client.process(), [this] { consumers_.back()->Start(); });
  }
}

void Simulation::StopClients() {
  for (const auto& producer : producers_) producer->Stop();
}

// A script breaks what it breaks; nothing comes by chance.
void Simulation::RunScript() {
  faults_ = std::make_unique<FaultInjector>(Targets());
  Stage stage({world_, links_, exchange_, scenario_, nodes_, view_, partitions_, producers_,
               verdict_, log_});
  stage.WaitForAllInSync();
  if (stage.ok()) scenario_.script(stage);
  StopClients();
}

void Simulation::MakeStorms() {
  if (!scenario_.faults.Has(FaultKind::kAdminStorm)) return;
  for (int i = 0; i < kStorms; ++i) {
    SimClient& client = NewClient("storm" + std::to_string(i));
    storms_.push_back(std::make_unique<AdminStorm>(client, *this));
  }
}

void Simulation::Go(MonoTime time) {
  world_.RunUntil(time);
  steps_.OnSteps(world_.most_at_once(), world_.most_by_one());
}

bool Simulation::RunUntil(const std::function<bool()>& condition, Micros patience) {
  const MonoTime end = world_.now() + patience;
  while (!condition()) {
    if (world_.now() >= end || !verdict_.ok()) return false;
    Go(world_.now() + Millis(20));
  }
  return true;
}

void Simulation::ReadEverything() {
  SimClient& client = NewClient("final-reader");
  final_reader_ =
      std::make_unique<SimConsumer>(client, partitions_, ConsumerOptions{.last = true}, *this);
  world_.RunAs(client.process(), [this] { final_reader_->Start(); });
  std::string missing;
  const bool all_read = RunUntil(
      [&, this] {
        for (const PartitionName& name : partitions_) {
          const int64_t at = final_reader_->position(name);
          const int64_t high_watermark = final_reader_->high_watermark(name);
          if (high_watermark >= 0 && at >= high_watermark && at >= records_.acked_end(name)) {
            continue;
          }
          missing = absl::StrFormat(
              "%s: a fresh consumer is at %d, high watermark %d, acknowledged up to %d, last "
              "error %s",
              name.ToString(), at, high_watermark, records_.acked_end(name),
              kafka::Name(kafka::ErrorFromCode(final_reader_->last_error(name))));
          return false;
        }
        return true;
      },
      kReadPatience);
  if (!all_read && verdict_.ok()) verdict_.Add("unseen", missing, SubjectOf(missing));
  if (!all_read) return;
  AuditGroups();
  records_.Finish();
  reads_.Finish();
}

void Simulation::CompareReplicas() {
  const ImagePtr image = view_.NewestImage();
  for (const PartitionName& name : all_partitions_) {
    const TopicPartition tp{image->FindTopicByName(name.topic)->id, PartitionIndex(name.index)};
    std::vector<ReplicaBytes> replicas;
    for (const auto& node : nodes_) {
      ReplicaManager& manager = node->broker().replicas();
      const auto at = manager.Positions(tp);
      if (!at) continue;
      ReplicaBytes& replica = replicas.emplace_back();
      replica.node = node->id().value();
      Offset next = at->log_start_offset;
      while (next < at->high_watermark) {
        const auto read = manager.Read(tp, next, at->high_watermark, 1 << 20);
        const auto bytes = read.ok() ? read->ToBytes() : read.status();
        if (!bytes.ok() || bytes->empty()) {
          verdict_.Add("replicas",
                       absl::StrFormat("%s on %s cannot be read at %d: %s", name.ToString(),
                                       node->host(), next.value(), bytes.status().ToString()));
          break;
        }
        replica.bytes += *bytes;
        next = read->next_offset;
      }
      const Log* log = manager.impl()->Find(tp)->log();
      if (log == nullptr) continue;
      std::vector<EpochBegin> epochs;
      for (const EpochStart& start : log->epochs().entries()) {
        epochs.emplace_back(start.epoch.value(), start.start_offset.value());
      }
      CheckEpochCache(name, replica.node, epochs, replica.bytes, verdict_);
      CheckDerivedState(name, replica.node, replica.bytes, DerivedStateOf(*log), verdict_);
    }
    CheckReplicas(name, replicas, verdict_);
  }
}

FaultTargets Simulation::Targets() {
  return {world_,  links_, internet_, exchange_, points_, scenario_, nodes_, producer_processes_,
          storms_, view_,  log_};
}

void Simulation::StartFaults() {
  MakeStorms();
  faults_ = std::make_unique<FaultInjector>(Targets());
  faults_->Start();
}

void Simulation::RunUnderFaults(MonoTime end) {
  // One consumer now and then reads everything again.
  MonoTime next_rewind = world_.now() + scenario_.rewind_pause;
  while (world_.now() < end && verdict_.ok()) {
    Go(std::min(end, world_.now() + Millis(100)));
    if (world_.now() < next_rewind) continue;
    next_rewind = world_.now() + scenario_.rewind_pause;
    if (!consumers_.empty()) consumers_[0]->Rewind();
  }
}

// The partition that a text names, for stories.
Subject Simulation::SubjectOf(const std::string& text) const {
  for (const PartitionName& name : all_partitions_) {
    if (text.find(name.ToString()) != std::string::npos) return {name};
  }
  return {};
}

bool Simulation::HealAndWait() {
  // Shutdowns that began before end by themselves or by their patience; then all start.
  faults_->Heal();
  const MonoTime healed = world_.now();
  std::string missing;
  MonoTime start_again = healed + kShutDownGrace;
  const bool well = RunUntil(
      [&, this] {
        if (world_.now() >= start_again) {
          for (const auto& node : nodes_) node->Start();
          start_again = world_.now() + kShutDownGrace;
        }
        missing.clear();
        for (const auto& producer : producers_) {
          if (!producer->Idle()) missing = "not acknowledged:" + producer->Describe();
        }
        if (missing.empty()) missing = view_.WhatIsMissing();
        return missing.empty();
      },
      kHealPatience);
  healing_seconds_ = static_cast<double>((world_.now() - healed).count()) / 1e6;
  if (!well && verdict_.ok()) verdict_.Add("liveness", missing, SubjectOf(missing));
  return well;
}

bool Simulation::Settle() {
  // Shutdowns, leases and lags of the time before the healing come to their ends.
  world_.RunUntil(world_.now() + kSettleTime / 2);
  answers_.Begin();
  world_.RunUntil(world_.now() + kSettleTime / 2);
  answers_.Check();
  for (const auto& node : nodes_) node->Start();
  std::string missing;
  const bool well = RunUntil(
      [&, this] {
        missing = view_.WhatIsMissing();
        return missing.empty();
      },
      kHealPatience);
  if (!well && verdict_.ok()) {
    verdict_.Add("stability", "well, then no longer: " + missing, SubjectOf(missing));
  }
  return well;
}

void Simulation::BeIdle() {
  for (const auto& process : client_processes_) process->Kill();
  world_.RunUntil(world_.now() + std::chrono::seconds(1));
  const IdleMoment begin = watcher_->Moment();
  world_.RunUntil(world_.now() + kIdleTime);
  IdleChecker(verdict_, scenario_.nodes).Check(begin, watcher_->Moment());
}

RunResult Simulation::Run() {
  if (scenario_.abort_at > Micros(0)) {
    world_.ScheduleIn(scenario_.abort_at, nullptr, [] { std::abort(); });
  }
  StartNodes();
  watcher_ = std::make_unique<Watcher>(world_, scenario_, nodes_, all_partitions_,
                                       points_.IsOn("controller.batch_per_change"), verdict_, log_);
  watcher_->Start();
  stale_ = std::make_unique<StaleMessages>(world_, exchange_, nodes_, partitions_, scenario_.seed,
                                           stale_messages_);
  stale_->Start();
  if (MakeTopics() && StartGroups()) {
    StartClients();
    if (scenario_.faults.excess) {
      RunBeyond();
      return Result();
    }
    if (scenario_.script) {
      RunScript();
    } else {
      StartFaults();
      RunUnderFaults(MonoTime(scenario_.duration));
      StopClients();
    }
    if (verdict_.ok() && HealAndWait()) ReadEverything();
    if (verdict_.ok() && Settle()) CompareReplicas();
    if (verdict_.ok()) BeIdle();
  }
  return Result();
}

std::vector<std::string> Simulation::Story() const {
  if (verdict_.ok()) return {};
  const Violation& violation = verdict_.violations()[0];
  std::optional<AckMoment> ack;
  const auto acks = acks_.find(violation.subject.partition);
  if (acks != acks_.end() && violation.subject.offset >= 0) {
    for (const auto& [at, offset] : acks->second) {
      if (offset < violation.subject.offset) continue;
      ack = AckMoment{
          at, absl::StrFormat("%s: offset %d is acknowledged",
                              violation.subject.partition.ToString(), violation.subject.offset)};
      break;
    }
  }
  return TellStory(log_.entries(), violation, ack, kStoryLines);
}

RunResult Simulation::Result() {
  RunResult result;
  result.violations = verdict_.violations();
  result.story = Story();
  result.trace_hash = world_.trace_hash();
  result.events = world_.events_run();
  result.faults = log_.faults();
  result.injected = log_.injected();
  result.simulated_seconds = static_cast<double>(world_.now().since_zero().count()) / 1e6;
  result.node_hours = result.simulated_seconds / 3600 * scenario_.nodes;
  result.healing_seconds = healing_seconds_;
  for (const auto& node : nodes_) {
    result.effects["torn pages"] += node->disk().torn_pages();
    result.effects["processes ended by a full disk"] += node->ended_by_full_disk();
    for (const auto& [found, starts] : node->image_loads()) {
      result.effects["starts, metadata image " + std::string(ImageStore::NameOf(found))] += starts;
    }
    const RaftNode* raft = node->up() ? &node->raft() : nullptr;
    result.effects["snapshots taken"] += static_cast<uint64_t>(
        node->snapshots_taken() + (raft == nullptr ? 0 : raft->snapshots_taken()));
    result.effects["snapshots installed"] += static_cast<uint64_t>(
        node->snapshots_installed() + (raft == nullptr ? 0 : raft->snapshots_installed()));
    result.effects["failed reads"] += node->disk().failed_reads();
  }
  result.effects["stale messages"] = stale_messages_.count();
  result.effects["late calls"] = exchange_.late_calls();
  result.effects["late calls nobody waited for"] = exchange_.orphaned_calls();
  result.effects["calls delivered twice"] = exchange_.duplicated_calls();
  result.effects["frames cut"] = internet_.cut_frames();
  result.effects["bits flipped on their way"] = internet_.flipped_bits();
  for (const auto& storm : storms_) result.effects["admin requests answered"] += storm->answers();
  if (excess_ != nullptr) {
    result.effects["partitions whole after the excess"] = whole_;
    result.effects["partitions that refuse after the excess"] = refused_;
  }
  result.points = points_.Counts();
  for (const auto& producer : producers_) {
    result.acked += producer->acked();
    result.retries += producer->retries();
  }
  for (const auto& member : members_) result.commits += member->commits();
  for (const auto& consumer : consumers_) result.read += consumer->records_read();
  return result;
}

}  // namespace quorate::sim
