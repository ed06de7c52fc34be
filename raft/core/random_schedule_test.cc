// Random schedules over pure cores: loss, duplication, reordering, crashes that lose what was not
// fsynced, partitions; in a part of them voters are added and removed, and lose their disks, and
// snapshots are taken and installed, in some both. Invariants I1 to I9 are checked after every
// step; then the faults end and the cluster has to elect, commit and agree (liveness). Each mutant
// must be found.
#include <gtest/gtest.h>

#include <string>

#include "raft/core/core_harness.h"

namespace quorate::raft {
namespace {

#ifdef __OPTIMIZE__
constexpr int kSeeds = 20000;
#else
constexpr int kSeeds = 1500;
#endif
constexpr int kActions = 600;

NodeId AnyNode(CoreCluster& cluster) {
  return NodeId(static_cast<int32_t>(1 + cluster.random().Below(cluster.nodes().size())));
}

// One action of the adversary.
void Act(CoreCluster& cluster, int crashes_per_1000, int duplicates_per_1000) {
  SeededRandom& random = cluster.random();
  const auto dice = static_cast<int>(random.Below(1000));
  if (dice < crashes_per_1000) {
    const NodeId id = AnyNode(cluster);
    if (cluster.node(id).core) {
      cluster.Crash(id);
    } else {
      cluster.Start(id);
    }
  } else if (dice < 60) {
    cluster.now = cluster.now + Micros(random.Between(0, 400000));
    cluster.Tick(AnyNode(cluster));
  } else if (dice < 160) {
    cluster.now = cluster.now + Micros(random.Between(0, 30000));
    for (auto& [id, node] : cluster.nodes()) cluster.Tick(id);
  } else if (dice < 180) {
    const NodeId a = AnyNode(cluster);
    const NodeId b = AnyNode(cluster);
    if (random.Chance(0.3)) {
      cluster.Isolate(a);
    } else if (random.Chance(0.5)) {
      cluster.CutOneWay(a, b);
    } else {
      cluster.Cut(a, b);
    }
  } else if (dice < 200) {
    cluster.Heal();
  } else if (dice < 260) {
    cluster.Propose(AnyNode(cluster));
  } else if (dice < 285) {
    const NodeId id = AnyNode(cluster);
    if (cluster.damage >= 0) cluster.TakeSnapshot(id, random.Chance(0.7));
  } else if (dice < 300) {
    cluster.FinishCheck(AnyNode(cluster));
  } else if (dice < 400) {
    cluster.FinishFlush(AnyNode(cluster));
  } else if (!cluster.bag().empty()) {
    const size_t position = random.Below(cluster.bag().size());
    const auto fate = static_cast<int>(random.Below(1000));
    if (fate < 40) {
      cluster.bag().erase(cluster.bag().begin() + static_cast<std::ptrdiff_t>(position));
    } else {
      if (fate < 40 + duplicates_per_1000) {
        Packet copy = cluster.bag()[position];
        cluster.bag().push_back(std::move(copy));
      }
      cluster.Deliver(position);
    }
  }
}

// How many of `voters` have another disk by now.
size_t LostDisks(CoreCluster& cluster, const VoterSet& voters) {
  size_t lost = 0;
  for (const auto& [node, voter] : voters.voters()) {
    if (!voters.Contains(cluster.KeyOf(node))) ++lost;
  }
  return lost;
}

// True if `id` may lose its disk: in no voter set that some node believes in are more voters
// without their disks than a minority (the promise of architecture.md).
bool MayLoseDisk(CoreCluster& cluster, NodeId id) {
  for (auto& [other, node] : cluster.nodes()) {
    const VoterSet& voters = cluster.VotersOf(node);
    const size_t lost = LostDisks(cluster, voters) + (voters.Contains(cluster.KeyOf(id)) ? 1 : 0);
    if (lost > (voters.size() - 1) / 2) return false;
  }
  return true;
}

// One change of the voters, or a disk that is lost.
void ActOnVoters(CoreCluster& cluster) {
  SeededRandom& random = cluster.random();
  const NodeId id = AnyNode(cluster);
  const auto dice = random.Below(100);
  if (dice < 45) {
    for (auto& [leader, node] : cluster.nodes()) {
      if (!node.core || node.core->role() != Role::kLeader) continue;
      const VoterSet& voters = node.core->voters();
      if (!voters.ContainsNode(id)) {
        cluster.AddVoter(leader, id);
      } else if (LostDisks(cluster, voters) > 0 ? !voters.Contains(cluster.KeyOf(id))
                                                : voters.size() > 2) {
        cluster.RemoveVoter(leader, id);
      }
    }
  } else if (dice < 47 && MayLoseDisk(cluster, id)) {
    if (cluster.node(id).core) cluster.Crash(id);
    cluster.ReplaceDisk(id);
    cluster.Start(id);
  }
}

struct Totals {
  uint64_t steps = 0;
  int64_t changes = 0;  // voters records that were committed
  int64_t installs = 0;
  int64_t committed = 0;
  int64_t elections = 0;
};

// Runs one seed; returns the violation, empty if none.
std::string RunSeed(uint64_t seed, const BugSwitches& bugs, int actions, bool liveness,
                    Totals* totals) {
  SeededRandom choice(seed ^ 0x5eed);
  const int voters = choice.Chance(0.6) ? 3 : 5;
  CoreCluster cluster(voters, choice.Chance(0.2) ? 1 : 0, seed, bugs);
  cluster.notify_broken = choice.Chance(0.5);
  const bool dynamic = choice.Chance(0.3);
  if (dynamic) cluster.MakeDynamic();
  const int crashes = static_cast<int>(choice.Below(40));
  const int duplicates = static_cast<int>(choice.Below(100));
  if (dynamic) actions *= 4;  // a change takes a while
  cluster.damage = choice.Chance(0.3) ? -1 : choice.Chance(0.5) ? 0 : 0.1;  // < 0: no snapshots
  for (int i = 0; i < actions && cluster.violation().empty(); ++i) {
    Act(cluster, crashes, duplicates);
    if (dynamic && cluster.random().Chance(0.15)) ActOnVoters(cluster);
  }
  if (liveness && cluster.violation().empty()) {
    cluster.Heal();
    cluster.notify_broken = true;
    cluster.damage = 0;
    for (auto& [id, node] : cluster.nodes()) {
      if (!node.core) cluster.Start(id);
    }
    cluster.RunUntilLeader();
    const NodeId leader = cluster.leader();
    if (cluster.violation().empty() && leader == kNoNode) return "liveness: no leader";
    if (cluster.violation().empty()) {
      cluster.Propose(leader);
      cluster.Run(160);
      for (auto& [id, node] : cluster.nodes()) {
        if (cluster.violation().empty() && node.core->commit_index() != node.core->log_end()) {
          return "liveness: a log is not committed to its end";
        }
      }
    }
  }
  totals->steps += cluster.steps();
  totals->installs += cluster.installs();
  totals->committed += cluster.committed().value();
  totals->elections += cluster.elections();
  totals->changes += cluster.changes();
  return cluster.violation();
}

TEST(RandomSchedule, InvariantsHoldAfterEveryStep) {
  Totals totals;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const bool liveness = seed % 20 == 0;
    const std::string violation =
        RunSeed(static_cast<uint64_t>(seed), BugSwitches{}, kActions, liveness, &totals);
    ASSERT_EQ(violation, "") << "reproduce: seed " << seed;
  }
  // The schedules are worth something: leaders come and go, and entries are committed.
  EXPECT_GT(totals.elections, kSeeds);
  EXPECT_GT(totals.committed, 2 * kSeeds);
  EXPECT_GT(totals.changes, kSeeds / 10);
  EXPECT_GT(totals.installs, kSeeds / 50);
  std::cout << kSeeds << " seeds, " << totals.steps << " core steps, " << totals.elections
            << " elections, " << totals.committed << " entries committed, " << totals.changes
            << " of them changes of voters, " << totals.installs << " snapshots installed\n";
}

// The first seed that shows a violation, or -1.
int SeedThatFinds(const BugSwitches& bugs, int max_seeds) {
  Totals totals;
  for (int seed = 1; seed <= max_seeds; ++seed) {
    const std::string found = RunSeed(static_cast<uint64_t>(seed), bugs, kActions, false, &totals);
    if (!found.empty()) {
      std::cout << "seed " << seed << ": " << found << "\n";
      return seed;
    }
  }
  return -1;
}

TEST(RandomSchedule, FindsAVoteThatIsNotPersisted) {
  BugSwitches bugs;
  bugs.vote_without_persisting = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

TEST(RandomSchedule, FindsACandidateElectedWithAShorterLog) {
  BugSwitches bugs;
  bugs.vote_ignores_log = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

TEST(RandomSchedule, FindsACommitBeforeTheLeadersOwnFsync) {
  BugSwitches bugs;
  bugs.commit_before_own_fsync = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

TEST(RandomSchedule, FindsATrustedUnverifiedFetch) {
  BugSwitches bugs;
  bugs.trust_unverified_fetch = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

TEST(RandomSchedule, FindsAVoteForgottenAtStepDown) {
  BugSwitches bugs;
  bugs.forget_vote_on_step_down = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

TEST(RandomSchedule, FindsATrustedStaleFlush) {
  BugSwitches bugs;
  bugs.trust_stale_flush = true;
  EXPECT_GT(SeedThatFinds(bugs, 20000), 0);
}

}  // namespace
}  // namespace quorate::raft
