#include "tests/sim/elections/elections_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/str_format.h"
#include "tests/sim/cluster/story.h"
#include "tests/sim/elections/durable_log.h"

namespace quorate::sim {
namespace {

using std::chrono::seconds;

// Ten election timeouts of QuorumNode's configuration, and what a lost ping may take besides.
constexpr Micros kHealPatience = seconds(5);
constexpr size_t kStoryLines = 20;
constexpr uint64_t kFoldBasis = 0xcbf29ce484222325u;
// A snapshot has its hash so often, so that it comes in several pieces.
constexpr int kCopies = 12;
constexpr FaultKind kKinds[] = {
    FaultKind::kProcessCrash, FaultKind::kMachineCrash, FaultKind::kCrashInWrite,
    FaultKind::kAllCrash,     FaultKind::kCleanRestart, FaultKind::kIsolate,
    FaultKind::kCutLink,      FaultKind::kStorm,        FaultKind::kSlowDisk,
    FaultKind::kPause,        FaultKind::kLateCalls,
};

uint64_t Fold(uint64_t hash, std::string_view text) {
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return (hash ^ text.size()) * 0x100000001b3u;
}

// A history as a snapshot has it.
class FoldedState final : public SnapshotState {
 public:
  FoldedState(int64_t end, int32_t term, uint64_t hash)
      : end_(end), term_(term), text_(absl::StrFormat("%016x", hash) + std::string(84, '.')) {}
  LogIndex end() const override { return LogIndex(end_); }
  Term term() const override { return Term(term_); }
  absl::Status Write(
      size_t max_batch_bytes,
      absl::FunctionRef<absl::Status(std::vector<std::string> records)> sink) const override {
    absl::Status status;
    for (int i = 0; i < kCopies && status.ok(); i += 3) status = sink({text_, text_, text_});
    return status;
  }

 private:
  const int64_t end_;
  const int32_t term_;
  const std::string text_;
};

}  // namespace

ElectionsRun::ElectionsRun(Scenario scenario, bool loud)
    : scenario_(std::move(scenario)),
      world_(scenario_.seed),
      log_(world_, loud),
      plan_(scenario_.seed * 0xd1342543de82ef95u + 11) {
  const uint64_t size = plan_.Below(10);
  if (scenario_.nodes == 3) scenario_.nodes = size < 6 ? 3 : size < 9 ? 5 : 9;
  scenario_.links.low = Micros(50);
  scenario_.links.high = Micros(plan_.Between(300, 3'000));
  scenario_.links.late = 0;
  scenario_.pool.low = Micros(20);
  scenario_.pool.high = Micros(plan_.Between(200, 8'000));
  scenario_.pool.effect_early = true;
  scenario_.faults.pause_mean = Micros(plan_.Between(20'000, 120'000));
  links_.set_behaviour(scenario_.links);
  commits_ = std::make_unique<CommitDurabilityChecker>(verdict_, scenario_.nodes);
}

ElectionsRun::~ElectionsRun() { nodes_.clear(); }

void ElectionsRun::OnCommitted(int32_t node, uint64_t incarnation, const MetadataBatch& batch) {
  Heard& heard = heard_[node];
  if (heard.incarnation != incarnation) heard = {incarnation, 0, 0, kFoldBasis};
  if (batch.first.value() != heard.next) {
    verdict_.Add("commit", absl::StrFormat("node %d hears of index %d after %d", node,
                                           batch.first.value(), heard.next));
  }
  for (const std::string& record : batch.records) heard.hash = Fold(heard.hash, record);
  heard.hash = Fold(heard.hash, absl::StrFormat("%d", batch.term.value()));
  heard.next = batch.end().value();
  heard.term = batch.term.value();
  world_.Trace(heard.hash);
  metadata_.OnImage(node, heard.next, absl::StrFormat("%016x", heard.hash));
  if (heard.next > highest_commit_) {
    highest_commit_ = heard.next;
    committed_ += batch.records.size();
  }
}

void ElectionsRun::OnSnapshot(int32_t node, uint64_t incarnation,
                              const MetadataSnapshot& snapshot) {
  Heard& heard = heard_[node];
  if (heard.incarnation == incarnation && snapshot.end.value() <= heard.next) {
    verdict_.Add("snapshot", absl::StrFormat("node %d goes back from %d to a snapshot at %d", node,
                                             heard.next, snapshot.end.value()));
  }
  ++snapshots_heard_;
  const std::string first = snapshot.records.empty() ? "" : snapshot.records[0];
  heard = {incarnation, snapshot.end.value(), snapshot.term.value(),
           std::strtoull(first.substr(0, 16).c_str(), nullptr, 16)};
  metadata_.OnImage(node, heard.next, absl::StrFormat("%016x", heard.hash));
  const bool whole = snapshot.records == std::vector<std::string>(kCopies, first);
  if (!whole) verdict_.Add("snapshot", absl::StrFormat("node %d reads half a snapshot", node));
}

std::shared_ptr<const SnapshotState> ElectionsRun::StateOf(int32_t node, uint64_t incarnation) {
  const Heard& heard = heard_[node];
  if (heard.incarnation != incarnation || heard.next == 0) return nullptr;
  return std::make_shared<const FoldedState>(heard.next, heard.term, heard.hash);
}

void ElectionsRun::OnUnexpectedEnd(int32_t node, const absl::Status& why) {
  verdict_.Add("fatal", absl::StrFormat("node %d gives up: %s", node, why.ToString()),
               {{}, -1, node});
}

void ElectionsRun::Look() {
  for (const auto& node : nodes_) {
    if (node->up()) {
      LookAt(*node);
    } else {
      commits_->OnDurableEnd(node->id(), node->last_durable_end());
    }
  }
  for (const auto& node : nodes_) {
    if (node->up()) commits_->Check(node->id(), node->raft().commit_index().value());
  }
  world_.ScheduleIn(Micros(world_.random().Between(300, 1'500)), nullptr, [this] { Look(); });
}

void ElectionsRun::LookAt(QuorumNode& node) {
  const raft::RaftCore& core = node.raft().core();
  const bool leads = core.role() == raft::Role::kLeader;
  commits_->OnDurableEnd(node.id(), core.durable_end().value());
  metadata_.OnCommitIndex(node.id(), node.incarnation(), core.commit_index().value(),
                          core.log_end().value());
  const int64_t claimed = core.durable_end().value();
  if (std::exchange(claimed_[node.id()], claimed) != claimed) {
    // What a snapshot stands for needs no log.
    const int64_t durable =
        std::max(core.snapshot().end.value(), DurableLogEnd(node.disk(), node.log_directory()));
    flushes_.OnClaim(node.id(), claimed, durable);
  }
  if (node.raft().persisting()) return;  // nobody has heard of its newest state
  if (scenario_.snapshot_bytes > 0) LookAtSnapshots(node);
  terms_.OnTerm(node.id(), node.incarnation(), core.term().value(), leads);
  votes_.OnState(node.id(), node.incarnation(), core.term().value(),
                 core.hard_state().voted_for.node.value());
  if (!leads) return;
  leaders_.OnRaftLeader(node.id(), core.term().value(), node.id());
  if (terms_led_.insert(core.term().value()).second) {
    log_.Add({.kind = RunLogEntry::Kind::kQuorum,
              .text = absl::StrFormat("node %d leads in term %d, log end %d, commit %d", node.id(),
                                      core.term().value(), core.log_end().value(),
                                      core.commit_index().value()),
              .nodes = {node.id()}});
  }
}

void ElectionsRun::LookAtSnapshots(QuorumNode& node) {
  std::vector<SnapshotChecker::Snapshot> snapshots;
  for (const raft::SnapshotId& id : node.raft().snapshots()) {
    snapshots.push_back({id.end.value(), id.term.value()});
  }
  snapshots_.OnLog(node.id(), node.incarnation(), node.raft().core().log_start().value(),
                   node.raft().commit_index().value(), snapshots);
}

void ElectionsRun::Read(QuorumNode& node) {
  int64_t floor = highest_commit_;
  for (const auto& other : nodes_) {
    if (other->up()) floor = std::max(floor, other->raft().commit_index().value());
  }
  world_.RunAs(node.process(), [&] {
    node.raft().ConfirmLeadership([this, &node, floor](const absl::Status& confirmed) {
      if (confirmed.ok()) {
        reads_.OnConfirmed(node.id(), floor, node.raft().commit_index().value());
      }
    });
  });
}

void ElectionsRun::ProposeSome() {
  for (const auto& node : nodes_) {
    const bool believes = node->up() && !node->process().paused() &&
                          node->raft().core().role() == raft::Role::kLeader;
    if (believes && reading_.Chance(0.3)) Read(*node);
  }
  for (const auto& node : nodes_) {
    if (!node->up() || node->process().paused() || !node->raft().core().is_active_leader()) {
      continue;
    }
    if (world_.random().Chance(0.3)) continue;
    const std::string text = absl::StrFormat("proposal %d of node %d", ++proposed_, node->id()) +
                             std::string(world_.random().Below(700), '.');
    world_.RunAs(node->process(), [&] {
      // It may have lost its office a moment ago.
      node->raft().Propose(node->raft().core().term(), {text}, "").status().IgnoreError();
    });
  }
  world_.ScheduleIn(Micros(world_.random().Between(500, 12'000)), nullptr,
                    [this] { ProposeSome(); });
}

QuorumNode* ElectionsRun::Leader() {
  QuorumNode* leader = nullptr;
  for (const auto& node : nodes_) {
    if (!node->up() || node->raft().core().role() != raft::Role::kLeader) continue;
    if (leader == nullptr || node->raft().core().term() > leader->raft().core().term()) {
      leader = node.get();
    }
  }
  return leader;
}

QuorumNode* ElectionsRun::Victim() {
  if (draw_.Chance(0.6)) {
    if (QuorumNode* leader = Leader(); leader != nullptr) return leader;
  }
  QuorumNode& node = *nodes_[draw_.Below(nodes_.size())];
  return node.up() ? &node : nullptr;
}

void ElectionsRun::Later(Micros delay, std::function<void()> task) {
  world_.ScheduleIn(delay, nullptr, [this, task = std::move(task)] {
    if (!healed_) task();
  });
}

void ElectionsRun::NextFault() {
  const double uniform = static_cast<double>(plan_.Below(1'000'000) + 1) / 1e6;
  const double mean = static_cast<double>(scenario_.faults.pause_mean.count());
  const FaultKind kind = kKinds[plan_.Below(std::size(kKinds))];
  const uint64_t stream = plan_.Next();
  Later(Micros(static_cast<int64_t>(-std::log(uniform) * mean) + 200), [this, kind, stream] {
    ++number_;
    draw_ = SeededRandom(stream);
    const auto& skipped = scenario_.faults.skipped;
    const bool left_out = scenario_.faults.without.contains(kind) ||
                          std::any_of(skipped.begin(), skipped.end(), [this](const auto& range) {
                            return range.first <= number_ && number_ <= range.second;
                          });
    if (!left_out) Inject(kind);
    NextFault();
  });
}

void ElectionsRun::Cut(const std::vector<std::pair<std::string, std::string>>& links,
                       const std::string& text) {
  for (const auto& [from, to] : links) links_.Cut(from, to);
  Later(ShortTime(600), [this, links, text] {
    for (const auto& [from, to] : links) links_.Heal(from, to);
    log_.FaultEnds(text + " is over", {});
  });
}

void ElectionsRun::Inject(FaultKind kind) {
  const char* const name = FaultName(kind);
  if (kind == FaultKind::kStorm || kind == FaultKind::kLateCalls) {
    LinkBehaviour weather = scenario_.links;
    weather.high = Micros(draw_.Between(2'000, 40'000));
    weather.reset = 0.02;
    if (kind == FaultKind::kLateCalls) weather.late = 0.1;
    log_.Fault(number_, name, "all links", {});
    links_.set_behaviour(weather);
    return Later(ShortTime(600), [this] { links_.set_behaviour(scenario_.links); });
  }
  if (kind == FaultKind::kAllCrash) {
    if (draw_.Chance(0.6)) return;
    log_.Fault(number_, name, "all nodes", {});
    for (const auto& node : nodes_) {
      node->Crash(true);
      node->StartLater(ShortTime(200));
    }
    return;
  }
  if (QuorumNode* node = Victim(); node != nullptr) InjectInto(kind, *node);
}

void ElectionsRun::InjectInto(FaultKind kind, QuorumNode& node) {
  log_.Fault(number_, FaultName(kind), node.host(), {node.id()});
  const Micros restart = ShortTime(draw_.Chance(0.7) ? 60 : 600);
  switch (kind) {
    case FaultKind::kProcessCrash:
    case FaultKind::kMachineCrash:
      node.Crash(kind == FaultKind::kMachineCrash);
      return node.StartLater(restart);
    case FaultKind::kCrashInWrite:
      return node.CrashInWrite(static_cast<int64_t>(draw_.Below(12)), restart);
    case FaultKind::kCleanRestart:
      return node.ShutDown(restart);
    case FaultKind::kSlowDisk:
      node.SlowDown({Micros(1000), Micros(draw_.Between(10'000, 150'000)), true});
      return Later(ShortTime(600), [this, &node] { node.SlowDown(scenario_.pool); });
    case FaultKind::kPause:
      node.Pause();
      return Later(ShortTime(400), [&node] { node.Resume(); });
    default:
      break;
  }
  // Isolation, or one link: in, out or both.
  const bool in = draw_.Chance(0.7);
  const bool out = !in || draw_.Chance(0.7);
  const size_t only = draw_.Below(nodes_.size());
  std::vector<std::pair<std::string, std::string>> cut;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const std::string& other = nodes_[i]->host();
    if (other == node.host() || (kind == FaultKind::kCutLink && i != only)) continue;
    if (in) cut.emplace_back(other, node.host());
    if (out) cut.emplace_back(node.host(), other);
  }
  Cut(cut, std::string(FaultName(kind)) + " of " + node.host());
}

bool ElectionsRun::HealAndWait() {
  healed_ = true;
  log_.FaultEnds("all is healed", {});
  links_.HealAll();
  links_.set_behaviour(scenario_.links);
  for (const auto& node : nodes_) {
    node->HealDisk();
    node->Resume();
    node->Start();
  }
  const MonoTime end = world_.now() + kHealPatience;
  std::string missing;
  while (verdict_.ok()) {
    world_.RunUntil(world_.now() + Millis(5));
    missing.clear();
    for (const auto& node : nodes_) node->Start();
    const QuorumNode* const leader = Leader();
    if (leader == nullptr) missing = "no leader";
    for (const auto& [node, heard] : heard_) {
      if (heard.next < highest_commit_) {
        missing =
            absl::StrFormat("node %d has heard up to %d of %d", node, heard.next, highest_commit_);
      }
    }
    if (missing.empty() && heard_.size() == nodes_.size()) return true;
    if (world_.now() >= end) break;
  }
  if (verdict_.ok()) verdict_.Add("liveness", missing);
  return false;
}

RunResult ElectionsRun::Run() {
  const QuorumNode::Surroundings around{world_, exchange_, scenario_, log_, *this};
  for (int32_t i = 1; i <= scenario_.nodes; ++i) {
    nodes_.push_back(std::make_unique<QuorumNode>(around, i));
    nodes_.back()->StartLater(Micros(world_.random().Between(0, 50'000)));
  }
  Look();
  ProposeSome();
  NextFault();
  const MonoTime end = MonoTime(scenario_.duration);
  while (world_.now() < end && verdict_.ok()) {
    world_.RunUntil(world_.now() + Millis(20));
    steps_.OnSteps(world_.most_at_once(), world_.most_by_one());
  }
  if (verdict_.ok()) HealAndWait();
  return Result();
}

RunResult ElectionsRun::Result() {
  RunResult result;
  result.violations = verdict_.violations();
  if (!verdict_.ok()) {
    result.story = TellStory(log_.entries(), verdict_.violations()[0], std::nullopt, kStoryLines);
  }
  result.trace_hash = world_.trace_hash();
  result.events = world_.events_run();
  result.faults = log_.faults();
  result.injected = log_.injected();
  result.acked = committed_;
  result.simulated_seconds = static_cast<double>(world_.now().since_zero().count()) / 1e6;
  result.node_hours = result.simulated_seconds / 3600 * scenario_.nodes;
  result.effects["terms with a leader"] = terms_led_.size();
  result.effects["snapshots heard of"] = snapshots_heard_;
  result.effects["reads confirmed"] = reads_.confirmed();
  result.effects["late calls"] = exchange_.late_calls();
  for (const auto& node : nodes_) result.effects["torn pages"] += node->disk().torn_pages();
  return result;
}

}  // namespace quorate::sim
