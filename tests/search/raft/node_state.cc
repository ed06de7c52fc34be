#include "tests/search/raft/node_state.h"

#include <algorithm>
#include <utility>

#include "tests/search/raft/core_peer.h"
#include "tests/search/raft/message.h"

namespace quorate::raft::search {
namespace {

const MonoTime kNow{std::chrono::hours(1)};
constexpr Micros kLong = std::chrono::hours(1);
constexpr uint64_t kLeaderChange = 100;  // + node: the value of its leader-change record

// Of a halted core: thrown out of the check that failed, so that the search can tell how it came.
struct Halted {};

ReplicaKey KeyOf(NodeId id) { return {id, Uuid({static_cast<uint8_t>(id.value())})}; }

CoreConfig ConfigOf(NodeId id, const BugSwitches& bugs) {
  CoreConfig config;
  config.self = KeyOf(id);
  std::map<NodeId, Uuid> voters;
  for (int i = 1; i <= kNodes; ++i) voters[NodeId(i)] = KeyOf(NodeId(i)).directory;
  config.voters = VoterSet(std::move(voters));
  config.fetch_wait = Micros(0);  // a fetch is answered at once: the network may hold it up instead
  config.unreachable_delay_min = config.unreachable_delay_max = Micros(0);
  config.bugs = bugs;
  return config;
}

RaftCore CoreOn(const CoreConfig& config, const HardState& disk, const std::vector<Entry>& log) {
  InitialState initial;
  initial.hard_state = disk;
  for (size_t i = 0; i < log.size(); ++i) {
    initial.term_starts.Append(log[i].term, LogIndex(static_cast<int64_t>(i)));
  }
  initial.log_end = LogIndex(static_cast<int64_t>(log.size()));
  return RaftCore(config, std::move(initial));
}

// Turns a failed QCHECK of the core into an exception; the core is thrown away with it.
template <typename Function>
bool Runs(Function function) {
  SetCheckFailureHook([] { throw Halted{}; });
  try {
    function();
    return true;
  } catch (const Halted&) {
    return false;
  }
}

Event EventOf(const NodeEvent& event, const NodeState& node, const RaftCore& core) {
  switch (event.kind) {
    case NodeEvent::Kind::kFlush:
      return Flushed{LogIndex(static_cast<int64_t>(node.flush_end)),
                     core.truncations() - (node.flush_stale ? 1 : 0)};
    case NodeEvent::Kind::kPropose:
      return Appended{LogIndex(static_cast<int64_t>(node.log.size()) + 1)};
    case NodeEvent::Kind::kDeliver:
      return search::EventOf(*event.packet);
    case NodeEvent::Kind::kFail:
      return CallFailed{*core.fetch_in_flight(), core.leader()};
    default:
      return Tick{};
  }
}

// Steps `core`; false if it halted.
bool Step(RaftCore* core, const NodeEvent& event, const Event& input, Ready* ready) {
  MonoTime now = RaftCorePeer::now(*core);
  if (event.kind == NodeEvent::Kind::kTimer) now = now + kLong;
  if (event.kind == NodeEvent::Kind::kNudge) now = std::max(now, RaftCorePeer::SignOfLife(*core));
  return Runs([&] { *ready = core->Step(now, 0, input); });
}

void Send(const NodeState& node, Ready* ready, const NodeEvent& event, size_t limit,
          std::vector<Packet>* sent) {
  for (OutgoingRequest& request : ready->requests) {
    Packet packet{Packet::Kind::kRequest, node.id, request.to, request.call, {}, {}};
    std::visit([&packet](auto& m) { packet.message = std::move(m); }, request.message);
    sent->push_back(std::move(packet));
  }
  for (Reply& reply : ready->replies) {
    Packet packet{Packet::Kind::kResponse, node.id, event.packet->from, event.packet->call, {}, {}};
    if (auto* answer = std::get_if<FetchAnswer>(&reply.message)) {
      const auto from = static_cast<size_t>(answer->fetch_index.value());
      for (size_t i = from; answer->with_records && i < std::min(node.log.size(), from + limit);
           ++i) {
        const LogIndex index(static_cast<int64_t>(i));
        packet.entries.push_back(node.log[i]);
        answer->response.batches.push_back({node.log[i].term, index, index + 1});
      }
      packet.message = std::move(answer->response);
    } else if (auto* vote = std::get_if<VoteResponse>(&reply.message)) {
      packet.message = *vote;
    } else if (auto* begin = std::get_if<BeginTermResponse>(&reply.message)) {
      packet.message = *begin;
    } else {
      packet.message = std::get<EndTermResponse>(reply.message);
    }
    sent->push_back(std::move(packet));
  }
}

// The driver's part: disk and messages.
void CarryOut(NodeState* node, Ready* ready, const NodeEvent& event, size_t limit,
              std::vector<Packet>* sent) {
  if (ready->persist) node->disk = *ready->persist;
  node->disk.leader = kNoNode;
  if (ready->truncate_to) {
    node->log.resize(static_cast<size_t>(ready->truncate_to->value()));
    node->durable = std::min(node->durable, node->log.size());
    node->flush_stale = node->flush_end > 0;
  }
  if (ready->append_fetched) {
    for (const Entry& entry : event.packet->entries) node->log.push_back(entry);
  }
  if (ready->append_leader_change) {
    node->log.push_back(
        {node->core.term(), kLeaderChange + static_cast<uint64_t>(node->id.value()), 0});
  }
  if (node->flush_end == 0 && node->durable < node->log.size()) node->flush_end = node->log.size();
  Send(*node, ready, event, limit, sent);
}

// Both cores keep the calls that are still open under the same numbers.
void Renumber(Outcome* outcome) {
  outcome->calls = RaftCorePeer::RenumberCalls(&outcome->next.core);
  RaftCorePeer::RenumberCalls(&outcome->next.raw);
  for (Packet& packet : outcome->sent) {
    if (packet.kind != Packet::Kind::kRequest) continue;
    const auto call = static_cast<size_t>(packet.call);
    packet.call = CallId{call < outcome->calls.size() ? outcome->calls[call] : 0u};
  }
  const uint64_t truncations = outcome->next.flush_stale ? 1 : 0;
  RaftCorePeer::SetTruncations(&outcome->next.core, truncations);
  RaftCorePeer::SetTruncations(&outcome->next.raw, truncations);
}

// With these the disk is wrong at once; what comes of it is the question.
bool VoteBugs(const RaftCore& core) {
  const BugSwitches& bugs = RaftCorePeer::config(core).bugs;
  return bugs.vote_without_persisting || bugs.forget_vote_on_step_down;
}

void CheckAlone(const NodeState& before, bool crashed, Outcome* outcome) {
  const NodeState& after = outcome->next;
  if (!outcome->violation.empty()) return;
  if (after.core.log_end().value() != static_cast<int64_t>(after.log.size())) {
    outcome->violation = "the core's log end is not the log's";
  } else if (!VoteBugs(after.core) && (after.core.hard_state().term != after.disk.term ||
                                       after.core.hard_state().voted_for != after.disk.voted_for)) {
    outcome->violation = "I2: term and vote in memory differ from the disk";
  } else if (!crashed && after.core.commit_index() < before.core.commit_index()) {
    outcome->violation = "I5: a commit index went back";
  } else if (after.core.term() < before.core.term() && !VoteBugs(after.core)) {
    outcome->violation = "I2: a term went back";
  }
}

}  // namespace

std::string NodeState::Bytes() const {
  std::string out;
  out.push_back(static_cast<char>(id.value()));
  out.push_back(static_cast<char>(disk.term.value()));
  out.push_back(static_cast<char>(disk.voted_for.node.value()));
  out.push_back(static_cast<char>(log.size()));
  for (const Entry& entry : log) {
    out.push_back(static_cast<char>(entry.term.value()));
    out.push_back(static_cast<char>(entry.value));
  }
  out.push_back(static_cast<char>(durable));
  out.push_back(static_cast<char>(flush_end));
  out.push_back(flush_stale ? 1 : 0);
  RaftCorePeer::AppendBytes(core, &out);
  return out;
}

NodeState FirstState(NodeId id, Term term, const std::vector<Term>& log, const BugSwitches& bugs) {
  const CoreConfig config = ConfigOf(id, bugs);
  const HardState disk{term, ReplicaKey{}, kNoNode};
  std::vector<Entry> entries;
  for (Term entry : log) entries.push_back({entry, kLeaderChange, 0});
  RaftCore core = CoreOn(config, disk, entries);
  core.Start(kNow, 0);
  RaftCore raw = core;
  RaftCorePeer::RenumberCalls(&core);
  RaftCorePeer::RenumberCalls(&raw);
  RaftCorePeer::Forget(&core, kNow);
  const size_t end = entries.size();
  return NodeState{id, disk, std::move(entries), end, 0, false, core, raw};
}

namespace {

// A power cut or a kill, and the start after it.
Outcome Crash(const NodeState& from, size_t kept) {
  std::vector<Entry> log(from.log.begin(), from.log.begin() + static_cast<std::ptrdiff_t>(kept));
  const CoreConfig& config = RaftCorePeer::config(from.core);
  RaftCore core = CoreOn(config, from.disk, log);
  core.Start(kNow, 0);
  RaftCore raw = core;
  Outcome outcome{{from.id, from.disk, std::move(log), kept, 0, false, core, raw}, {}, {}, {}};
  Renumber(&outcome);
  RaftCorePeer::Forget(&outcome.next.core, kNow);
  CheckAlone(from, true, &outcome);
  outcome.calls = {};
  return outcome;
}

// One event on both cores, without what follows from fsync_at_once.
Outcome RunOne(const NodeState& from, const NodeEvent& event, size_t limit) {
  Outcome outcome{from, {}, {}, {}};
  NodeState& node = outcome.next;
  const Event input = EventOf(event, node, node.core);
  if (event.kind == NodeEvent::Kind::kPropose) {
    node.log.push_back({node.core.term(), event.value, 0});
  } else if (event.kind == NodeEvent::Kind::kFlush) {
    if (!node.flush_stale) node.durable = std::max(node.durable, node.flush_end);
    node.flush_end = 0;
    node.flush_stale = false;
  }
  Ready ready;
  Ready raw_ready;
  const bool runs = Step(&node.core, event, input, &ready);
  if (Step(&node.raw, event, input, &raw_ready) != runs) {
    outcome.violation = "search: only the normalised core halts";
    return outcome;
  }
  if (!runs) {
    outcome.violation = "a node halts: a check of the core failed";
    return outcome;
  }
  std::vector<Packet> raw_sent;
  NodeState disk = node;
  CarryOut(&disk, &raw_ready, event, limit, &raw_sent);
  CarryOut(&node, &ready, event, limit, &outcome.sent);
  bool same = raw_sent.size() == outcome.sent.size() && disk.log.size() == node.log.size() &&
              disk.disk == node.disk;
  for (size_t i = 0; same && i < raw_sent.size(); ++i) {
    same = BytesOf(raw_sent[i]) == BytesOf(outcome.sent[i]);
  }
  Renumber(&outcome);
  RaftCore raw = node.raw;
  RaftCorePeer::Forget(&raw, kNow);
  RaftCorePeer::Forget(&node.core, kNow);
  std::string normal_bytes;
  std::string raw_bytes;
  RaftCorePeer::AppendBytes(node.core, &normal_bytes);
  RaftCorePeer::AppendBytes(raw, &raw_bytes);
  if (!same || normal_bytes != raw_bytes) {
    outcome.violation = "search: a normalised core behaves differently";
  }
  CheckAlone(from, false, &outcome);
  return outcome;
}

}  // namespace

Outcome RunEvent(const NodeState& from, const NodeEvent& event, size_t entries_per_answer,
                 bool fsync_at_once) {
  if (event.kind == NodeEvent::Kind::kCrash) return Crash(from, event.kept);
  Outcome outcome = RunOne(from, event, entries_per_answer);
  if (!fsync_at_once || outcome.next.flush_end == 0 || !outcome.violation.empty()) return outcome;
  NodeEvent flush;
  flush.kind = NodeEvent::Kind::kFlush;
  Outcome then = RunOne(outcome.next, flush, entries_per_answer);
  for (Packet& packet : outcome.sent) {
    if (packet.kind == Packet::Kind::kRequest) {
      packet.call = CallId{then.calls[static_cast<size_t>(packet.call)]};
    }
    then.sent.push_back(std::move(packet));
  }
  for (uint8_t& call : outcome.calls) call = then.calls[call];
  then.calls = outcome.calls;
  return then;
}

}  // namespace quorate::raft::search
