// Voters that come and go (KIP-853), with whole nodes: files, messages, addresses. The rules of the
// protocol itself are tested on the core (core/raft_core_test.cc, //tests/scenario/raft).
#include <gtest/gtest.h>

#include <optional>

#include "proto/quorate/raft.pb.h"
#include "raft/raft_node.h"
#include "raft/testing/test_cluster.h"
#include "raft/voters_record.h"

namespace quorate {
namespace {

using Kind = VoterChange::Kind;

class Voters : public testing::Test {
 protected:
  void Begin(int voters, int others, const std::set<int>& brokers = {}) {
    cluster.emplace(voters, others);
    cluster->MakeDynamic(brokers);
    cluster->StartAll();
    cluster->WaitForLeader();
    cluster->WaitForAll();
    cluster->world.RunFor(Millis(700));
  }
  VoterChange ChangeOf(Kind kind, int node) {
    VoterChange change;
    change.kind = kind;
    change.voter = {NodeId(node), cluster->DirectoryOf(node)};
    change.endpoint = cluster->node(node).endpoint;
    return change;
  }
  // What became of `change`, asked of node `at`.
  absl::Status Change(int at, const VoterChange& change) {
    auto outcome = std::make_shared<std::optional<absl::Status>>();
    cluster->world.On(cluster->node(at).loop.get(), [&] {
      cluster->raft(at).ChangeVoters(change,
                                     [outcome](const absl::Status& status) { *outcome = status; });
    });
    cluster->world.RunUntil([&] { return outcome->has_value(); }, std::chrono::seconds(20));
    return outcome->value_or(absl::UnknownError("never answered"));
  }
  absl::Status Add(int node) {
    return Change(cluster->WaitForLeader(), ChangeOf(Kind::kAdd, node));
  }
  absl::Status Remove(int node) {
    return Change(cluster->WaitForLeader(), ChangeOf(Kind::kRemove, node));
  }
  std::vector<NodeId> VotersBy(int node) { return cluster->raft(node).core().voters().nodes(); }
  static std::vector<NodeId> Nodes(std::vector<int> numbers) {
    std::vector<NodeId> nodes;
    for (int number : numbers) nodes.push_back(NodeId(number));
    return nodes;
  }
  bool AllHaveVoters(const std::vector<int>& voters) {
    return cluster->world.RunUntil(
        [&] {
          for (auto& [id, node] : cluster->nodes) {
            if (node->raft && node->raft->core().voters().nodes() != Nodes(voters)) return false;
          }
          return true;
        },
        std::chrono::seconds(10));
  }

  std::optional<TestCluster> cluster;
};

TEST_F(Voters, AFormattedQuorumWritesItsVotersIntoTheLogAndObserversFindThemThere) {
  Begin(3, 1, {4});  // 4 knows nothing but bootstrap servers
  for (int n = 1; n <= 4; ++n) {
    EXPECT_EQ(VotersBy(n), Nodes({1, 2, 3})) << n;
    EXPECT_TRUE(cluster->raft(n).core().voter_history().latest_index().has_value()) << n;
  }
  EXPECT_EQ(cluster->raft(4).core().leader(), NodeId(cluster->leader()));
}

TEST_F(Voters, AControllerThatHasCaughtUpIsAddedAndCounts) {
  Begin(1, 1);
  ASSERT_TRUE(Add(2).ok());
  ASSERT_TRUE(AllHaveVoters({1, 2}));
  EXPECT_TRUE(cluster->raft(2).core().is_voter());
  // Both are needed now.
  cluster->Kill(2);
  ASSERT_TRUE(cluster->Propose(1, {"x"}).ok());
  cluster->world.RunFor(Millis(300));
  EXPECT_LT(cluster->raft(1).commit_index(), cluster->raft(1).log_end_index());
  ASSERT_TRUE(cluster->Start(2).ok());
  cluster->WaitForLeader();
  EXPECT_TRUE(cluster->WaitForAll());
}

TEST_F(Voters, ANodeThatDoesNotLeadPassesAChangeOn) {
  Begin(3, 1);
  const int follower = cluster->leader() == 1 ? 2 : 1;
  ASSERT_TRUE(Change(follower, ChangeOf(Kind::kAdd, 4)).ok());
  EXPECT_TRUE(AllHaveVoters({1, 2, 3, 4}));
}

TEST_F(Voters, ANodeThatIsSilentUnknownOrABrokerIsNotAdded) {
  Begin(1, 2, {3});
  const absl::Status broker = Add(3);
  EXPECT_TRUE(absl::IsInvalidArgument(broker)) << broker;
  cluster->Kill(2);
  cluster->world.RunFor(Millis(1500));
  const absl::Status silent = Add(2);
  EXPECT_TRUE(absl::IsUnavailable(silent)) << silent;
  EXPECT_EQ(VotersBy(1), Nodes({1}));
}

TEST_F(Voters, WhatMakesNoSenseIsRefusedAndSaysWhy) {
  Begin(2, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(Add(2)));
  VoterChange other_disk = ChangeOf(Kind::kAdd, 2);
  other_disk.voter.directory = Uuid({99});
  EXPECT_TRUE(absl::IsAlreadyExists(Change(cluster->leader(), other_disk)));
  EXPECT_TRUE(absl::IsNotFound(Remove(3)));
  other_disk.kind = Kind::kRemove;
  EXPECT_TRUE(absl::IsNotFound(Change(cluster->leader(), other_disk)));
  VoterChange nowhere = ChangeOf(Kind::kAdd, 3);
  nowhere.endpoint = {};
  EXPECT_TRUE(absl::IsInvalidArgument(Change(cluster->leader(), nowhere)));
  EXPECT_TRUE(absl::IsAlreadyExists(Change(cluster->leader(), ChangeOf(Kind::kUpgrade, 1))));
  ASSERT_TRUE(Remove(2).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Remove(1)));  // the last one
}

TEST_F(Voters, ASecondChangeWaitsForTheFirst) {  // D6
  Begin(1, 2);
  ASSERT_TRUE(Add(2).ok());
  cluster->Kill(2);  // of {1, 2} no change can be committed now
  auto first = std::make_shared<std::optional<absl::Status>>();
  absl::Status second;
  cluster->world.On(cluster->node(1).loop.get(), [&] {
    cluster->raft(1).ChangeVoters(ChangeOf(Kind::kAdd, 3),
                                  [first](const absl::Status& status) { *first = status; });
    cluster->raft(1).ChangeVoters(ChangeOf(Kind::kRemove, 2),
                                  [&](const absl::Status& status) { second = status; });
  });
  EXPECT_FALSE(first->has_value());
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
}

TEST_F(Voters, ALeaderThatRemovesItselfAnswersAndHandsOver) {  // D4
  Begin(3, 0);
  const int leader = cluster->leader();
  ASSERT_TRUE(cluster->Propose(leader, {"before"}).ok());
  ASSERT_TRUE(Remove(leader).ok());
  const MonoTime begin = cluster->world.Now();
  const int next = cluster->WaitForLeader();
  EXPECT_NE(next, leader);
  EXPECT_LT(cluster->world.Now() - begin, Millis(400));  // no election timeout to wait for
  ASSERT_TRUE(cluster->Propose(next, {"after"}).ok());
  EXPECT_TRUE(cluster->WaitForAll());  // the old leader follows as an observer
  EXPECT_EQ(cluster->raft(leader).core().role(), raft::Role::kObserver);
  EXPECT_EQ(cluster->heard(leader).records, (std::vector<std::string>{"before", "after"}));
}

TEST_F(Voters, TheVotersSurviveARestartOfAll) {
  Begin(3, 1);
  ASSERT_TRUE(Add(4).ok());
  ASSERT_TRUE(AllHaveVoters({1, 2, 3, 4}));
  ASSERT_TRUE(Remove(cluster->leader() == 1 ? 2 : 1).ok());
  const std::vector<NodeId> voters = VotersBy(4);
  cluster->WaitForLeader();
  ASSERT_TRUE(cluster->WaitForAll());
  for (int n = 1; n <= 4; ++n) cluster->PowerCut(n);
  cluster->StartAll();
  for (int n = 1; n <= 4; ++n) EXPECT_EQ(VotersBy(n), voters);
  cluster->WaitForLeader();
}

TEST_F(Voters, AWipedVoterIsAnObserverUntilItIsReplacedByHand) {  // D11, I9
  Begin(3, 0);
  const int victim = cluster->leader() == 3 ? 2 : 3;
  cluster->Kill(victim);
  cluster->ReplaceDisk(victim);
  ASSERT_TRUE(cluster->Start(victim).ok());
  ASSERT_TRUE(cluster->WaitForAll());
  cluster->world.RunFor(std::chrono::seconds(2));
  EXPECT_EQ(cluster->raft(victim).core().role(), raft::Role::kObserver);
  EXPECT_TRUE(absl::IsAlreadyExists(Add(victim)));  // the lost disk votes, on paper
  VoterChange lost = ChangeOf(Kind::kRemove, victim);
  lost.voter.directory = Uuid();  // whichever it had
  ASSERT_TRUE(Change(cluster->leader(), lost).ok());
  ASSERT_TRUE(Add(victim).ok());
  ASSERT_TRUE(AllHaveVoters({1, 2, 3}));
  EXPECT_TRUE(cluster->raft(victim).core().is_voter());
}

TEST_F(Voters, WithAutoJoinAControllerAddsItselfAndReplacesItsLostDisk) {
  cluster.emplace(3, 1);
  cluster->config.auto_join = true;
  cluster->MakeDynamic();
  cluster->StartAll();
  cluster->WaitForLeader();
  ASSERT_TRUE(AllHaveVoters({1, 2, 3, 4}));
  const int victim = cluster->leader() == 3 ? 2 : 3;
  cluster->Kill(victim);
  cluster->ReplaceDisk(victim);
  ASSERT_TRUE(cluster->Start(victim).ok());
  EXPECT_TRUE(cluster->world.RunUntil(
      [&] {
        return cluster->leader() != 0 &&
               cluster->raft(cluster->leader())
                   .core()
                   .voters()
                   .Contains({NodeId(victim), cluster->DirectoryOf(victim)});
      },
      std::chrono::seconds(20)));
}

TEST_F(Voters, AutoJoinDoesNotBringBackWhomAnOperatorRemoved) {  // D5
  cluster.emplace(3, 0);
  cluster->config.auto_join = true;
  cluster->MakeDynamic();
  cluster->StartAll();
  const int leader = cluster->WaitForLeader();
  cluster->WaitForAll();
  const int removed = leader == 3 ? 2 : 3;
  ASSERT_TRUE(Remove(removed).ok());
  cluster->world.RunFor(std::chrono::seconds(5));
  EXPECT_FALSE(cluster->raft(removed).core().is_voter());
  cluster->Kill(removed);
  ASSERT_TRUE(cluster->Start(removed).ok());
  cluster->world.RunFor(std::chrono::seconds(5));
  EXPECT_FALSE(cluster->raft(removed).core().is_voter());
  EXPECT_TRUE(cluster->WaitForAll());
  VoterChange automatic = ChangeOf(Kind::kAdd, removed);
  automatic.automatic = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(Change(cluster->leader(), automatic)));
  EXPECT_TRUE(Add(removed).ok());  // an operator may
}

TEST_F(Voters, AVoterThatMovedPutsItsAddressRightItself) {
  Begin(3, 0);
  const int mover = cluster->leader() == 3 ? 2 : 3;
  cluster->Kill(mover);
  cluster->node(mover).endpoint = {"elsewhere", 7777};
  ASSERT_TRUE(cluster->Start(mover).ok());
  EXPECT_TRUE(cluster->world.RunUntil(
      [&] {
        for (int n = 1; n <= 3; ++n) {
          const raft::Voter* voter = cluster->raft(n).core().voters().Find(NodeId(mover));
          if (voter == nullptr || voter->endpoint != cluster->node(mover).endpoint) return false;
        }
        return true;
      },
      std::chrono::seconds(20)));
}

TEST_F(Voters, OfTheConfigurationCannotBeChangedBeforeTheUpgrade) {  // kraft.version 0 and 1
  cluster.emplace(3, 0);
  cluster->StartAll();
  cluster->WaitForLeader();
  cluster->WaitForAll();
  cluster->world.RunFor(Millis(700));
  EXPECT_TRUE(absl::IsFailedPrecondition(Remove(cluster->leader() == 3 ? 2 : 3)));
  EXPECT_FALSE(cluster->raft(1).Status().dynamic_voters);
  ASSERT_TRUE(Change(cluster->leader(), ChangeOf(Kind::kUpgrade, 1)).ok());
  ASSERT_TRUE(cluster->WaitForAll());
  for (int n = 1; n <= 3; ++n) {
    EXPECT_TRUE(cluster->raft(n).Status().dynamic_voters);
    EXPECT_TRUE(cluster->raft(1).core().voters().Contains({NodeId(n), cluster->DirectoryOf(n)}));
  }
  EXPECT_TRUE(Remove(cluster->leader() == 3 ? 2 : 3).ok());
}

TEST_F(Voters, TheUpgradeNeedsToHaveHeardFromAllVoters) {
  cluster.emplace(3, 0);
  EXPECT_TRUE(cluster->Start(1).ok() && cluster->Start(2).ok());
  const int leader = cluster->WaitForLeader();
  const absl::Status status = Change(leader, ChangeOf(Kind::kUpgrade, 1));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(Voters, AChangeForAnotherClusterIsRefused) {  // C29
  Begin(1, 1);
  pb::ChangeVotersRequest request;
  request.set_cluster_id("another");
  ToProto(ChangeOf(Kind::kAdd, 2), &request);
  std::optional<absl::StatusOr<std::string>> answer;
  TestCluster::Node& asking = cluster->node(2);
  cluster->world.On(asking.loop.get(), [&] {
    asking.client->Call(cluster->node(1).endpoint, "Raft.ChangeVoters", request.SerializeAsString(),
                        Millis(1000), asking.loop.get(),
                        [&](absl::StatusOr<std::string> result) { answer = std::move(result); });
  });
  cluster->world.RunFor(Millis(1000));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(answer->status())) << answer->status();
}

TEST_F(Voters, AChangeWhoseLeaderStepsDownIsOfUnknownOutcome) {
  Begin(3, 0);
  const int leader = cluster->leader();
  cluster->IsolateNode(leader);
  const absl::Status status = Change(leader, ChangeOf(Kind::kRemove, leader == 1 ? 2 : 1));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("quorum status"), std::string::npos);
}

TEST(VotersRecord, IsReadAsItWasWritten) {
  raft::VoterSet voters(std::map<NodeId, raft::Voter>{{NodeId(1), {Uuid({1}), {"a", 1}}},
                                                      {NodeId(2), {Uuid({2}), {"b", 2}}}});
  voters = voters.Without(NodeId(2));
  const auto read = DecodeVoters(EncodeVoters(voters));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, voters);
}

TEST(VotersRecord, BytesThatAreNoneAreRefused) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeVoters("\xff\xff").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeVoters("").status()));  // nobody
  pb::VotersRecord record;
  record.add_voters()->set_node_id(1);  // no directory id
  EXPECT_TRUE(absl::IsDataLoss(DecodeVoters(record.SerializeAsString()).status()));
}

TEST(BootstrapVoters, ADamagedFileStopsTheStartWithItsPath) {
  MemoryFileSystem files;
  ASSERT_TRUE(files.CreateDirectories("/log").ok());
  EXPECT_FALSE(ReadBootstrapVoters(&files, "/log")->has_value());
  const raft::VoterSet voters(std::map<NodeId, raft::Voter>{{NodeId(1), {Uuid({1}), {"a", 1}}}});
  ASSERT_TRUE(WriteBootstrapVoters(&files, "/log", voters).ok());
  EXPECT_EQ(**ReadBootstrapVoters(&files, "/log"), voters);
  std::string bytes = *files.ReadFile("/log/bootstrap-voters");
  for (size_t at : {size_t{20}, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_TRUE(files.WriteFileAtomically("/log/bootstrap-voters", damaged).ok());
    const auto read = ReadBootstrapVoters(&files, "/log");
    EXPECT_TRUE(absl::IsDataLoss(read.status())) << at;
    EXPECT_NE(read.status().message().find("/log/bootstrap-voters"), std::string::npos);
  }
}

}  // namespace
}  // namespace quorate
