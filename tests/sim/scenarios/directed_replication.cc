// Truncation, leader epochs, high watermarks, reads: group A; and J, K where a partition's leader
// is what moves.
#include <algorithm>

#include "broker/broker.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_manager_impl.h"
#include "storage/log.h"
#include "storage/record_batch_builder.h"
#include "tests/sim/scenarios/directed.h"
#include "tests/sim/world/sim_disk.h"

namespace quorate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using End = SimNode::End;

bool LeaderIsNot(Stage& stage, const SimNode& old) {
  const SimNode* leader = stage.LeaderOf();
  return leader != nullptr && leader->id() != old.id();
}

// A leader that is cut off from its followers, but not from clients, writes what is never
// committed, until another one leads.
SimNode* LeaveALeaderBehind(Stage& stage) {
  SimNode* const old = stage.LeaderOf();
  const auto before = stage.At(*old);
  stage.Isolate(*old);
  stage.Wait("another leader", [&] { return LeaderIsNot(stage, *old); });
  const auto after = stage.At(*old);
  stage.Expect(before && after && after->end_offset > before->end_offset,
               "the old leader wrote what no other has");
  stage.RunFor(seconds(1));
  return old;
}

void A1(Stage& stage) {
  for (int round = 0; round < 6 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(700));
    SimNode* const leader = stage.LeaderOf();
    SimNode* const follower = stage.Follower();
    // Its high watermark is older than what it holds; then nobody is left to ask.
    stage.Restart(*follower, round % 2 == 0 ? End::kProcess : End::kMachine, Millis(1));
    stage.Wait("the follower in sync", [&] {
      return follower->up() && stage.InIsr(*follower) && stage.At(*follower).has_value();
    });
    stage.Restart(*leader, End::kProcess, seconds(3));
    stage.Wait("another leader", [&] { return LeaderIsNot(stage, *leader); });
    stage.WaitForAllInSync();
  }
}

void A2(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(900));
    std::vector<SimNode*> order;
    for (const auto& node : stage.nodes()) order.push_back(node.get());
    std::rotate(order.begin(), order.begin() + round % 3, order.end());
    for (SimNode* node : order) node->Crash(End::kMachine);
    // One comes late: whoever leads by then writes other bytes in the place of its tail.
    order[0]->StartLater(Millis(10));
    order[1]->StartLater(Millis(200));
    stage.RunFor(milliseconds(500) * (1 + round));
    order[2]->Start();
    stage.WaitForAllInSync();
  }
}

void A3(Stage& stage) {
  for (int round = 0; round < 3 && stage.ok(); ++round) {
    SimNode* const first = stage.LeaderOf();
    stage.Isolate(*first);
    stage.Wait("a second leader", [&] { return LeaderIsNot(stage, *first); });
    SimNode* const second = stage.LeaderOf();
    stage.HealLinks();
    stage.Restart(*second, End::kMachine, milliseconds(300));
    stage.Wait("a third leader", [&] { return LeaderIsNot(stage, *second); });
    stage.WaitForAllInSync();
  }
}

void A5(Stage& stage) {
  SimNode* const away = stage.Follower();
  const int32_t epoch = stage.State()->leader_epoch.value();
  SimNode* const leader = stage.LeaderOf();
  stage.Isolate(*away);
  stage.RunFor(seconds(3));
  // It goes and comes back: the preferred replica leads again, epochs later.
  stage.Restart(*leader, End::kMachine, milliseconds(100));
  stage.Wait("epochs that the third has missed", [&] {
    return stage.State()->leader_epoch.value() >= epoch + 2 && stage.LeaderOf() != nullptr;
  });
  stage.HealLinks();
  stage.WaitForAllInSync();
}

void A6(Stage& stage) {
  stage.PauseProducers(true);
  stage.RunFor(seconds(2));
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    SimNode* const leader = stage.LeaderOf();
    stage.Restart(*leader, round % 2 == 0 ? End::kProcess : End::kMachine, milliseconds(50));
    stage.Wait("another leader", [&] { return LeaderIsNot(stage, *leader); });
    stage.WaitForAllInSync();
  }
  stage.PauseProducers(false);
  stage.RunFor(seconds(2));
}

void A10(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    stage.RunFor(milliseconds(500));
    SimNode* const old = LeaveALeaderBehind(stage);
    stage.HealLinks();
    stage.Wait("the old leader cuts what only it has",
               [&] { return old->broker().replicas().stats().truncations > 0; });
    stage.WaitForAllInSync();
  }
}

// Answers of the old leader are on their way for seconds while others lead.
void LateAnswer(Stage& stage);

void A12(Stage& stage) {
  LinkBehaviour slow;
  slow.low = Micros(2'000);
  slow.high = Micros(120'000);
  slow.stall = 0.1;
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    stage.Weather(slow);
    stage.RunFor(milliseconds(400));
    SimNode* const old = stage.LeaderOf();
    stage.Isolate(*old);
    stage.Wait("another leader", [&] { return LeaderIsNot(stage, *old); });
    stage.HealLinks();
    stage.RunFor(milliseconds(300));
    stage.Weather({});
    stage.WaitForAllInSync();
  }
  LateAnswer(stage);
}

// An answer of an older epoch says "diverging", when the log has gone on since.
void LateAnswer(Stage& stage) {
  for (int round = 0; round < 6 && stage.ok(); ++round) {
    SimNode* const follower = stage.Follower();
    Partition* partition = follower->broker().replicas().impl()->Find(stage.Id());
    const auto asked = partition->NextFetch();
    stage.Restart(*stage.LeaderOf(), End::kProcess, milliseconds(800));
    stage.RunFor(seconds(1));
    stage.WaitForAllInSync();
    partition = follower->broker().replicas().impl()->Find(stage.Id());
    if (!stage.ok() || !asked || partition->role() != Partition::Role::kFollower) continue;
    const Offset end = partition->log()->end_offset();
    Partition::Answer answer;
    answer.high_watermark = end;
    answer.diverging = EpochEndOffset{asked->last_fetched_epoch, Offset(end.value() / 2)};
    follower->Do([&] { partition->OnAnswer(*asked, answer); });
    return stage.Expect(partition->log()->end_offset() >= end, "a late answer cuts nothing");
  }
}

// The latest offset that leaders tell never goes back, though a new one's high watermark lags.
void A18(Stage& stage) {
  int64_t highest = 0;
  int64_t answers = 0;
  const auto ask = [&] {
    SimNode* const leader = stage.LeaderOf();
    if (leader == nullptr || !leader->up() || !leader->broker().active()) return;
    ListOffsetsQuery query;
    query.partition = stage.Id();
    query.timestamp = kLatestTimestamp;
    leader->broker().replicas().ListOffsets({query}, [&](std::vector<ListOffsetsOutcome> out) {
      if (out.size() != 1 || !out[0].status.ok()) return;
      ++answers;
      stage.Expect(out[0].offset.value() >= highest, "the latest offset does not go back");
      highest = std::max(highest, out[0].offset.value());
    });
  };
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    SimNode* const leader = stage.LeaderOf();
    stage.Restart(*leader, End::kProcess, seconds(1));
    stage.Wait("another leader", [&] { return ask(), LeaderIsNot(stage, *leader); });
    for (int i = 0; i < 2000 && stage.ok(); ++i) {
      ask();
      stage.RunFor(Millis(1));
    }
    stage.WaitForAllInSync();
  }
  stage.Expect(answers > 1000, "leaders answered");
}

// Retention empties a log of one machine: what is appended then has other offsets.
void A23(Stage& stage) {
  SeededRandom random(7);
  SimDisk disk(random);
  SimFileSystem files(disk);
  stage.Expect(files.CreateDirectories("/logs").ok(), "a directory");
  LogOpenOptions options;
  options.config.bugs = stage.scenario().broker_bugs.storage;
  auto log = Log::Open(&files, "/logs/t-0", options);
  stage.Expect(log.ok(), "a log");
  if (!log.ok()) return;
  int64_t next = 0;
  for (int round = 0; round < 5 && stage.ok(); ++round) {
    for (int i = 0; i < 3; ++i) {
      RecordBatchBuilder builder;
      builder.Add(1000, std::nullopt, "x");
      LeaderAppend piece;
      piece.batches = SharedBytes::FromString(builder.Build());
      piece.origin = AppendOrigin::kCoordinator;
      const auto appended = (*log)->AppendAsLeader(piece, LeaderEpoch(0), 1000);
      stage.Expect(appended.ok() && appended->first_offset == Offset(next),
                   "offsets go on where they ended");
      ++next;
    }
    RetentionPolicy policy;
    policy.retention_ms = 1;
    policy.bound = (*log)->end_offset();
    auto job = (*log)->DeleteOldSegments(policy, 1'000'000);
    stage.Expect(job.ok() && job->Run().ok() && (*log)->empty(), "retention empties the log");
    stage.Expect((*log)->end_offset() == Offset(next), "an emptied log ends where it ended");
    stage.Expect((*log)->Flush().ok(), "a flush");
  }
}

// Acknowledgements are lost on their way to a producer; it sends again, also to the next leader.
void J2(Stage& stage) {
  for (int round = 0; round < 4 && stage.ok(); ++round) {
    SimNode* const leader = stage.LeaderOf();
    for (const char* client : {"producer0", "producer1"}) stage.CutHosts(leader->host(), client);
    stage.RunFor(milliseconds(1500));
    if (round % 2 == 1) {
      stage.Restart(*leader, End::kProcess, seconds(1));
      stage.Wait("another leader", [&] { return LeaderIsNot(stage, *leader); });
    }
    stage.HealLinks();
    const uint64_t acked = stage.Acked();
    stage.Wait("acknowledgements again", [&] { return stage.Acked() > acked + 20; });
    stage.WaitForAllInSync();
  }
}

// Coordinators lead, lose and regain the offsets partitions, in order and out of order.
void K1(Stage& stage) {
  stage.RunFor(seconds(3));
  for (int round = 0; round < 8 && stage.ok(); ++round) {
    SimNode& node = stage.node(1 + round % 3);
    if (round % 4 == 3) {
      stage.Restart(node, End::kProcess, milliseconds(500));
    } else {
      stage.Isolate(node);  // it keeps its memory
      stage.RunFor(seconds(4));
      stage.HealLinks();
    }
    stage.RunFor(seconds(7));  // preferred replicas take their leaderships back
    stage.WaitForAllInSync();
  }
}

}  // namespace

std::vector<DirectedScenario> ReplicationScenarios() {
  return {
      {"A1", "a follower restarts, then its leader dies: nothing below its end is cut", A1},
      {"A2", "all lose power; the one that comes late has other bytes at the same offsets", A2},
      {"A3", "fast fail-overs: a leader that does not know its follower's last epoch", A3},
      {"A5", "a follower misses epochs of one and the same leader", A5},
      {"A6", "elections without records in between", A6},
      {"A10", "a deposed leader's log diverges: first the cut, then the high watermark", A10},
      {"A12", "answers of an older epoch come late", A12},
      {"A18", "the latest offset right after an election", A18},
      {"A23", "retention empties a log, which goes on", A23},
      {"J2", "a producer repeats what was written already", J2},
      {"K1", "coordinators move away and back: committed offsets never go back", K1,
       [](Scenario* scenario) {
         scenario->committers = 3;
         scenario->producers = 1;
       }},
  };
}

}  // namespace quorate::sim
