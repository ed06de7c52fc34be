// The metadata quorum and broken networks: groups C and L.
#include "raft/raft_node.h"
#include "tests/sim/scenarios/directed.h"

namespace quorate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = SimNode::End;

void FiveNodes(Scenario* scenario) { scenario->nodes = 5; }

bool HasController(Stage& stage) { return stage.ActiveController() != nullptr; }

// A leader serves nothing before it has committed a record of its own term: it takes over while a
// follower's disk holds the commit up.
void A20(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    SimNode* const old = stage.ActiveController();
    for (const auto& node : stage.nodes()) node->SlowDown({Micros(30'000), Micros(150'000)});
    stage.Restart(*old, End::kProcess, milliseconds(600));
    stage.Wait("another controller", [&] {
      return stage.ActiveController() != nullptr && stage.ActiveController() != old;
    });
    SimNode* const next = stage.ActiveController();
    stage.Wait("it serves", [&] { return next->raft().core().is_active_leader(); });
    for (const auto& node : stage.nodes()) node->SlowDown(stage.scenario().pool);
    stage.WaitForAllInSync();
  }
}

void C5(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    const int32_t term = stage.QuorumTerm();
    for (const auto& node : stage.nodes()) {
      node->Crash(round % 2 == 0 ? End::kProcess : End::kMachine);
    }
    for (const auto& node : stage.nodes()) node->StartLater(Millis(5));
    stage.Wait("a controller", [&] { return HasController(stage); });
    stage.Expect(stage.QuorumTerm() >= term, "terms survive a restart of all");
    stage.WaitForAllInSync();
  }
}

void C6(Stage& stage) {
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(400));
    SimNode* const active = stage.ActiveController();
    const int32_t term = stage.QuorumTerm();
    stage.Restart(*active, round % 2 == 0 ? End::kMachine : End::kProcess, Millis(1));
    stage.Wait("a leader of a later term", [&] {
      SimNode* const now = stage.ActiveController();
      if (now == active) {
        stage.Expect(now->raft().leader().term.value() > term, "never again in the same term");
      }
      return now != nullptr && now->raft().leader().term.value() > term;
    });
    stage.WaitForAllInSync();
  }
}

// Writes to a disk take longer than elections may: no election storm.
void C19(Stage& stage) {
  const int32_t term = stage.QuorumTerm();
  for (const auto& node : stage.nodes()) node->SlowDown({Micros(350'000), Micros(700'000)});
  stage.RunFor(seconds(20));
  stage.Expect(stage.QuorumTerm() <= term + 12, "slow disks cause no election storm");
  for (const auto& node : stage.nodes()) node->SlowDown(stage.scenario().pool);
  stage.WaitForAllInSync();
}

// Cloudflare's: node 4 reaches 2 only, node 5 reaches 3 only; 1, 2 and 3 reach each other.
void C21(Stage& stage) {
  for (int32_t a = 1; a <= 5; ++a) {
    for (int32_t b = a + 1; b <= 5; ++b) {
      const bool linked = b <= 3 || (a == 2 && b == 4) || (a == 3 && b == 5);
      if (!linked) stage.CutBoth(stage.node(a), stage.node(b));
    }
  }
  stage.RunFor(seconds(5));
  stage.Wait("a controller among those that reach a majority",
             [&] { return HasController(stage); });
  const int32_t term = stage.QuorumTerm();
  stage.RunFor(seconds(20));
  stage.Expect(stage.QuorumTerm() <= term + 2, "a leader that reaches a majority stays");
  stage.HealLinks();
  stage.WaitForAllInSync();
}

// A node that was away for long comes back: the leader stays (pre-vote).
void C22(Stage& stage) {
  SimNode* away = nullptr;
  for (const auto& node : stage.nodes()) {
    if (node.get() != stage.ActiveController()) away = node.get();
  }
  stage.Isolate(*away);
  stage.RunFor(seconds(10));
  const int32_t term = stage.QuorumTerm();
  stage.HealLinks();
  stage.RunFor(seconds(3));
  stage.Expect(stage.QuorumTerm() == term, "who returns does not depose the leader");
  stage.WaitForAllInSync();
}

// Followers' links are slow when a leader begins: it goes on, no step-down loop.
void C24(Stage& stage) {
  LinkBehaviour slow;
  slow.low = Micros(20'000);
  slow.high = Micros(90'000);
  stage.Weather(slow);
  SimNode* const old = stage.ActiveController();
  stage.Restart(*old, End::kProcess, seconds(1));
  stage.Wait("another controller", [&] {
    return stage.ActiveController() != nullptr && stage.ActiveController() != old;
  });
  stage.RunFor(seconds(3));
  const int32_t term = stage.QuorumTerm();
  stage.RunFor(seconds(10));
  stage.Expect(stage.QuorumTerm() <= term + 1, "no step-down loop");
  stage.Weather({});
  stage.WaitForAllInSync();
}

// Rings, bridges, one-way cuts, flapping.
void L1(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    for (int32_t i = 1; i <= 5; ++i) {  // each reaches its neighbours only
      for (int32_t j = i + 2; j <= 5; ++j) {
        if (!(i == 1 && j == 5)) stage.CutBoth(stage.node(i), stage.node(j));
      }
    }
    stage.RunFor(seconds(5));
    stage.HealLinks();
    for (int32_t i = 1; i <= 5; ++i) {  // two halves that share node 3
      for (int32_t j = i + 1; j <= 5; ++j) {
        if (i < 3 && j > 3) stage.CutBoth(stage.node(i), stage.node(j));
      }
    }
    stage.RunFor(seconds(5));
    stage.HealLinks();
    for (int flap = 0; flap < 6; ++flap) {
      stage.CutOneWay(stage.node(1 + flap % 5), stage.node(1 + (flap + 2) % 5));
      stage.RunFor(seconds(1));
      stage.HealLinks();
    }
    stage.WaitForAllInSync();
  }
}

// SIGSTOP of leaders, controllers and followers for half to five session timeouts.
void L10(Stage& stage) {
  for (int round = 0; round < 6 && stage.ok(); ++round) {
    SimNode* const victim = round % 3 == 0   ? stage.LeaderOf()
                            : round % 3 == 1 ? stage.ActiveController()
                                             : stage.Follower();
    if (victim == nullptr) continue;
    stage.Hang(*victim, milliseconds(750) * (1 + round * 2));
    stage.WaitForAllInSync();
  }
}

}  // namespace

std::vector<DirectedScenario> QuorumScenarios() {
  return {
      {"A20", "a new leader serves nothing before it has committed in its term", A20},
      {"C5", "all restart at once", C5},
      {"C6", "a leader restarts at once: never again in the same term", C6},
      {"C19", "disks slower than the election timeout", C19},
      {"C21", "partial connectivity of five nodes", C21, FiveNodes},
      {"C22", "an isolated node returns", C22},
      {"C24", "slow followers during the leader's first record", C24},
      {"L1", "rings, bridges and flapping one-way cuts", L1, FiveNodes},
      {"L10", "processes stand still and go on", L10},
  };
}

}  // namespace quorate::sim
