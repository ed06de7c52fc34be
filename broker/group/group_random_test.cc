// Members that join, sync, commit, leave, crash and come back at random, over a coordinator that
// moves and a log that commits late or loses what it had not committed.
//
//   I31  a committed offset that was acknowledged or shown never goes back
//   I32  a partition has one owner per generation
//   reload: what a coordinator knows in a settled state is what its log says
//   liveness: once the faults stop the group becomes stable with everybody in it
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/fake_offsets_log.h"
#include "broker/group/group_coordinator.h"
#include "broker/testing/test_loop.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr PartitionIndex kPartition{4};  // of the group "abc"
constexpr int kTopicPartitions = 6;

class World;

// A consumer as clients are: one request at a time, rejoins when told to.
class Client {
 public:
  Client(World* world, int index, bool is_static)
      : world_(world), index_(index), is_static_(is_static) {}

  void Step();   // the next thing a live consumer does
  void Crash();  // says nothing any more
  void Leave();
  bool running = false;
  bool owns(int partition) const {
    return stable_ && std::find(owned_.begin(), owned_.end(), partition) != owned_.end();
  }
  bool stable() const { return stable_; }

 private:
  void Join();
  void OnJoined(const JoinResult& result);
  void Sync(const JoinResult& result);
  void OnSynced(const SyncResult& result);
  void Commit();
  MemberIdentity Identity() const { return {member_, instance()}; }
  std::optional<std::string> instance() const {
    if (!is_static_) return std::nullopt;
    return "instance-" + std::to_string(index_);
  }

  World* const world_;
  const int index_;
  const bool is_static_;
  uint64_t life_ = 0;  // answers to an earlier life are not heard
  bool waiting_ = false;
  bool stable_ = false;
  std::string member_;
  int generation_ = -1;
  std::vector<int> owned_;
};

class World {
 public:
  explicit World(uint64_t seed) : random(seed) {
    options.limits.initial_rebalance_delay = milliseconds(500);
    coordinator = std::make_unique<GroupCoordinator>(
        GroupCoordinatorEnv{&loop, &ids, &log, &images}, options);
    coordinator->Start();
    for (int i = 0; i < 5; ++i) clients.push_back(std::make_unique<Client>(this, i, i % 2 == 1));
    for (int p = 0; p < kTopicPartitions; ++p) known[p] = -1;
    log.Lead(kPartition, epoch);
    loop.RunPosted();
  }

  void OnAssigned(int generation, int client, const std::vector<int>& partitions) {
    for (const int p : partitions) {
      const auto [it, fresh] = owners.emplace(std::make_pair(generation, p), client);
      ASSERT_EQ(it->second, client) << "generation " << generation << " partition " << p;
    }
  }
  void CheckOffsets() {
    for (int p = 0; p < kTopicPartitions; ++p) {
      const auto fetched = coordinator->FetchOffsets("abc", std::vector<OffsetKey>{{"t", p}});
      if (fetched.error != KafkaError::kNone) return;
      const auto& offset = fetched.offsets.at(0).second;
      const int64_t now = offset.has_value() ? offset->offset : -1;
      ASSERT_GE(now, known[p]) << "partition " << p << " went back";
      ASSERT_LE(now, next_offset);
      known[p] = now;
    }
  }
  void Move(bool lose_tail) {
    log.StopLeading(kPartition, lose_tail);
    if (random.Chance(0.5)) loop.RunPosted();
    log.Lead(kPartition, ++epoch);
    if (lose_tail || random.Chance(0.5)) log.SetCommitted(kPartition);
    if (random.Chance(0.5)) loop.RunPosted();
  }
  void CheckReload() {
    log.Commit(kPartition);
    loop.RunPosted();
    const std::string state = coordinator->Describe("abc").state;
    if (state != "Stable" && state != "Empty") return;
    const std::string before = coordinator->DumpForTest();
    log.StopLeading(kPartition);
    log.Lead(kPartition, ++epoch);
    log.SetCommitted(kPartition);
    loop.RunPosted();
    ASSERT_EQ(coordinator->DumpForTest(), before);
    ++reloads;
  }
  void Step() {
    Client& client = *clients[random.Below(clients.size())];
    switch (random.Below(40)) {
      case 0:
        client.Crash();
        break;
      case 1:
        client.Leave();
        break;
      case 2:
        Move(random.Chance(0.5));
        break;
      case 3:
        log.commit_at_once = !log.commit_at_once;
        break;
      case 4:
        log.FailWaiting(kPartition, kafka::KafkaStatus(KafkaError::kRequestTimedOut));
        break;
      case 5:
        CheckReload();
        break;
      case 6:
        loop.Advance(seconds(random.Between(1, 12)));
        break;
      case 7:
      case 8:
        log.Commit(kPartition);
        break;
      default:
        client.running = true;
        client.Step();
        break;
    }
    if (random.Chance(0.7)) loop.RunPosted();
    if (random.Chance(0.5)) loop.Advance(milliseconds(random.Between(1, 800)));
    CheckOffsets();
  }
  void Heal() {
    log.commit_at_once = true;
    log.Commit(kPartition);
    loop.RunPosted();
    for (int i = 0; i < 400; ++i) {
      for (auto& client : clients) {
        client->running = true;
        client->Step();
      }
      loop.Advance(seconds(1));
    }
    const auto description = coordinator->Describe("abc");
    ASSERT_EQ(description.state, "Stable");
    ASSERT_EQ(description.members.size(), clients.size());
    for (int p = 0; p < kTopicPartitions; ++p) {
      const auto owners_now =
          std::count_if(clients.begin(), clients.end(), [&](const auto& c) { return c->owns(p); });
      ASSERT_EQ(owners_now, 1) << "partition " << p;
    }
    CheckOffsets();
  }

  TestLoop loop;
  SeededRandom random;
  SeededRandom ids{7};
  ImageView images{&loop};
  FakeOffsetsLog log{&loop};
  GroupCoordinatorOptions options;
  std::unique_ptr<GroupCoordinator> coordinator;
  std::vector<std::unique_ptr<Client>> clients;
  std::map<std::pair<int, int>, int> owners;  // (generation, partition) -> client
  std::map<int, int64_t> known;               // acknowledged or shown, by partition
  int64_t next_offset = 0;
  int epoch = 1;
  int reloads = 0;
  int commits = 0;
};

void Client::Step() {
  if (waiting_) return;
  if (!stable_) return Join();
  if (world_->random.Chance(0.3)) return Commit();
  const KafkaError error = world_->coordinator->Heartbeat("abc", Identity(), generation_);
  if (error == KafkaError::kNone || error == KafkaError::kNotCoordinator) return;
  stable_ = false;
  if (error == KafkaError::kUnknownMemberId || error == KafkaError::kFencedInstanceId) {
    member_.clear();
  }
}

void Client::Crash() {
  ++life_;
  running = waiting_ = stable_ = false;
  member_.clear();
  owned_.clear();
}

void Client::Leave() {
  if (!stable_) return;
  world_->coordinator->Leave("abc", {Identity()}, [](const GroupCoordinator::LeaveResult&) {});
  Crash();
}

void Client::Join() {
  JoinRequest request;
  request.group_id = "abc";
  request.member_id = member_;
  request.instance_id = instance();
  request.client_id = "client-" + std::to_string(index_);
  request.session_timeout = seconds(10);
  request.rebalance_timeout = seconds(20);
  request.protocol_type = "consumer";
  request.protocols = {{"range", SharedBytes::Copy("sub")}};
  request.require_known_member_id = true;
  request.can_skip_assignment = true;
  waiting_ = true;
  owned_.clear();
  world_->coordinator->Join(request, [this, life = life_](const JoinResult& result) {
    if (life == life_) OnJoined(result);
  });
}

void Client::OnJoined(const JoinResult& result) {
  waiting_ = false;
  switch (result.error) {
    case KafkaError::kNone:
      member_ = result.member_id;
      generation_ = result.generation;
      return Sync(result);
    case KafkaError::kMemberIdRequired:
      member_ = result.member_id;
      return;
    case KafkaError::kUnknownMemberId:
    case KafkaError::kFencedInstanceId:
      member_.clear();
      return;
    default:
      return;
  }
}

void Client::Sync(const JoinResult& result) {
  SyncRequest request;
  request.group_id = "abc";
  request.generation = generation_;
  request.member_id = member_;
  request.instance_id = instance();
  if (result.leader == member_ && !result.skip_assignment) {
    for (size_t i = 0; i < result.members.size(); ++i) {
      std::string partitions;
      for (int p = 0; p < kTopicPartitions; ++p) {
        if (static_cast<size_t>(p) % result.members.size() == i) {
          partitions.push_back(static_cast<char>('0' + p));
        }
      }
      request.assignments.push_back({result.members[i].member_id, SharedBytes::Copy(partitions)});
    }
  }
  waiting_ = true;
  world_->coordinator->Sync(request, [this, life = life_](const SyncResult& synced) {
    if (life == life_) OnSynced(synced);
  });
}

void Client::OnSynced(const SyncResult& result) {
  waiting_ = false;
  if (result.error == KafkaError::kUnknownMemberId ||
      result.error == KafkaError::kFencedInstanceId) {
    member_.clear();
  }
  if (result.error != KafkaError::kNone) return;
  stable_ = true;
  for (const char c : result.assignment.view()) owned_.push_back(c - '0');
  world_->OnAssigned(generation_, index_, owned_);
}

void Client::Commit() {
  if (owned_.empty()) return;
  const int partition = owned_[world_->random.Below(owned_.size())];
  CommitRequest request;
  request.group_id = "abc";
  request.generation = generation_;
  request.member_id = member_;
  request.instance_id = instance();
  const int64_t offset = ++world_->next_offset;
  request.entries.push_back({{"t", partition}, Uuid(), offset, -1, ""});
  if (world_->random.Chance(0.05)) {
    world_->log.refuse = kafka::KafkaStatus(KafkaError::kNotEnoughReplicas);
  }
  world_->coordinator->Commit(
      request, [world = world_, partition, offset](const std::vector<KafkaError>& errors) {
        if (errors.at(0) != KafkaError::kNone) return;
        ++world->commits;
        auto& known = world->known[partition];
        known = std::max(known, offset);
      });
  world_->log.refuse = absl::OkStatus();
}

class RandomGroupTest : public ::testing::TestWithParam<int> {};

TEST_P(RandomGroupTest, InvariantsHoldAndTheGroupSettles) {
  int64_t reloads = 0;
  int64_t commits = 0;
  for (int round = 0; round < 6; ++round) {
    const auto seed = static_cast<uint64_t>(GetParam() * 1000 + round);
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    for (int step = 0; step < 1500 && !::testing::Test::HasFatalFailure(); ++step) world.Step();
    if (!HasFatalFailure()) world.Heal();
    reloads += world.reloads;
    commits += world.commits;
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(reloads, 5);
  EXPECT_GT(commits, 100);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomGroupTest, ::testing::Range(0, 5));

}  // namespace
}  // namespace quorate
