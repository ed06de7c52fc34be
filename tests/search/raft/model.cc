#include "tests/search/raft/model.h"

#include <algorithm>
#include <sstream>

#include "tests/search/raft/core_peer.h"
#include "tests/search/raft/fingerprint_set.h"
#include "tests/search/raft/message.h"

namespace quorate::raft::search {
namespace {

constexpr uint32_t kNoMessage = UINT32_MAX;

size_t IndexOf(uint32_t node_number) { return node_number - 1; }

bool SameEntry(const Entry& a, const Entry& b) { return a.term == b.term && a.value == b.value; }

bool HasPrefix(const std::vector<Entry>& log, const std::vector<Entry>& prefix) {
  return log.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), log.begin(), SameEntry);
}

}  // namespace

Model::Model(const ModelOptions& options) : options_(options) {}

ClusterState Model::First() {
  ClusterState state;
  for (int i = 0; i < kNodes; ++i) {
    const auto at = static_cast<size_t>(i);
    const ModelOptions::Disk& disk = options_.disks[at];
    state.nodes[at] = NumberOf(FirstState(NodeId(i + 1), Term(disk.term), disk.log, options_.bugs));
  }
  state.history = NumberOf(History{});
  return state;
}

// --- Numbers ---

uint32_t Model::NumberOf(NodeState&& state) {
  auto [it, added] = node_numbers_.try_emplace(state.Bytes(), static_cast<uint32_t>(nodes_.size()));
  if (added) {
    terms_.push_back(state.core.term().value());
    nodes_.push_back(std::move(state));
  }
  return it->second;
}

uint32_t Model::NumberOf(const Packet& packet) {
  auto [it, added] =
      message_numbers_.try_emplace(BytesOf(packet), static_cast<uint32_t>(messages_.size()));
  if (added) {
    Message message;
    message.packet = packet;
    message.request = packet.kind == Packet::Kind::kRequest;
    message.idle = IsIdleAnswer(packet);
    message.from = static_cast<uint8_t>(packet.from.value());
    message.to = static_cast<uint8_t>(packet.to.value());
    message.caller = message.request ? message.from : message.to;
    message.call = static_cast<uint8_t>(packet.call);
    message.term = raft::TermOf(packet).value();
    const auto* vote = std::get_if<VoteRequest>(&packet.message);
    message.pre_vote = vote != nullptr && vote->pre_vote;
    messages_.push_back(std::move(message));
  }
  return it->second;
}

uint32_t Model::NumberOf(const History& history) {
  std::string bytes;
  for (int8_t leader : history.leaders) bytes.push_back(static_cast<char>(leader));
  for (uint8_t n : {history.values, history.crashes, history.duplicates, history.failures}) {
    bytes.push_back(static_cast<char>(n));
  }
  for (size_t i = 0; i < history.committed.size(); ++i) {
    bytes.push_back(static_cast<char>(history.committed[i].term.value()));
    bytes.push_back(static_cast<char>(history.committed[i].value));
    bytes.push_back(static_cast<char>(history.committed_in[i].value()));
  }
  auto [it, added] = history_numbers_.try_emplace(bytes, static_cast<uint32_t>(histories_.size()));
  if (added) {
    histories_.push_back(history);
    counted_.push_back({});
  }
  return it->second;
}

uint32_t Model::Counted(uint32_t history, StepKind step) {
  uint32_t& known = counted_[history][static_cast<size_t>(step)];
  if (known == 0) {
    History more = histories_[history];
    uint8_t& count = step == StepKind::kPropose ? more.values
                     : step == StepKind::kCrash ? more.crashes
                     : step == StepKind::kFail  ? more.failures
                                                : more.duplicates;
    ++count;
    known = NumberOf(more) + 1;
  }
  return known - 1;
}

uint32_t Model::WithCall(uint32_t message, uint8_t call) {
  if (messages_[message].call == call) return message;
  if (const uint32_t known = messages_[message].as_call[call]) return known - 1;
  Packet packet = messages_[message].packet;
  packet.call = CallId{call};
  const uint32_t number = NumberOf(packet);
  messages_[message].as_call[call] = number + 1;
  return number;
}

// --- Steps ---

void Model::ListSteps(const ClusterState& state, std::vector<ClusterStep>* steps) {
  steps->clear();
  const History& history = histories_[state.history];
  bool untouched = state.net.empty();
  for (uint32_t i = 1; i <= kNodes; ++i) {
    const NodeState& node = nodes_[state.nodes[IndexOf(i)]];
    untouched = untouched && node.core.role() == Role::kUnattached && node.log.empty() &&
                node.core.term() == Term(0);
  }
  for (uint32_t i = 1; i <= kNodes; ++i) {
    const NodeState& node = nodes_[state.nodes[IndexOf(i)]];
    // In the last term no election can be won. The nodes of the first state are alike: it is node
    // 1 that wakes first.
    if (node.core.term() < Term(options_.terms) && !(untouched && i > 1)) {
      steps->push_back({StepKind::kTimer, i});
    }
    if (RaftCorePeer::WaitsForFsync(node.core)) steps->push_back({StepKind::kNudge, i});
    if (node.flush_end > 0) steps->push_back({StepKind::kFlush, i});
    if (history.values < options_.values && node.core.is_active_leader()) {
      steps->push_back({StepKind::kPropose, i});
    }
    if (history.failures < options_.failures && node.core.fetch_in_flight()) {
      steps->push_back({StepKind::kFail, i});
    }
    if (history.crashes < options_.crashes && !untouched) {
      for (size_t kept = node.durable; kept <= node.log.size(); ++kept) {
        steps->push_back({StepKind::kCrash, i * 16 + static_cast<uint32_t>(kept)});
      }
    }
  }
  for (const uint32_t message : state.net) {
    if (options_.whole_calls && messages_[message].request) {
      steps->push_back({StepKind::kCall, message});
      steps->push_back({StepKind::kLost, message});
    } else {
      steps->push_back({StepKind::kDeliver, message});
    }
    // A pre-vote binds nobody, be it asked once or twice.
    const bool pre_vote = messages_[message].pre_vote;
    if (history.duplicates < options_.duplicates && !pre_vote)
      steps->push_back({StepKind::kKeep, message});
  }
}

void Model::NoteReached(const NodeState& from, const NodeState& to, NodeEvent::Kind kind) {
  if (to.core.role() == Role::kLeader) {
    reached_.leader_term = std::max(reached_.leader_term, static_cast<int>(to.core.term().value()));
  }
  reached_.commit = std::max(reached_.commit, static_cast<int>(to.core.commit_index().value()));
  if (kind == NodeEvent::Kind::kDeliver && to.log.size() < from.log.size()) ++reached_.truncations;
}

const Model::Transition& Model::RunCached(uint32_t node, NodeEvent::Kind kind, uint32_t argument) {
  const uint64_t key =
      (static_cast<uint64_t>(node) << 32) | (static_cast<uint64_t>(kind) << 29) | argument;
  auto [it, added] =
      transition_numbers_.try_emplace(key, static_cast<uint32_t>(transitions_.size()));
  if (!added) return transitions_[it->second];
  NodeEvent event;
  event.kind = kind;
  if (kind == NodeEvent::Kind::kDeliver) event.packet = &messages_[argument].packet;
  if (kind == NodeEvent::Kind::kPropose) event.value = argument;
  if (kind == NodeEvent::Kind::kCrash) event.kept = argument;
  const NodeState& from = nodes_[node];
  Outcome outcome = RunEvent(from, event, options_.entries_per_answer, options_.fsync_at_once);
  Transition result;
  result.calls = outcome.calls;
  result.violation = std::move(outcome.violation);
  const NodeState& to = outcome.next;
  result.look = from.core.role() != to.core.role() ||
                from.core.commit_index() != to.core.commit_index() ||
                from.log.size() != to.log.size() ||
                !std::equal(from.log.begin(), from.log.end(), to.log.begin(), SameEntry);
  if (result.violation.empty() || !result.violation.starts_with("a node halts")) {
    NoteReached(from, to, kind);
    for (const Packet& packet : outcome.sent) result.sent.push_back(NumberOf(packet));
    result.next = NumberOf(std::move(outcome.next));
  } else {
    result.next = node;
  }
  transitions_.push_back(std::move(result));
  return transitions_.back();
}

bool Model::Apply(ClusterState* state, size_t at, NodeEvent::Kind kind, uint32_t argument,
                  uint32_t taken, std::vector<uint32_t>* sent, std::string* violation) {
  const Transition& transition = RunCached(state->nodes[at], kind, argument);
  if (TermOfNode(transition.next) > options_.terms) return false;
  const uint32_t was = state->nodes[at];
  state->nodes[at] = transition.next;
  std::vector<uint32_t>& net = state->net;
  if (taken != kNoMessage) net.erase(std::find(net.begin(), net.end(), taken));
  for (uint32_t& message : net) {
    const Message& m = messages_[message];
    if (m.caller == at + 1 && m.call != 0) message = WithCall(message, transition.calls[m.call]);
  }
  if (kind == NodeEvent::Kind::kCrash) {
    // Answers to the process that died reach nobody.
    std::erase_if(net, [&](uint32_t message) {
      return !messages_[message].request && messages_[message].to == at + 1;
    });
  }
  if (sent != nullptr) *sent = transition.sent;
  net.insert(net.end(), transition.sent.begin(), transition.sent.end());
  if (!transition.violation.empty()) *violation = transition.violation;
  if (transition.look && violation->empty()) CheckTogether(was, state, at, violation);
  return true;
}

void Model::DropIdle(ClusterState* state) {
  std::array<int32_t, kNodes + 1> term{};
  for (size_t i = 0; i < kNodes; ++i) term[i + 1] = TermOfNode(state->nodes[i]);
  std::erase_if(state->net, [&](uint32_t message) {
    const Message& m = messages_[message];
    if (!m.request) return m.term <= term[m.caller] && (m.call == 0 || m.idle);
    if (m.pre_vote && m.call == 0) return true;
    return m.term < term[m.to] && term[m.to] <= term[m.caller];
  });
  std::sort(state->net.begin(), state->net.end());
  state->net.erase(std::unique(state->net.begin(), state->net.end()), state->net.end());
}

bool Model::Take(const ClusterState& state, ClusterStep step, ClusterState* next,
                 std::string* violation) {
  *next = state;
  violation->clear();
  const uint32_t argument = step.argument;
  bool inside = true;
  switch (step.kind) {
    case StepKind::kTimer:
      inside = Apply(next, IndexOf(argument), NodeEvent::Kind::kTimer, 0, kNoMessage, nullptr,
                     violation);
      break;
    case StepKind::kNudge:
      inside = Apply(next, IndexOf(argument), NodeEvent::Kind::kNudge, 0, kNoMessage, nullptr,
                     violation);
      break;
    case StepKind::kFlush:
      inside = Apply(next, IndexOf(argument), NodeEvent::Kind::kFlush, 0, kNoMessage, nullptr,
                     violation);
      break;
    case StepKind::kPropose:
      next->history = Counted(next->history, step.kind);
      inside = Apply(next, IndexOf(argument), NodeEvent::Kind::kPropose,
                     histories_[next->history].values, kNoMessage, nullptr, violation);
      break;
    case StepKind::kCrash:
      next->history = Counted(next->history, step.kind);
      inside = Apply(next, IndexOf(argument / 16), NodeEvent::Kind::kCrash, argument % 16,
                     kNoMessage, nullptr, violation);
      break;
    case StepKind::kFail:
      next->history = Counted(next->history, step.kind);
      inside =
          Apply(next, IndexOf(argument), NodeEvent::Kind::kFail, 0, kNoMessage, nullptr, violation);
      break;
    case StepKind::kKeep:
      next->history = Counted(next->history, step.kind);
      [[fallthrough]];
    case StepKind::kDeliver:
    case StepKind::kCall:
    case StepKind::kLost: {
      const size_t to = messages_[argument].to - 1u;
      const bool answered = step.kind == StepKind::kCall || step.kind == StepKind::kLost;
      std::vector<uint32_t> sent;
      inside = Apply(next, to, NodeEvent::Kind::kDeliver, argument,
                     step.kind == StepKind::kKeep ? kNoMessage : argument,
                     answered ? &sent : nullptr, violation);
      if (!inside || !violation->empty() || !answered) break;
      // The answer is the one message to the caller that is no request.
      for (const uint32_t message : sent) {
        if (messages_[message].request) continue;
        const auto at = std::find(next->net.begin(), next->net.end(), message);
        if (step.kind == StepKind::kLost) {
          next->net.erase(at);
        } else {
          inside = Apply(next, messages_[message].to - 1u, NodeEvent::Kind::kDeliver, message,
                         message, nullptr, violation);
        }
        break;
      }
      break;
    }
  }
  if (!inside) return false;
  DropIdle(next);
  return true;
}

// --- Invariants of several nodes ---

void Model::CheckTogether(uint32_t before, ClusterState* after, size_t at, std::string* violation) {
  const NodeState& node = nodes_[after->nodes[at]];
  const NodeState& was = nodes_[before];
  History history = histories_[after->history];
  bool changed = false;
  if (node.core.role() == Role::kLeader && was.core.role() != Role::kLeader) {
    int8_t& leader = history.leaders[static_cast<size_t>(node.core.term().value())];
    if (leader != 0 && leader != static_cast<int8_t>(at + 1)) {
      *violation = "I1: two leaders in one term";
    }
    leader = static_cast<int8_t>(at + 1);
    changed = true;
    // A leader of a term older than that of a commit may still come up, and lack it.
    std::vector<Entry> earlier;
    for (size_t i = 0; i < history.committed.size(); ++i) {
      if (history.committed_in[i] >= node.core.term()) break;
      earlier.push_back(history.committed[i]);
    }
    if (!HasPrefix(node.log, earlier)) *violation = "I4: a leader lacks a committed entry";
  }
  CheckLogs(*after, at, violation);
  if (node.core.commit_index() > was.core.commit_index()) {
    const size_t known = history.committed.size();
    CheckCommit(*after, at, &history, violation);
    changed = changed || history.committed.size() != known;
  }
  if (changed) after->history = NumberOf(history);
}

void Model::CheckLogs(const ClusterState& state, size_t at, std::string* violation) const {
  const std::vector<Entry>& log = nodes_[state.nodes[at]].log;
  for (size_t other = 0; other < kNodes; ++other) {
    if (other == at) continue;
    const std::vector<Entry>& theirs = nodes_[state.nodes[other]].log;
    // Where two entries of an index have one term, all up to there is the same.
    bool match = false;
    for (size_t i = std::min(log.size(), theirs.size()); i-- > 0;) {
      match = match || log[i].term == theirs[i].term;
      if (match && !SameEntry(log[i], theirs[i])) *violation = "I3: log matching";
    }
  }
}

void Model::CheckCommit(const ClusterState& state, size_t at, History* history,
                        std::string* violation) const {
  const NodeState& node = nodes_[state.nodes[at]];
  const auto end = static_cast<size_t>(node.core.commit_index().value());
  for (size_t i = 0; i < end; ++i) {
    if (i < history->committed.size()) {
      if (!SameEntry(history->committed[i], node.log[i])) {
        *violation = "I5: a committed entry changed";
      }
      continue;
    }
    int holders = 0;
    for (const uint32_t number : state.nodes) {
      const NodeState& other = nodes_[number];
      const bool durable = other.durable > i &&
                           std::equal(node.log.begin(), node.log.begin() + static_cast<long>(i) + 1,
                                      other.log.begin(), SameEntry);
      if (durable) ++holders;
      if (other.core.role() == Role::kLeader && other.core.term() > node.core.term() &&
          (other.log.size() <= i || !SameEntry(other.log[i], node.log[i]))) {
        *violation = "I4: the leader of a later term lacks what is being committed";
      }
    }
    if (2 * holders <= kNodes) *violation = "I5: committed without a durable majority";
    history->committed.push_back(node.log[i]);
    history->committed_in.push_back(node.core.term());
  }
}

// --- For machines and for people ---

uint64_t Model::FingerprintOf(const ClusterState& state) {
  uint64_t hash = Fold(1, state.history);
  for (const uint32_t node : state.nodes) hash = Fold(hash, node);
  for (const uint32_t message : state.net) hash = Fold(hash, message);
  return Finish(hash);
}

std::string Model::TextOf(ClusterStep step) const {
  std::ostringstream out;
  const auto pass = [&](const char* verb) {
    const Packet& packet = messages_[step.argument].packet;
    out << "> " << verb << " " << raft::KindOf(packet) << " " << packet.from << " " << packet.to
        << "  # " << raft::TextOf(packet);
    if (packet.call == CallId{0}) out << ", out of date";
  };
  switch (step.kind) {
    case StepKind::kTimer:
      out << "> tick " << step.argument;
      break;
    case StepKind::kFlush:
      out << "> flush " << step.argument;
      break;
    case StepKind::kPropose:
      out << "> propose " << step.argument;
      break;
    case StepKind::kCrash:
      out << "> crash " << step.argument / 16 << "\n> start " << step.argument / 16
          << "  # log end " << step.argument % 16 << " is left";
      break;
    case StepKind::kNudge:
      out << "> tick " << step.argument << " 250";
      break;
    case StepKind::kFail:
      out << "> fail " << step.argument << "  # its fetch";
      break;
    case StepKind::kDeliver:
      pass("pass");
      break;
    case StepKind::kKeep:
      pass("copy");
      break;
    case StepKind::kCall:
      pass("call");
      break;
    case StepKind::kLost:
      pass("pass");
      out << "; its answer is lost";
      break;
  }
  return out.str();
}

std::string Model::TextOf(const ClusterState& state) const {
  std::ostringstream out;
  for (const uint32_t number : state.nodes) {
    const NodeState& node = nodes_[number];
    out << node.id << ": " << node.core.role() << ", term " << node.core.term() << ", leader "
        << node.core.leader() << ", log";
    for (size_t i = 0; i < node.log.size(); ++i) {
      out << (i == node.durable ? " | " : " ") << node.log[i].term;
    }
    out << ", commit " << node.core.commit_index() << "\n";
  }
  return out.str();
}

}  // namespace quorate::raft::search
