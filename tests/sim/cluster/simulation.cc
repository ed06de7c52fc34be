#include "tests/sim/cluster/simulation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/broker.h"
#include "proto/kafka/error.h"
#include "raft/raft_node.h"
#include "tests/sim/checkers/replica_checker.h"

namespace quorate::sim {
namespace {

constexpr Micros kStartPatience = std::chrono::seconds(30);
constexpr Micros kHealPatience = std::chrono::seconds(120);
constexpr Micros kReadPatience = std::chrono::seconds(60);
constexpr Micros kShutDownGrace = std::chrono::seconds(10);

}  // namespace

Simulation::Simulation(const Scenario& scenario, bool loud)
    : scenario_(scenario), world_(scenario.seed), log_(world_, loud) {
  links_.set_behaviour(scenario_.links);
  for (const TopicPlan& topic : scenario_.topics) {
    for (int32_t i = 0; i < topic.partitions; ++i) partitions_.push_back({topic.name, i});
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
}

void Simulation::OnRead(const std::string& reader, bool last, const PartitionName& partition,
                        int64_t offset, const RecordName& record) {
  reads_.OnRead(reader, last, partition, offset, record);
  if (last) records_.OnFinalRead(partition, offset, record);
}

void Simulation::OnOutrage(const std::string& checker, const std::string& text) {
  if (verdict_.count() < 3) log_.Line("VIOLATION " + checker + ": " + text);
  verdict_.Add(checker, text);
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

void Simulation::StartClients() {
  for (int i = 0; i < scenario_.producers; ++i) {
    SimClient& client = NewClient("producer" + std::to_string(i));
    producers_.push_back(
        std::make_unique<SimProducer>(i, client, partitions_, scenario_.producer, *this));
    world_.RunAs(client.process(), [this] { producers_.back()->Start(); });
  }
  for (int i = 0; i < scenario_.consumers; ++i) {
    SimClient& client = NewClient("consumer" + std::to_string(i));
    consumers_.push_back(std::make_unique<SimConsumer>(client, partitions_, false, *this));
    world_.RunAs(client.process(), [this] { consumers_.back()->Start(); });
  }
}

bool Simulation::RunUntil(const std::function<bool()>& condition, Micros patience) {
  const MonoTime end = world_.now() + patience;
  while (!condition()) {
    if (world_.now() >= end || !verdict_.ok()) return false;
    world_.RunUntil(world_.now() + Millis(20));
  }
  return true;
}

void Simulation::Watch() {
  for (const auto& node : nodes_) {
    if (node->up()) WatchNode(*node);
  }
  world_.ScheduleIn(Micros(world_.random().Between(2'000, 6'000)), nullptr, [this] { Watch(); });
}

void Simulation::WatchNode(SimNode& node) {
  const int32_t id = node.id().value();
  RaftNode& raft = node.raft();
  const QuorumLeader leader = raft.leader();
  if (leader.leader != kNoNode) {
    leaders_.OnRaftLeader(id, leader.term.value(), leader.leader.value());
    if (leader.term.value() > shown_term_) {
      shown_term_ = leader.term.value();
      log_.Line(absl::StrFormat("node %d leads the quorum in term %d", leader.leader.value(),
                                shown_term_));
    }
  }
  metadata_.OnCommitIndex(id, node.incarnation(), raft.commit_index().value(),
                          raft.log_end_index().value());
  const ImagePtr image = node.broker().images().image();
  metadata_.OnImage(id, image->index().value(), image->hash().ToString());
  for (const PartitionName& name : partitions_) {
    const TopicImage* topic = image->FindTopicByName(name.topic);
    if (topic == nullptr) continue;
    const auto at = node.broker().replicas().Positions({topic->id, PartitionIndex(name.index)});
    if (!at) continue;
    watermarks_.OnPositions(
        id, node.incarnation(), name,
        {at->is_leader, at->leader_epoch.value(), at->log_start_offset.value(),
         at->high_watermark.value(), at->flushed_end_offset.value(), at->end_offset.value()});
    if (!at->is_leader) continue;
    leaders_.OnPartitionLeader(name, at->leader_epoch.value(), id);
    auto& shown = shown_leaders_[name];
    if (at->leader_epoch.value() > shown.first || shown.second == 0) {
      shown = {at->leader_epoch.value(), id};
      log_.Line(absl::StrFormat("node %d leads %s in epoch %d, offsets up to %d, high watermark %d",
                                id, name.ToString(), shown.first, at->end_offset.value(),
                                at->high_watermark.value()));
    }
  }
}

ImagePtr Simulation::NewestImage() const {
  ImagePtr newest;
  for (const auto& node : nodes_) {
    if (!node->up()) continue;
    const ImagePtr& image = node->broker().images().image();
    if (newest == nullptr || image->index() > newest->index()) newest = image;
  }
  return newest;
}

SimNode* Simulation::NodeOf(NodeId id) {
  for (const auto& node : nodes_) {
    if (node->id() == id) return node.get();
  }
  return nullptr;
}

bool Simulation::AllInSync() {
  const ImagePtr image = NewestImage();
  if (image == nullptr) return false;
  for (const auto& node : nodes_) {
    // The image must know of this very process: an ISR may name a dead one for a while.
    const BrokerImage* broker = image->FindBroker(node->id());
    if (!node->up() || broker == nullptr || broker->fenced ||
        broker->epoch != node->broker().epoch()) {
      return false;
    }
  }
  for (const PartitionName& name : partitions_) {
    const TopicImage* topic = image->FindTopicByName(name.topic);
    if (topic == nullptr) return false;
    const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
    if (state == nullptr || state->isr.size() != nodes_.size()) return false;
  }
  return true;
}

SimNode* Simulation::LeaderOfSome() {
  const ImagePtr image = NewestImage();
  if (image == nullptr) return nullptr;
  const PartitionName& name = partitions_[world_.random().Below(partitions_.size())];
  const TopicImage* topic = image->FindTopicByName(name.topic);
  if (topic == nullptr) return nullptr;
  const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
  return state == nullptr ? nullptr : NodeOf(state->leader);
}

std::string Simulation::MissingOf(const PartitionName& name, const TopicPartition& tp,
                                  const PartitionState& state) {
  if (state.leader == kNoNode) return name.ToString() + " has no leader";
  if (state.isr.size() != nodes_.size()) {
    std::string isr;
    for (NodeId id : state.isr) isr += " " + std::to_string(id.value());
    return absl::StrFormat("the ISR of %s, led by node %d, is%s", name.ToString(),
                           state.leader.value(), isr);
  }
  const auto of_leader = NodeOf(state.leader)->broker().replicas().Positions(tp);
  if (!of_leader || !of_leader->is_leader) {
    return absl::StrFormat("node %d does not lead %s yet", state.leader.value(), name.ToString());
  }
  for (const auto& node : nodes_) {
    const auto at = node->broker().replicas().Positions(tp);
    if (!at || at->high_watermark != of_leader->end_offset ||
        at->end_offset != of_leader->end_offset) {
      return absl::StrFormat("%s on %s is at %d (high watermark %d), its leader at %d",
                             name.ToString(), node->host(), at ? at->end_offset.value() : -1,
                             at ? at->high_watermark.value() : -1, of_leader->end_offset.value());
    }
  }
  return "";
}

std::string Simulation::WhatIsMissing() {
  for (const auto& node : nodes_) {
    if (!node->up()) return node->host() + " is down";
    if (!node->broker().active()) return node->host() + " is fenced";
  }
  const ImagePtr image = NewestImage();
  for (const auto& node : nodes_) {
    if (node->broker().images().image()->index() != image->index()) {
      return absl::StrFormat("%s has the metadata up to %d, others up to %d", node->host(),
                             node->broker().images().image()->index().value(),
                             image->index().value());
    }
  }
  for (const auto& producer : producers_) {
    if (!producer->Idle()) return "not acknowledged:" + producer->Describe();
  }
  for (const PartitionName& name : partitions_) {
    const TopicImage* topic = image->FindTopicByName(name.topic);
    if (topic == nullptr) return name.topic + " is gone";
    const PartitionState* state = topic->FindPartition(PartitionIndex(name.index));
    if (state == nullptr) return name.ToString() + " is gone";
    std::string missing = MissingOf(name, {topic->id, PartitionIndex(name.index)}, *state);
    if (!missing.empty()) return missing;
  }
  return "";
}

void Simulation::ReadEverything() {
  SimClient& client = NewClient("final-reader");
  final_reader_ = std::make_unique<SimConsumer>(client, partitions_, true, *this);
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
  if (!all_read && verdict_.ok()) verdict_.Add("unseen", missing);
  if (!all_read) return;
  records_.Finish();
  reads_.Finish();
}

void Simulation::CompareReplicas() {
  const ImagePtr image = NewestImage();
  for (const PartitionName& name : partitions_) {
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
    }
    CheckReplicas(name, replicas, verdict_);
  }
}

RunResult Simulation::Run() {
  StartNodes();
  Watch();
  double healing = 0;
  if (MakeTopics()) {
    StartClients();
    faults_ = std::make_unique<FaultInjector>(
        world_, links_, scenario_, nodes_, log_, [this] { return AllInSync(); },
        [this] { return LeaderOfSome(); });
    faults_->Start();
    // One consumer now and then reads everything again.
    MonoTime next_rewind = world_.now() + std::chrono::seconds(10);
    const MonoTime end = MonoTime(scenario_.duration);
    while (world_.now() < end && verdict_.ok()) {
      world_.RunUntil(std::min(end, world_.now() + Millis(100)));
      if (world_.now() >= next_rewind) {
        next_rewind = world_.now() + std::chrono::seconds(10);
        if (!consumers_.empty()) consumers_[0]->Rewind();
      }
    }
    for (const auto& producer : producers_) producer->Stop();
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
          missing = WhatIsMissing();
          return missing.empty();
        },
        kHealPatience);
    healing = static_cast<double>((world_.now() - healed).count()) / 1e6;
    if (!well && verdict_.ok()) verdict_.Add("liveness", missing);
    if (verdict_.ok()) ReadEverything();
    if (verdict_.ok()) CompareReplicas();
  }
  RunResult result;
  result.violations = verdict_.violations();
  result.log.assign(log_.lines().begin(), log_.lines().end());
  result.trace_hash = world_.trace_hash();
  result.events = world_.events_run();
  result.faults = log_.faults();
  result.simulated_seconds = static_cast<double>(world_.now().since_zero().count()) / 1e6;
  result.healing_seconds = healing;
  for (const auto& producer : producers_) {
    result.acked += producer->acked();
    result.retries += producer->retries();
  }
  for (const auto& consumer : consumers_) result.read += consumer->records_read();
  return result;
}

}  // namespace quorate::sim
