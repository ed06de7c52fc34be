#include "tests/sim/cluster/stale_messages.h"

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "broker/broker.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager_impl.h"
#include "proto/quorate/controller.pb.h"
#include "proto/quorate/raft.pb.h"
#include "raft/raft_node.h"

namespace quorate::sim {
namespace {

constexpr Micros kPause = std::chrono::milliseconds(200);

void Fold(int64_t word, uint64_t* hash) {
  *hash = (*hash ^ static_cast<uint64_t>(word)) * 0x9e3779b97f4a7c15u;
  *hash ^= *hash >> 32;
}

// What a message may change of a node's share of the metadata quorum; whatever its controller
// decides is in the log.
uint64_t HashOfQuorum(SimNode& node) {
  const raft::RaftCore& core = node.raft().core();
  uint64_t hash = 1;
  for (const int64_t word :
       {int64_t{core.term().value()}, int64_t{core.hard_state().voted_for.node.value()},
        int64_t{core.leader().value()}, static_cast<int64_t>(core.role()), core.log_end().value(),
        core.log_start().value(), core.commit_index().value(),
        static_cast<int64_t>(core.truncations())}) {
    Fold(word, &hash);
  }
  return hash;
}

// The same for a partition that it leads.
uint64_t HashOfLeader(const Partition& partition, const PartitionPositions& at,
                      const PartitionState& state) {
  uint64_t hash = 2;
  Fold(at.leader_epoch.value(), &hash);
  Fold(at.high_watermark.value(), &hash);
  Fold(at.end_offset.value(), &hash);
  const LeaderState* const leading = partition.leader_state();
  if (leading == nullptr) return hash;
  Fold(leading->partition_epoch().value(), &hash);
  Fold(leading->pending().has_value(), &hash);
  for (NodeId replica : state.replicas) {
    Fold(leading->InMaximalIsr(replica), &hash);
    Fold(leading->ReplicaEnd(replica).value_or(Offset(-7)).value(), &hash);
  }
  return hash;
}

// The term of a Raft request: all of them have it in the same place.
std::optional<int32_t> TermOf(std::string_view request) {
  pb::BeginTermRequest parsed;
  if (!parsed.ParseFromArray(request.data(), static_cast<int>(request.size()))) return std::nullopt;
  return parsed.term();
}

}  // namespace

StaleMessages::StaleMessages(World& world, RpcExchange& exchange,
                             const std::vector<std::unique_ptr<SimNode>>& nodes,
                             const std::vector<PartitionName>& partitions, uint64_t seed,
                             StaleMessageChecker& checker)
    : world_(world),
      exchange_(exchange),
      nodes_(nodes),
      partitions_(partitions),
      random_(seed ^ 0x7374616c65u),
      checker_(checker) {
  exchange_.around_call = [this](const Process& server, const std::string& method,
                                 std::string_view request, const std::function<void()>& take) {
    OnCall(server, method, request, take);
  };
}

StaleMessages::~StaleMessages() { exchange_.around_call = nullptr; }

void StaleMessages::Start() {
  Ask();
  world_.ScheduleIn(kPause, nullptr, [this] { Start(); });
}

void StaleMessages::OnCall(const Process& server, const std::string& method,
                           std::string_view request, const std::function<void()>& take) {
  SimNode* node = nullptr;
  for (const auto& candidate : nodes_) {
    if (candidate->process() == &server && candidate->started()) node = candidate.get();
  }
  if (node == nullptr) return take();
  bool stale = false;
  if (method.starts_with("Raft.")) {
    const bool of_term = method == "Raft.Vote" || method == "Raft.BeginTerm" ||
                         method == "Raft.EndTerm" || method == "Raft.Fetch";
    const auto term = of_term ? TermOf(request) : std::nullopt;
    stale = term && *term < node->raft().core().term().value();
  } else if (method != "Controller.RegisterBroker") {
    pb::HeartbeatRequest parsed;  // all begin with the caller
    if (parsed.ParseFromArray(request.data(), static_cast<int>(request.size())) &&
        parsed.caller().broker_id() >= 0) {
      const BrokerImage* const broker =
          node->broker().images().image()->FindBroker(NodeId(parsed.caller().broker_id()));
      stale = broker != nullptr && parsed.caller().broker_epoch() < broker->epoch.value();
    }
  }
  if (!stale) return take();
  const uint64_t incarnation = node->incarnation();
  const uint64_t before = HashOfQuorum(*node);
  take();
  if (!node->up() || node->incarnation() != incarnation || !server.alive()) return;
  checker_.OnTaken(node->id().value(), method, before, HashOfQuorum(*node));
}

void StaleMessages::Ask() {
  const PartitionName& name = partitions_[random_.Below(partitions_.size())];
  SimNode& node = *nodes_[random_.Below(nodes_.size())];
  if (node.up() && node.started() && !node.paused() && node.process()->alive()) {
    AskLeader(node, name);
  }
}

void StaleMessages::AskLeader(SimNode& node, const PartitionName& name) {
  const ImagePtr& image = node.broker().images().image();
  const TopicImage* const topic = image->FindTopicByName(name.topic);
  const PartitionState* const state =
      topic == nullptr ? nullptr : topic->FindPartition(PartitionIndex(name.index));
  if (state == nullptr) return;
  const TopicPartition id{topic->id, PartitionIndex(name.index)};
  ReplicaManager& replicas = node.broker().replicas();
  Partition* const partition = replicas.impl()->Find(id);
  const auto at = replicas.Positions(id);
  if (partition == nullptr || !at || !at->is_leader) return;
  if (at->leader_epoch == LeaderEpoch(0)) return;  // there is no earlier one
  const NodeId replica = state->replicas[random_.Below(state->replicas.size())];
  const BrokerImage* const broker = image->FindBroker(replica);
  if (replica == node.id() || broker == nullptr) return;
  FetchSpec fetch;
  fetch.internal = true;
  fetch.replica = replica;
  fetch.replica_epoch = broker->epoch;
  FetchPartition& wanted = fetch.partitions.emplace_back();
  wanted.partition = id;
  wanted.current_leader_epoch = at->leader_epoch;
  wanted.fetch_offset = at->end_offset;  // as if it had all
  wanted.last_fetched_epoch = at->leader_epoch;
  const char* what = "a fetch in a leader epoch";
  if (random_.Chance(0.5)) {
    wanted.current_leader_epoch = LeaderEpoch(at->leader_epoch.value() - 1);
  } else {
    what = "a fetch of a replica's process";
    fetch.replica_epoch = BrokerEpoch(broker->epoch.value() - 1);
  }
  const uint64_t before = HashOfLeader(*partition, *at, *state);
  node.Do([&] { partition->Admit(fetch, wanted); });
  const auto then = replicas.Positions(id);
  if (!then) return;
  checker_.OnTaken(node.id().value(), what, before, HashOfLeader(*partition, *then, *state));
}

}  // namespace quorate::sim
