#include "tests/sim/cluster/watcher.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/broker.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager_impl.h"
#include "controller/image/replay.h"
#include "raft/raft_node.h"

namespace quorate::sim {
namespace {

// What TopicMaker asks for.
constexpr int32_t kMinIsr = 2;
constexpr char kMetadataLog[] = "the metadata log";
// In a sparse run: this long after the latest event worth a line the looks become rare.
constexpr Micros kCalm = std::chrono::seconds(5);

std::vector<int32_t> Ids(const ReplicaList& list) {
  std::vector<int32_t> ids;
  for (NodeId id : list) ids.push_back(id.value());
  return ids;
}

std::string Text(const ReplicaList& list) {
  std::string text;
  for (NodeId id : list) text += (text.empty() ? "" : " ") + std::to_string(id.value());
  return "[" + text + "]";
}

}  // namespace

Watcher::Watcher(World& world, const Scenario& scenario,
                 const std::vector<std::unique_ptr<SimNode>>& nodes,
                 const std::vector<PartitionName>& partitions, bool fences_in_steps,
                 Verdict& verdict, RunLog& log)
    : world_(world),
      scenario_(scenario),
      fences_in_steps_(fences_in_steps),
      nodes_(nodes),
      log_(log),
      leaders_(verdict),
      watermarks_(verdict),
      metadata_(verdict),
      snapshots_(verdict),
      terms_(verdict),
      commits_(verdict, scenario.nodes),
      isr_shapes_(verdict, kMinIsr),
      isr_supersets_(verdict),
      followers_(verdict),
      broker_epochs_(verdict),
      votes_(verdict),
      recoveries_(verdict),
      leader_completeness_(verdict),
      voter_sets_(verdict),
      seen_(static_cast<size_t>(scenario.nodes)),
      seen_index_(static_cast<size_t>(scenario.nodes), -1),
      restored_(static_cast<size_t>(scenario.nodes)),
      restored_at_(static_cast<size_t>(scenario.nodes), -1) {
  for (const PartitionName& name : partitions) {
    Watched& watched = partitions_.emplace_back();
    watched.name = name;
    watched.text = name.ToString();
    watched.flushes = name.topic != "os";
    watched.ends.assign(static_cast<size_t>(scenario.nodes), -1);
    watched.seen.resize(static_cast<size_t>(scenario.nodes));
  }
}

void Watcher::Start() {
  if (stopped_) return;
  for (const auto& node : nodes_) {
    if (node->before_end) continue;
    node->before_end = [this](SimNode& ending) { OnProcessEnds(ending); };
    node->on_wipe = [this](SimNode& wiped) { recoveries_.OnWipe(wiped.id().value()); };
  }
  Look();
  const bool calm = scenario_.profile == Profile::kSparse && !log_.entries().empty() &&
                    world_.now() - log_.entries().back().at > kCalm;
  const Micros pause(calm ? 500'000 : world_.random().Between(2'000, 6'000));
  world_.ScheduleIn(pause, nullptr, [this] { Start(); });
}

void Watcher::Look() {
  bool changed = false;
  for (const auto& node : nodes_) {
    commits_.OnDiskLost(node->id().value(), node->lost_durable_end());
    if (!node->up()) {
      commits_.OnDurableEnd(node->id().value(), node->last_durable_end());
      std::optional<SeenQuorum>& seen = seen_[static_cast<size_t>(node->id().value() - 1)];
      changed = changed || seen.has_value();
      seen.reset();
      continue;
    }
    changed = LookAtQuorum(*node) || changed;
    LookAtImage(*node);
  }
  if (changed) LookAtCommits();
  for (Watched& watched : partitions_) {
    if (watched.id) LookAtPartition(watched);
  }
}

void Watcher::LookAtCommits() {
  if (scenario_.dynamic_voters) {
    std::set<std::set<int32_t>> sets;
    for (const auto& node : nodes_) {
      std::set<int32_t> voters;
      for (NodeId voter : node->voters().nodes()) voters.insert(voter.value());
      sets.insert(std::move(voters));
    }
    commits_.OnVoters(std::move(sets));
  }
  for (const auto& node : nodes_) {
    if (node->up()) commits_.Check(node->id().value(), node->raft().commit_index().value());
  }
}

void Watcher::OnProcessEnds(SimNode& node) {
  const int32_t id = node.id().value();
  // While a snapshot is being installed the core has it already, the disk perhaps not yet.
  const RaftNode& raft = node.raft();
  const int64_t core_end = raft.log_end_index().value();
  recoveries_.OnEnd(
      id, kMetadataLog,
      std::min(raft.core().durable_end().value(), raft.log().flushed_end_offset().value()),
      node.died_in_write() ? INT64_MAX : std::max(core_end, raft.log().end_offset().value()));
  for (const Watched& watched : partitions_) {
    if (!watched.id) continue;
    const Partition* const partition = node.broker().replicas().impl()->Find(*watched.id);
    const Log* const log = partition == nullptr ? nullptr : partition->log();
    if (log == nullptr) {
      if (partition != nullptr && partition->fetched_anew()) recoveries_.OnCut(id, watched.text);
      continue;
    }
    const std::optional<SeenReplica>& seen = watched.seen[static_cast<size_t>(id - 1)];
    const bool cut_now =
        !log->failure().ok() && (!seen || seen->truncations != log->truncation_count());
    if (cut_now) {  // died in the middle of a truncation
      recoveries_.OnCut(id, watched.text);
    } else {
      recoveries_.OnEnd(id, watched.text, log->flushed_end_offset().value(),
                        node.died_in_write() ? INT64_MAX : log->end_offset().value());
    }
  }
}

bool Watcher::LookAtQuorum(SimNode& node) {
  const RaftNode& raft = node.raft();
  const raft::RaftCore& core = raft.core();
  SeenQuorum now{.incarnation = node.incarnation(),
                 .key = node.replica_key(),
                 .leader = raft.leader(),
                 .role = core.role(),
                 .voted_for = core.hard_state().voted_for,
                 .persisting = raft.persisting(),
                 .log_start = core.log_start(),
                 .commit = raft.commit_index(),
                 .durable_end = core.durable_end(),
                 .log_end = raft.log_end_index(),
                 .truncations = core.truncations(),
                 .snapshots = raft.snapshots(),
                 .installed = raft.snapshots_installed(),
                 .image = node.broker().images().image()->index()};
  std::optional<SeenQuorum>& seen = seen_[static_cast<size_t>(node.id().value() - 1)];
  if (seen == now) return false;
  seen = std::move(now);
  LookAtVotes(node);
  LookAtSnapshots(node);
  return true;
}

void Watcher::LookAtVotes(SimNode& node) {
  const int32_t id = node.id().value();
  const RaftNode& raft = node.raft();
  const QuorumLeader leader = raft.leader();
  raft::ReplicaKey& key = seen_keys_[id];
  if (key != node.replica_key()) {
    if (key.node != kNoNode) {
      terms_.OnDiskLost(id);
      votes_.OnDiskLost(id);
    }
    key = node.replica_key();
  }
  terms_.OnTerm(id, node.incarnation(), leader.term.value(), leader.leader == node.id());
  metadata_.OnCommitIndex(id, node.incarnation(), raft.commit_index().value(),
                          raft.log_end_index().value());
  commits_.OnDurableEnd(id, raft.core().durable_end().value());
  if (raft.core().truncations() == 0) {
    recoveries_.OnOpened(id, kMetadataLog, raft.log().recovery().end.value());
  } else {
    recoveries_.OnCut(id, kMetadataLog);
  }
  if (!raft.persisting()) {  // else nobody has heard of its newest state
    votes_.OnState(id, node.incarnation(), raft.core().term().value(),
                   raft.core().hard_state().voted_for.node.value());
  }
  voter_sets_.OnCore(raft.core(), raft.persisting());
  if (leader.leader == kNoNode) return;
  leaders_.OnRaftLeader(id, leader.term.value(), leader.leader.value());
  if (leader.term.value() <= shown_term_) return;
  shown_term_ = leader.term.value();
  log_.Add({.kind = RunLogEntry::Kind::kQuorum,
            .text = absl::StrFormat("node %d leads the quorum in term %d", leader.leader.value(),
                                    shown_term_),
            .nodes = {leader.leader.value()}});
}

void Watcher::LookAtSnapshots(SimNode& node) {
  const RaftNode& raft = node.raft();
  if (raft.persisting()) return;  // the core may be ahead of its files
  std::vector<SnapshotChecker::Snapshot> snapshots;
  for (const raft::SnapshotId& id : raft.snapshots()) {
    snapshots.push_back({id.end.value(), id.term.value()});
  }
  snapshots_.OnLog(node.id().value(), node.incarnation(), raft.core().log_start().value(),
                   raft.commit_index().value(), snapshots);
  const size_t i = static_cast<size_t>(node.id().value() - 1);
  const std::pair<uint64_t, int64_t> restored(node.incarnation(), raft.snapshots_installed());
  if (restored != restored_[i] && !snapshots.empty()) restored_at_[i] = snapshots.back().end;
  if (raft.snapshots_installed() > restored_[i].second && restored.first == restored_[i].first) {
    log_.Add({.kind = RunLogEntry::Kind::kQuorum,
              .text = absl::StrFormat("node %d installed the snapshot at %d", node.id().value(),
                                      restored_at_[i]),
              .nodes = {node.id().value()}});
  }
  restored_[i] = restored;
  const ImagePtr& image = node.broker().images().image();
  if (restored_at_[i] < 0 || image->index().value() < restored_at_[i]) return;
  restored_at_[i] = -1;
  snapshots_.OnRestored(node.id().value(), image->index().value(), image->hash().ToString(),
                        ComputeHash(*image).ToString());
}

void Watcher::LookAtImage(SimNode& node) {
  const ImagePtr& image = node.broker().images().image();
  const int64_t index = image->index().value();
  int64_t& seen = seen_index_[static_cast<size_t>(node.id().value() - 1)];
  if (index == seen) return;
  seen = index;
  metadata_.OnImage(node.id().value(), index, image->hash().ToString());
  if (index <= newest_index_) return;
  newest_index_ = index;
  OnNewestImage(*image);
}

void Watcher::OnNewestImage(const MetadataImage& image) {
  registered_.clear();
  for (const auto& [id, broker] : image.brokers()) {
    registered_[id.value()] = broker.epoch;
    broker_epochs_.OnRegistration(id.value(), broker.epoch.value(), broker.incarnation.ToString());
  }
  for (Watched& watched : partitions_) {
    const TopicImage* topic = image.FindTopicByName(watched.name.topic);
    if (topic == nullptr) continue;
    const PartitionIndex index(watched.name.index);
    const PartitionState* state = topic->FindPartition(index);
    if (state == nullptr) continue;
    watched.id = {topic->id, index};
    watched.told = true;
    OnState(watched, image, *state);
  }
}

void Watcher::OnState(Watched& watched, const MetadataImage& image, const PartitionState& state) {
  if (watched.state == state) return;
  if (watched.state.isr != state.isr || watched.state.elr != state.elr) {
    log_.Add({.kind = RunLogEntry::Kind::kIsr,
              .text = absl::StrFormat("%s: ISR %s, ELR %s, leader %d in epoch %d", watched.text,
                                      Text(state.isr), Text(state.elr), state.leader.value(),
                                      state.leader_epoch.value()),
              .nodes = Ids(state.isr),
              .partition = watched.text});
  }
  watched.state = state;
  std::set<int32_t> fenced;
  for (const auto& [id, broker] : image.brokers()) {
    if (broker.fenced && !fences_in_steps_) fenced.insert(id.value());
  }
  isr_shapes_.OnState(watched.name, image.index().value(),
                      {Ids(state.replicas), Ids(state.isr), Ids(state.elr), state.leader.value(),
                       state.leader_epoch.value(), state.partition_epoch.value()},
                      fenced);
}

std::optional<Watcher::SeenReplica> Watcher::See(const Watched& watched, SimNode& node) const {
  if (!node.up()) return std::nullopt;
  const Partition* const partition = node.broker().replicas().impl()->Find(*watched.id);
  const auto at = partition == nullptr ? std::nullopt : partition->Positions();
  if (!at) return std::nullopt;
  SeenReplica seen{.incarnation = node.incarnation(),
                   .broker_epoch = node.broker().epoch(),
                   .at = *at,
                   .truncations = partition->log()->truncation_count(),
                   .opened_end = partition->log()->recovery().end,
                   .fetched_anew = partition->fetched_anew(),
                   .partition_epoch{},
                   .maximal_isr = 0,
                   .fetched = 0};
  const LeaderState* const leading = partition->leader_state();
  if (!at->is_leader || leading == nullptr) return seen;
  seen.partition_epoch = leading->partition_epoch();
  for (NodeId replica : watched.state.replicas) {
    const uint64_t bit = uint64_t{1} << replica.value();
    if (leading->InMaximalIsr(replica)) seen.maximal_isr |= bit;
    if (leading->ReplicaEnd(replica).value_or(kNoOffset) != kNoOffset) seen.fetched |= bit;
  }
  return seen;
}

void Watcher::LookAtPartition(Watched& watched) {
  bool changed = std::exchange(watched.told, false);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    std::optional<SeenReplica> now = See(watched, *nodes_[i]);
    if (now == watched.seen[i]) continue;
    changed = true;
    watched.seen[i] = std::move(now);
    if (watched.seen[i]) LookAtReplica(watched, *nodes_[i], *watched.seen[i]);
  }
  if (!changed) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const std::optional<SeenReplica>& replica = watched.seen[i];
    if (replica && replica->at.is_leader) LookAtLeader(watched, *nodes_[i], *replica);
  }
}

void Watcher::LookAtReplica(Watched& watched, SimNode& node, const SeenReplica& replica) {
  const PartitionPositions& at = replica.at;
  const int32_t id = node.id().value();
  if (replica.truncations == 0 && !replica.fetched_anew) {
    recoveries_.OnOpened(id, watched.text, replica.opened_end.value());
  } else {
    recoveries_.OnCut(id, watched.text);
  }
  watermarks_.OnPositions(
      id, node.incarnation(), watched.name,
      {at.is_leader, at.leader_epoch.value(), at.log_start_offset.value(),
       at.high_watermark.value(), at.flushed_end_offset.value(), at.end_offset.value()});
  int64_t& end = watched.ends[static_cast<size_t>(id - 1)];
  if (at.end_offset.value() < end) {
    log_.Add({.kind = RunLogEntry::Kind::kCut,
              .text = absl::StrFormat("node %d has %s up to %d, no longer %d", id, watched.text,
                                      at.end_offset.value(), end),
              .nodes = {id},
              .partition = watched.text,
              .from = end,
              .to = at.end_offset.value()});
  }
  end = at.end_offset.value();
}

void Watcher::LookAtLeader(Watched& watched, SimNode& node, const SeenReplica& seen) {
  const PartitionPositions& at = seen.at;
  const int32_t id = node.id().value();
  const int32_t epoch = at.leader_epoch.value();
  leaders_.OnPartitionLeader(watched.name, epoch, id);
  leader_completeness_.OnLeader(watched.name, epoch, id, at.end_offset.value(), world_.now());
  if (epoch > watched.shown_epoch) {
    watched.shown_epoch = epoch;
    log_.Add({.kind = RunLogEntry::Kind::kLeader,
              .text = absl::StrFormat("node %d leads %s in epoch %d, offsets up to %d, high "
                                      "watermark %d",
                                      id, watched.text, epoch, at.end_offset.value(),
                                      at.high_watermark.value()),
              .nodes = {id},
              .partition = watched.text});
  }
  if (watched.state.leader != node.id() || watched.state.leader_epoch != at.leader_epoch) return;
  // The answer to an AlterPartition may come before the image that has it.
  if (seen.partition_epoch > watched.state.partition_epoch) return;
  IsrSupersetChecker::Leader leader{id, epoch, at.high_watermark.value(), {}};
  for (NodeId replica : watched.state.replicas) {
    if (seen.maximal_isr >> replica.value() & 1) leader.maximal_isr.insert(replica.value());
  }
  std::vector<IsrSupersetChecker::Member> members;
  for (NodeId member : watched.state.isr) {
    const size_t i = static_cast<size_t>(member.value() - 1);
    const std::optional<SeenReplica>& held = watched.seen[i];
    const auto registered = registered_.find(member.value());
    if (member == node.id() || !held || held->at.leader_epoch != at.leader_epoch ||
        registered == registered_.end() || registered->second != held->broker_epoch) {
      continue;
    }
    members.push_back(
        {member.value(),
         (watched.flushes ? held->at.flushed_end_offset : held->at.end_offset).value()});
  }
  isr_supersets_.OnLeader(watched.name, leader, Ids(watched.state.isr), members);
  LookAtFollowers(watched, node, seen);
}

void Watcher::LookAtFollowers(const Watched& watched, SimNode& node, const SeenReplica& leader) {
  // A disk of earlier days has other records until its node has fetched anew.
  if (scenario_.faults.Has(FaultKind::kOldDirectory)) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const std::optional<SeenReplica>& held = watched.seen[i];
    const int32_t follower = nodes_[i]->id().value();
    if (!held || held->at.is_leader || held->at.leader_epoch != leader.at.leader_epoch ||
        (leader.fetched >> follower & 1) == 0) {
      continue;
    }
    followers_.OnEnds(watched.name, leader.at.leader_epoch.value(), node.id().value(),
                      leader.at.end_offset.value(), follower, held->at.end_offset.value());
  }
}

NodeId Watcher::LeaderOf(const PartitionName& partition) const {
  for (const Watched& watched : partitions_) {
    if (watched.name == partition) return watched.state.leader;
  }
  return kNoNode;
}

IdleMoment Watcher::Moment() const {
  IdleMoment moment;
  moment.seconds = static_cast<double>(world_.now().since_zero().count()) / 1e6;
  moment.events = world_.events_run();
  moment.term = shown_term_;
  for (const Watched& watched : partitions_) {
    moment.in_sync += static_cast<int64_t>(watched.state.isr.size());
  }
  return moment;
}

}  // namespace quorate::sim
