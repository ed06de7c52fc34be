// In-sync replicas, eligible leaders, min.insync.replicas, brokers' lives: groups B and F.
#include "broker/broker.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager_impl.h"
#include "tests/sim/scenarios/directed.h"

namespace quorate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = SimNode::End;

void OsTopic(Scenario* scenario) {
  scenario->topics[0].name = "os";
  scenario->topics[0].durability = "os";
  scenario->has_os_topic = true;
}

std::vector<SimNode*> Followers(Stage& stage) {
  std::vector<SimNode*> followers;
  for (const auto& node : stage.nodes()) {
    if (node.get() != stage.LeaderOf()) followers.push_back(node.get());
  }
  return followers;
}

// The ISR shrinks to one replica, which then loses the end of its log; those that left the ISR
// last hold all that was acknowledged.
void B1(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    stage.RunFor(seconds(1));
    SimNode* const leader = stage.LeaderOf();
    const std::vector<SimNode*> followers = Followers(stage);
    followers[0]->ShutDown(seconds(5));
    stage.Wait("the first follower stopped", [&] { return !followers[0]->up(); });
    stage.Wait("it left the ISR", [&] { return !stage.InIsr(*followers[0]); });
    // Records that all of the rest acknowledges, right until the second one stops as well.
    stage.RunFor(milliseconds(300));
    stage.PauseProducers(true);
    followers[1]->ShutDown(seconds(5));
    stage.Wait("the second follower stopped", [&] { return !followers[1]->up(); });
    // The quorum is the leader's node alone: nothing can be recorded until one returns.
    leader->Crash(End::kMachine);
    followers[1]->Start();
    followers[0]->Start();
    stage.PauseProducers(false);
    stage.RunFor(seconds(2));
    leader->Start();
    stage.WaitForAllInSync();
  }
}

void B2(Stage& stage) {
  stage.RunFor(seconds(1));
  SimNode* const leader = stage.LeaderOf();
  const ReplicaList replicas = stage.State()->replicas;
  for (NodeId id : replicas) {
    if (id != leader->id()) stage.node(id.value()).Crash(End::kProcess);
  }
  stage.Wait("an ISR of one", [&] { return stage.State()->isr.size() == 1; });
  stage.RunFor(milliseconds(300));
  const uint64_t acked = stage.Acked();
  const auto before = stage.At(*leader);
  stage.RunFor(seconds(3));
  const auto after = stage.At(*leader);
  stage.Expect(stage.LeaderOf() == leader && before && after, "the leader stays");
  stage.Expect(stage.Acked() == acked, "nothing is acknowledged below min.insync.replicas");
  stage.Expect(!before || !after || before->high_watermark == after->high_watermark,
               "the high watermark is frozen below min.insync.replicas");
  for (NodeId id : replicas) stage.node(id.value()).Start();
  stage.Wait("acknowledgements again", [&] { return stage.Acked() > acked + 20; });
  stage.WaitForAllInSync();
}

// A replica comes back while a new leader does not know yet how far its predecessor committed.
void B3(Stage& stage) {
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(600));
    SimNode* const leader = stage.LeaderOf();
    SimNode* const away = stage.Follower();
    stage.Isolate(*away);
    stage.Wait("it left the ISR", [&] { return !stage.InIsr(*away); });
    stage.RunFor(milliseconds(400));
    stage.HealLinks();
    stage.Restart(*leader, End::kProcess, milliseconds(1500));
    stage.Wait("another leader",
               [&] { return stage.LeaderOf() != nullptr && stage.LeaderOf() != leader; });
    SimNode* const next = stage.LeaderOf();
    const LeaderState* leading = nullptr;
    stage.Wait("the replica in the ISR again", [&] {
      const Partition* partition = next->broker().replicas().impl()->Find(stage.Id());
      leading = partition == nullptr ? nullptr : partition->leader_state();
      return stage.InIsr(*away) || stage.LeaderOf() != next;
    });
    if (stage.InIsr(*away) && leading != nullptr && stage.At(*away)) {
      stage.Expect(stage.At(*away)->end_offset >= leading->epoch_start(),
                   "who joins the ISR holds all that its leader had at the election");
    }
    stage.Restart(*next, End::kProcess, milliseconds(500));
    stage.WaitForAllInSync();
  }
}

// A follower that still fetches is fenced, as no controller hears it.
void B4(Stage& stage) {
  SimNode* const controller = stage.ActiveController();
  SimNode* leader = stage.LeaderOf();
  if (leader == controller) {  // move the leadership away from the controller's node
    stage.Restart(*controller, End::kProcess, seconds(2));
    stage.WaitForAllInSync();
  }
  SimNode* const active = stage.ActiveController();
  leader = stage.LeaderOf();
  if (active == leader) return;  // it came straight back; other seeds do not
  SimNode* follower = nullptr;
  for (const auto& node : stage.nodes()) {
    if (node.get() != active && node.get() != leader) follower = node.get();
  }
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.CutBoth(*follower, *active);
    stage.RunFor(seconds(4));
    stage.HealLinks();
    stage.RunFor(milliseconds(200) * round);
  }
  stage.WaitForAllInSync();
}

// The disk of a follower is replaced while its leader still counts on what it had.
void B5(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    stage.RunFor(seconds(1));
    SimNode* const leader = stage.LeaderOf();
    SimNode* const follower = stage.Follower();
    stage.Isolate(*follower);
    stage.Wait("it left the ISR", [&] { return !stage.InIsr(*follower); });
    stage.HealLinks();
    stage.RunFor(milliseconds(3) * round);  // it fetches, and is about to be proposed
    follower->Crash(End::kMachineNoticed);
    follower->ReplaceDataDisk();
    follower->StartLater(milliseconds(5));
    stage.RunFor(milliseconds(400));
    stage.WaitForAllInSync();
    stage.Restart(*leader, End::kProcess, seconds(1));
    stage.WaitForAllInSync();
  }
}

// A controller that is no longer one hears proposals of leaders that know more.
void B6(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    SimNode* const zombie = stage.ActiveController();
    SimNode* const leader = stage.LeaderOf();
    for (const auto& node : stage.nodes()) {
      if (node.get() == zombie || node.get() == leader) continue;
      stage.CutBoth(*zombie, *node);
      node->SetDiskFull(true);  // the leader will want it out of the ISR
      stage.Hang(*zombie, milliseconds(1800));
      node->SetDiskFull(false);
    }
    stage.HealLinks();
    stage.WaitForAllInSync();
  }
}

// Answers to AlterPartition are lost while replicas come and go.
void B7(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(500));
    SimNode* const leader = stage.LeaderOf();
    SimNode* const controller = stage.ActiveController();
    SimNode* const follower = stage.Follower();
    if (controller != leader) stage.CutOneWay(*controller, *leader);
    stage.Restart(*follower, End::kProcess, milliseconds(400));
    stage.RunFor(milliseconds(900));
    stage.HealLinks();
    if (round % 2 == 1) stage.Restart(*leader, End::kProcess, milliseconds(300));
    stage.WaitForAllInSync();
  }
}

// ISR changes are under way all the time; the high watermark counts on both sets.
void B8(Stage& stage) {
  LinkBehaviour slow;
  slow.low = Micros(5'000);
  slow.high = Micros(60'000);
  stage.Weather(slow);
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.Restart(*stage.Follower(), End::kProcess, milliseconds(300));
    stage.RunFor(milliseconds(700));
    stage.Restart(*stage.LeaderOf(), End::kProcess, milliseconds(300));
    stage.RunFor(seconds(2));
    stage.Wait("a leader", [&] { return stage.LeaderOf() != nullptr && stage.Follower(); });
  }
  stage.Weather({});
  stage.WaitForAllInSync();
}

// Who was not shut down in order leaves every ISR before it may count again.
void B15(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(700));
    SimNode* const follower = stage.Follower();
    stage.Restart(*follower, round % 2 == 0 ? End::kMachineNoticed : End::kProcess, Millis(1));
    bool left = false;
    stage.Wait("it left the ISR at its registration", [&] {
      left = left || !stage.InIsr(*follower);
      return left;
    });
    stage.WaitForAllInSync();
  }
}

// Producer ids are asked for all the time while controllers die.
void F4(Stage& stage) {
  for (int round = 0; round < 6 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(400));
    SimNode* const active = stage.ActiveController();
    if (active == nullptr) continue;
    if (round % 2 == 0) {
      stage.Restart(*active, End::kMachine, milliseconds(200));
    } else {
      stage.Isolate(*active);
      stage.RunFor(milliseconds(1500));
      stage.HealLinks();
    }
    stage.Wait("a controller", [&] {
      return stage.ActiveController() != nullptr && stage.ActiveController() != active;
    });
  }
  stage.WaitForAllInSync();
}

// A controller is cut off while it has proposals under way; when it is back they are void.
void F15(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    SimNode* const old = stage.ActiveController();
    const int32_t term = stage.QuorumTerm();
    stage.Restart(*stage.Follower(), End::kProcess, milliseconds(100));  // something to record
    stage.Isolate(*old);
    stage.Wait("a new term", [&] {
      return stage.ActiveController() != nullptr && stage.ActiveController() != old &&
             stage.QuorumTerm() > term;
    });
    stage.HealLinks();
    stage.WaitForAllInSync();
  }
}

}  // namespace

std::vector<DirectedScenario> IsrScenarios() {
  return {
      {"B1", "the last in-sync replica loses its tail; eligible replicas have it all", B1, OsTopic},
      {"B2", "fewer replicas than min.insync.replicas: frozen, no acknowledgement", B2,
       [](Scenario* scenario) { scenario->nodes = 5; }},
      {"B3", "a replica joins only at the start of the leader's epoch", B3},
      {"B4", "a fenced broker is proposed for the ISR", B4},
      {"B5", "a follower comes back with an empty disk", B5,
       [](Scenario* scenario) { scenario->two_disks = true; }},
      {"B6", "AlterPartition reaches a controller that is behind", B6},
      {"B7", "answers to AlterPartition are lost", B7},
      {"B8", "the high watermark counts the maximal ISR", B8},
      {"B15", "an unclean stop removes a broker from its ISRs", B15},
      {"F4", "producer ids across fail-overs of the controller", F4,
       [](Scenario* scenario) {
         scenario->producer.id_pause = Micros(2'000);
         scenario->producers = 4;
       }},
      {"F15", "a deposed controller's proposals are void", F15},
  };
}

}  // namespace quorate::sim
