#include "raft/core/core_harness.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {
namespace {

Uuid DirectoryOf(NodeId id, int disk_number = 0) {
  std::array<uint8_t, 16> bytes{};
  bytes[0] = static_cast<uint8_t>(7 + disk_number);
  bytes[15] = static_cast<uint8_t>(id.value());
  return Uuid(bytes);
}

uint64_t Mix(uint64_t a, uint64_t b) {
  SeededRandom random(a * 0x9e3779b97f4a7c15u + b);
  return random.Next();
}

template <typename M>
constexpr bool kIsRequest =
    std::is_same_v<M, VoteRequest> || std::is_same_v<M, FetchRequest> ||
    std::is_same_v<M, BeginTermRequest> || std::is_same_v<M, EndTermRequest> ||
    std::is_same_v<M, FetchSnapshotRequest>;

}  // namespace

CoreCluster::CoreCluster(int voters, int observers, uint64_t seed, const BugSwitches& bugs)
    : now(Micros(1000)), random_(seed) {
  std::map<NodeId, Uuid> set;
  for (int i = 1; i <= voters; ++i) set[NodeId(i)] = DirectoryOf(NodeId(i));
  config.voters = VoterSet(set);
  config.bugs = bugs;
  for (int i = 1; i <= voters + observers; ++i) {
    CoreNode node;
    node.id = NodeId(i);
    nodes_.emplace(node.id, std::move(node));
  }
  for (auto& [id, node] : nodes_) Start(id);
}

void CoreCluster::Start(NodeId id) {
  CoreNode& node = nodes_.at(id);
  CoreConfig own = config;
  own.self = KeyOf(id);
  own.electable = dynamic_;
  InitialState initial;
  const auto header = node.snapshots.empty() ? nullptr : node.headers.at(node.snapshots.back());
  VoterHistory voters =
      header ? VoterHistory(*header, /*dynamic=*/true) : VoterHistory(config.voters, dynamic_);
  initial.hard_state = node.hard;
  if (!node.snapshots.empty()) initial.snapshot = node.snapshots.back();
  initial.log_start = LogIndex(static_cast<int64_t>(node.log_start));
  if (node.log_start > 0) {
    initial.term_starts.StartAt(initial.log_start, node.log[node.log_start - 1].term);
  }
  for (size_t i = node.log_start; i < node.log.size(); ++i) {
    initial.term_starts.Append(node.log[i].term, LogIndex(static_cast<int64_t>(i)));
    if (node.log[i].voters) voters.Append(LogIndex(static_cast<int64_t>(i)), *node.log[i].voters);
  }
  initial.voters = std::move(voters);
  initial.log_end = LogIndex(static_cast<int64_t>(node.log.size()));
  node.core = std::make_unique<RaftCore>(own, std::move(initial));
  node.flush.reset();
  node.download.reset();
  node.callers.clear();
  ++node.incarnation;
  commits_[id] = node.core->commit_index();
  Carry(node, node.core->Start(now, random_.Next()), nullptr);
}

void CoreCluster::Crash(NodeId id) {
  CoreNode& node = nodes_.at(id);
  node.core.reset();
  const size_t covered =
      node.snapshots.empty() ? 0 : static_cast<size_t>(node.snapshots.back().end.value());
  if (covered > node.durable) {
    // A snapshot may be durable before the records it stands for: it takes the log's place.
    node.durable = covered;
    node.log_start = covered;
  }
  node.log.resize(node.durable);
  node.flush.reset();
  node.download.reset();
  // Whoever waits for it, or sent to it, sees a broken connection; its own calls are gone.
  std::vector<Packet> kept;
  for (Packet& packet : bag_) {
    if (packet.from != id && packet.to != id) kept.push_back(std::move(packet));
    if (packet.to == id && packet.kind == Packet::Kind::kRequest && notify_broken) {
      kept.push_back({Packet::Kind::kFailed, id, packet.from, packet.call, {}, {}, false});
    }
  }
  bag_ = std::move(kept);
  if (notify_broken) {
    for (const auto& [request, caller] : node.callers) {
      bag_.push_back({Packet::Kind::kFailed, id, caller.node, caller.call, {}, {}, false});
    }
  }
  node.callers.clear();
  for (auto& [other_id, other] : nodes_) {
    std::vector<RequestId> broken;
    for (const auto& [request, caller] : other.callers) {
      if (caller.node == id) broken.push_back(request);
    }
    for (RequestId request : broken) {
      other.callers.erase(request);
      if (other.core) Step(other_id, FetchBroken{request});
    }
  }
}

void CoreCluster::Step(NodeId id, const Event& event) { StepWith(id, event, nullptr); }

void CoreCluster::StepWith(NodeId id, const Event& event, const Packet* cause) {
  CoreNode& node = nodes_.at(id);
  if (!node.core || !violation_.empty()) return;
  ++steps_;
  Carry(node, node.core->Step(now, random_.Next(), event), cause);
}

void CoreCluster::Append(CoreNode& node, Term term, uint64_t value,
                         std::shared_ptr<const VoterSet> voters) {
  Entry entry{term, value, 0, std::move(voters)};
  entry.chain = Mix(node.log.empty() ? 1 : node.log.back().chain,
                    Mix(value, static_cast<uint64_t>(term.value())));
  const auto index = static_cast<int64_t>(node.log.size());
  node.log.push_back(entry);
  // I3: the same (index, term) means the same log up to there, on all nodes and for ever.
  auto [it, added] = chains_.try_emplace({index, term}, entry.chain);
  if (!added && it->second != entry.chain) Violated("I3: log matching");
}

void CoreCluster::CarryOutOnDisk(CoreNode& node, const Ready& ready, const Packet* cause) {
  if (ready.persist) node.hard = *ready.persist;
  if (ready.truncate_to) {
    node.log.resize(static_cast<size_t>(ready.truncate_to->value()));
    node.durable = std::min(node.durable, node.log.size());
  }
  if (ready.install_snapshot) Install(node, *ready.install_snapshot);
  if (ready.delete_before) node.log_start = static_cast<size_t>(ready.delete_before->value());
  if (ready.write_chunk) {
    const SnapshotChunk& chunk = *ready.write_chunk;
    if (chunk.position == 0)
      node.download = {chunk.download, chunk.snapshot, {}, false, false, nullptr};
    CoreNode::Download& download = *node.download;
    if (download.number != chunk.download ||
        chunk.position != static_cast<int64_t>(download.entries.size())) {
      Violated("E7: pieces of two downloads are put together");
      return;
    }
    download.entries.insert(download.entries.end(), cause->entries.begin(), cause->entries.end());
    download.damaged |= cause->damaged;
    download.header = cause->header;
    download.complete = chunk.last;
  }
  if (ready.append_fetched) {
    for (const Entry& entry : cause->entries) Append(node, entry.term, entry.value, entry.voters);
  }
  if (ready.append_leader_change) Append(node, node.core->term(), next_value_++);
  if (ready.append_voters) {
    CheckVoterChange(node, *ready.append_voters);
    Append(node, node.core->term(), next_value_++,
           std::make_shared<const VoterSet>(*ready.append_voters));
  }
}

void CoreCluster::Install(CoreNode& node, SnapshotId snapshot) {
  if (!node.download || node.download->snapshot != snapshot || node.download->damaged) {
    return Violated("E11: what is installed was not checked");
  }
  ++installs_;
  node.log = std::move(node.download->entries);
  node.durable = node.log.size();
  node.log_start = node.log.size();
  node.snapshots = {snapshot};
  node.headers = {{snapshot, node.download->header}};
  node.download.reset();
  const auto end = static_cast<size_t>(snapshot.end.value());
  if (node.log.size() != end || end > committed_.size() ||
      node.log.back().chain != committed_[end - 1]) {
    Violated("I6: a snapshot is not what was committed");
  }
}

void CoreCluster::Carry(CoreNode& node, Ready ready, const Packet* cause) {
  last_ready_ = ready;
  CarryOutOnDisk(node, ready, cause);
  if (!node.flush && node.durable < node.log.size()) {
    node.flush = {LogIndex(static_cast<int64_t>(node.log.size())), node.core->truncations()};
  }
  if (node.download && node.download->number != node.core->snapshot_download()) {
    node.download.reset();
  }
  for (OutgoingRequest& request : ready.requests) {
    Packet packet;
    packet.from = node.id;
    packet.to = request.to;
    packet.call = request.call;
    std::visit([&packet](auto& m) { packet.message = std::move(m); }, request.message);
    SendPacket(std::move(packet));
  }
  for (Reply& reply : ready.replies) Answer(node, std::move(reply));
  CheckAfterStep(node, ready);
}

void CoreCluster::Answer(CoreNode& node, Reply reply) {
  auto caller = node.callers.find(reply.id);
  if (caller == node.callers.end()) return;
  Packet packet;
  packet.kind = Packet::Kind::kResponse;
  packet.from = node.id;
  packet.to = caller->second.node;
  packet.call = caller->second.call;
  node.callers.erase(caller);
  if (auto* answer = std::get_if<FetchAnswer>(&reply.message)) {
    if (answer->with_records) {
      const auto from = static_cast<size_t>(answer->fetch_index.value());
      if (from < node.log_start) Violated("records from before the log's start are served");
      const size_t end = std::min(node.log.size(), from + entries_per_answer);
      for (size_t i = from; i < end; ++i) {
        const LogIndex index(static_cast<int64_t>(i));
        packet.entries.push_back(node.log[i]);
        answer->response.batches.push_back(
            {node.log[i].term, index, index + 1, node.log[i].voters});
      }
    }
    packet.message = std::move(answer->response);
  } else if (auto* piece = std::get_if<SnapshotAnswer>(&reply.message)) {
    FetchSnapshotResponse& response = piece->response;
    const auto from = static_cast<size_t>(response.position);
    const auto end = static_cast<size_t>(response.snapshot.end.value());
    const bool there = std::find(node.snapshots.begin(), node.snapshots.end(), response.snapshot) !=
                       node.snapshots.end();
    if (piece->with_bytes && (!there || from >= end)) {
      response.outcome = SnapshotOutcome::kNotFound;
    } else if (piece->with_bytes) {
      const size_t stop = std::min(end, from + entries_per_answer);
      packet.entries.assign(node.log.begin() + static_cast<std::ptrdiff_t>(from),
                            node.log.begin() + static_cast<std::ptrdiff_t>(stop));
      packet.damaged = damage > 0 && random_.Chance(damage);
      packet.header = node.headers.at(response.snapshot);
      response.size = static_cast<int64_t>(end);
      response.length = static_cast<int64_t>(stop - from);
    }
    packet.message = response;
  } else {
    std::visit(
        [&packet](auto& m) {
          using M = std::decay_t<decltype(m)>;
          if constexpr (!std::is_same_v<M, FetchAnswer> && !std::is_same_v<M, SnapshotAnswer>) {
            packet.message = std::move(m);
          }
        },
        reply.message);
  }
  SendPacket(std::move(packet));
}

void CoreCluster::SendPacket(Packet packet) {
  if (cut_.contains({packet.from, packet.to})) {
    if (packet.kind == Packet::Kind::kRequest && notify_broken) {
      bag_.push_back({Packet::Kind::kFailed, packet.to, packet.from, packet.call, {}, {}, false});
    }
    return;
  }
  bag_.push_back(std::move(packet));
}

void CoreCluster::Deliver(size_t position) {
  Packet packet = std::move(bag_[position]);
  bag_[position] = std::move(bag_.back());
  bag_.pop_back();
  CoreNode& node = nodes_.at(packet.to);
  if (!node.core) {
    if (packet.kind == Packet::Kind::kRequest && notify_broken) {
      bag_.push_back({Packet::Kind::kFailed, packet.to, packet.from, packet.call, {}, {}, false});
    }
    return;
  }
  if (packet.kind == Packet::Kind::kFailed) {
    return Step(packet.to, CallFailed{packet.call, packet.from});
  }
  std::visit(
      [&](auto& message) {
        using M = std::decay_t<decltype(message)>;
        if constexpr (kIsRequest<M>) {
          const RequestId id{node.next_request++};
          node.callers[id] = {packet.from, packet.call};
          Step(packet.to, Request<M>{id, message});
          if constexpr (std::is_same_v<M, VoteRequest>) CheckGrant(node, message);
        } else if constexpr (!std::is_same_v<M, std::monostate>) {
          StepWith(packet.to, Response<M>{packet.call, packet.from, message}, &packet);
        }
      },
      packet.message);
}

void CoreCluster::DeliverAll() {
  for (int i = 0; i < 10000; ++i) {
    bool idle = true;
    for (auto& [id, node] : nodes_) {
      if (node.core && node.flush) {
        FinishFlush(id);
        idle = false;
      }
      if (node.core && node.download && node.download->complete) {
        FinishCheck(id);
        idle = false;
      }
    }
    if (!bag_.empty()) {
      Packet first = std::move(bag_.front());
      bag_.erase(bag_.begin());
      bag_.push_back(std::move(first));
      Deliver(bag_.size() - 1);
      idle = false;
    }
    if (idle) return;
  }
  Violated("messages never end");
}

void CoreCluster::Run(int steps) {
  for (int i = 0; i < steps; ++i) {
    now = now + Millis(10);
    for (auto& [id, node] : nodes_) Tick(id);
    DeliverAll();
  }
}

void CoreCluster::RunUntilLeader(int max_steps) {
  for (int i = 0; i < max_steps; ++i) {
    if (leader() != kNoNode && core(leader()).is_active_leader()) return;
    Run(1);
  }
}

void CoreCluster::Propose(NodeId id) {
  CoreNode& node = nodes_.at(id);
  if (!node.core || node.core->role() != Role::kLeader) return;
  Append(node, node.core->term(), next_value_++);
  Step(id, Appended{LogIndex(static_cast<int64_t>(node.log.size()))});
}

void CoreCluster::FinishFlush(NodeId id) {
  CoreNode& node = nodes_.at(id);
  if (!node.core || !node.flush) return;
  const CoreNode::PendingFlush flush = *node.flush;
  node.flush.reset();
  // A flush started before a truncation says nothing about what was appended after it.
  if (flush.truncations == node.core->truncations()) {
    node.durable = std::max(node.durable, static_cast<size_t>(flush.end.value()));
  }
  Step(id, Flushed{flush.end, flush.truncations});
}

void CoreCluster::TakeSnapshot(NodeId id, bool trim) {
  CoreNode& node = nodes_.at(id);
  if (!node.core) return;
  const LogIndex end = node.core->commit_index();
  if (end <= node.core->snapshot().end) return;
  const SnapshotId snapshot{end, node.log[static_cast<size_t>(end.value() - 1)].term};
  trim = trim && end <= node.core->durable_end();
  if (trim) node.snapshots.clear();
  if (trim) node.headers.clear();
  node.snapshots.push_back(snapshot);
  const auto header = node.core->voter_history().ForSnapshot(end);
  node.headers[snapshot] = header;
  if ((header ? *header : config.voters) != VotersBefore(node, static_cast<size_t>(end.value()))) {
    Violated("I8: a snapshot names other voters than the log that it stands for");
  }
  Step(id, SnapshotTaken{snapshot, trim ? end : node.core->log_start()});
}

void CoreCluster::FinishCheck(NodeId id) {
  CoreNode& node = nodes_.at(id);
  if (!node.core || !node.download || !node.download->complete) return;
  node.download->complete = false;
  Step(id, SnapshotChecked{node.download->number, !node.download->damaged, node.download->header});
}

void CoreCluster::SetDisk(NodeId id, Term term, const std::vector<Term>& log) {
  CoreNode& node = nodes_.at(id);
  node.hard = HardState{term, ReplicaKey{}, kNoNode};
  terms_[id] = term;
  const bool same =
      std::equal(log.begin(), log.end(), node.log.begin(), node.log.end(),
                 [](Term wanted, const Entry& entry) { return wanted == entry.term; });
  if (same) return;
  node.log.clear();
  node.log_start = 0;
  node.snapshots.clear();
  node.headers.clear();
  // Equal terms at an index are equal entries, as far as their logs agree before it.
  for (Term entry : log) Append(node, entry, 1000 + node.log.size());
  node.durable = node.log.size();
}

void CoreCluster::ReplaceDisk(NodeId id) {
  CoreNode& node = nodes_.at(id);
  node.log.resize(node.durable);
  lost_disks_[KeyOf(id)] = node.log;
  ++node.disk_number;
  node.hard = HardState{};
  node.log.clear();
  node.log_start = 0;
  node.snapshots.clear();
  node.headers.clear();
  node.durable = 0;
  terms_[id] = Term(0);
}

// --- Changes of the voters ---

ReplicaKey CoreCluster::KeyOf(NodeId id) const {
  return {id, DirectoryOf(id, nodes_.at(id).disk_number)};
}

void CoreCluster::MakeDynamic() {
  dynamic_ = true;
  bag_.clear();
  for (auto& [id, node] : nodes_) Start(id);
}

std::string CoreCluster::ChangeVotersTo(NodeId leader, const VoterSet& next) {
  CoreNode& node = nodes_.at(leader);
  if (!node.core) return "the node is down";
  const absl::Status checked = node.core->CheckVoterChange(next, now);
  if (!checked.ok()) return std::string(checked.message());
  Step(leader, ChangeVoters{next});
  return "";
}

std::string CoreCluster::AddVoter(NodeId leader, NodeId id) {
  if (!nodes_.at(leader).core) return "the node is down";
  return ChangeVotersTo(leader, core(leader).voters().With(KeyOf(id), Endpoint{}));
}

std::string CoreCluster::RemoveVoter(NodeId leader, NodeId id) {
  if (!nodes_.at(leader).core) return "the node is down";
  const VoterSet& now_voting = core(leader).voters();
  if (!now_voting.ContainsNode(id)) return "no voter";
  return ChangeVotersTo(leader, now_voting.Without(id));
}

const VoterSet& CoreCluster::VotersOf(const CoreNode& node) const {
  return VotersBefore(node, node.log.size());
}

const VoterSet& CoreCluster::VotersBefore(const CoreNode& node, size_t end) const {
  for (size_t i = end; i > 0; --i) {
    if (node.log[i - 1].voters) return *node.log[i - 1].voters;
  }
  return config.voters;
}

void CoreCluster::Isolate(NodeId id) {
  for (auto& [other, node] : nodes_) {
    if (other != id) Cut(id, other);
  }
}

NodeId CoreCluster::leader() const {
  NodeId best = kNoNode;
  Term term{-1};
  for (const auto& [id, node] : nodes_) {
    if (node.core && node.core->role() == Role::kLeader && node.core->term() > term) {
      best = id;
      term = node.core->term();
    }
  }
  return best;
}

}  // namespace quorate::raft
