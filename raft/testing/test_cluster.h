// raft/testing/test_cluster.h
//
// TestCluster: RaftNodes over files in memory in a TestWorld, with listeners that write down what
// they hear and compare it among nodes.
//
// Tests only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "raft/raft_node.h"
#include "raft/testing/test_world.h"
#include "raft/voters_record.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {

// Remembers what it heard. A batch out of order fails the test.
class RecordingListener final : public MetadataListener {
 public:
  void OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) override {
    EXPECT_FALSE(batches.empty());
    for (const auto& batch : batches) {
      EXPECT_EQ(batch->first, next);
      next = batch->end();
      this->batches.push_back(batch);
      if (batch->control) continue;
      for (const std::string& record : batch->records) records.push_back(record);
    }
  }
  void OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) override {
    EXPECT_GT(snapshot->end, next);
    next = snapshot->end;
    records = snapshot->records;
    ++snapshots;
  }
  // The state is all records there ever were.
  std::shared_ptr<const SnapshotState> state() const;
  void OnLeaderChange(const QuorumLeader& leader) override { leaders.push_back(leader); }
  void OnBecomeActive(Term term) override {
    active.push_back(term);
    if (on_active) on_active(term);
  }

  LogIndex next;  // end of what was heard
  int snapshots = 0;
  std::vector<std::shared_ptr<const MetadataBatch>> batches;
  std::vector<std::string> records;
  std::vector<QuorumLeader> leaders;
  std::vector<Term> active;
  std::function<void(Term)> on_active;
};

class RecordsState final : public SnapshotState {
 public:
  RecordsState(LogIndex end, Term term, std::vector<std::string> records)
      : end_(end), term_(term), records_(std::move(records)) {}
  LogIndex end() const override { return end_; }
  Term term() const override { return term_; }
  absl::Status Write(
      size_t max_batch_bytes,
      absl::FunctionRef<absl::Status(std::vector<std::string>)> sink) const override {
    for (size_t i = 0; i < records_.size(); i += 3) {
      std::vector<std::string> batch(
          records_.begin() + static_cast<std::ptrdiff_t>(i),
          records_.begin() + static_cast<std::ptrdiff_t>(std::min(i + 3, records_.size())));
      const absl::Status taken = sink(std::move(batch));
      if (!taken.ok()) return taken;
    }
    return absl::OkStatus();
  }

 private:
  LogIndex end_;
  Term term_;
  std::vector<std::string> records_;
};

inline std::shared_ptr<const SnapshotState> RecordingListener::state() const {
  if (batches.empty()) return nullptr;
  return std::make_shared<const RecordsState>(next, batches.back()->term, records);
}

class TestCluster {
 public:
  // One node: what survives a crash, and what does not.
  struct Node {
    NodeId id;
    bool voter = true;  // by its configuration; with dynamic voters: may vote
    int disk = 1;       // another number, another directory id
    Endpoint endpoint;
    MemoryFileSystem files;
    std::unique_ptr<TestLoop> loop;
    std::unique_ptr<TestPool> pool;
    std::unique_ptr<TestRpcServer> server;
    std::unique_ptr<TestRpcClient> client;
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<RecordingListener> listener;
    std::unique_ptr<RaftNode> raft;
    std::vector<absl::Status> fatal;
  };

  TestCluster(int voters, int observers, uint64_t seed = 1) : random(seed) {
    for (int i = 1; i <= voters + observers; ++i) {
      auto node = std::make_unique<Node>();
      node->id = NodeId(i);
      node->voter = i <= voters;
      node->endpoint = {"node", 9000 + i};
      if (node->voter) config.voters[node->id] = {node->endpoint, Uuid()};
      EXPECT_TRUE(node->files.CreateDirectories("/meta").ok());
      EXPECT_TRUE(node->files.SyncDirectory("/").ok());
      nodes[node->id] = std::move(node);
    }
  }
  ~TestCluster() {
    for (auto& [id, node] : nodes) Stop(*node);
  }

  // Voters that can be changed: the nodes that would vote by their configuration are formatted as
  // the first voters, all others but `brokers` are controllers, too. Call it before Start.
  void MakeDynamic(const std::set<int>& brokers = {}) {
    std::map<NodeId, raft::Voter> first;
    for (const auto& [id, voter] : config.voters) {
      first[id] = {DirectoryOf(id.value()), voter.endpoint};
      config.bootstrap_servers.push_back(voter.endpoint);
    }
    for (const auto& [id, voter] : config.voters) {
      EXPECT_TRUE(WriteBootstrapVoters(&nodes.at(id)->files, "/meta/__cluster_metadata-0",
                                       raft::VoterSet(first))
                      .ok());
    }
    config.voters.clear();
    for (auto& [id, node] : nodes) node->voter = !brokers.contains(id.value());
  }
  Uuid DirectoryOf(int number) {
    return Uuid(
        {static_cast<uint8_t>(number), static_cast<uint8_t>(nodes.at(NodeId(number))->disk)});
  }
  // A node that is down gets an empty disk.
  void ReplaceDisk(int number) {
    Node& node = *nodes.at(NodeId(number));
    EXPECT_TRUE(node.files.RemoveTree("/meta/__cluster_metadata-0").ok());
    ++node.disk;
  }

  absl::Status Start(int number) {
    Node& node = *nodes.at(NodeId(number));
    node.loop = std::make_unique<TestLoop>(&world);
    node.pool = std::make_unique<TestPool>(&world);
    node.server = std::make_unique<TestRpcServer>(&world);
    node.client = std::make_unique<TestRpcClient>(&world, node.endpoint);
    node.random = std::make_unique<SeededRandom>(random.Next());
    node.listener = std::make_unique<RecordingListener>();
    RaftConfig own = config;
    own.node_id = node.id;
    own.is_controller = node.voter;
    own.directory_id = DirectoryOf(number);
    own.endpoint = node.endpoint;
    own.cluster_id = cluster_ids.contains(node.id) ? cluster_ids[node.id] : "cluster";
    own.metadata_directory = "/meta";
    if (takes_snapshots) {
      own.snapshot_state = [listener = node.listener.get()] { return listener->state(); };
    }
    own.on_fatal = [&node](const absl::Status& status) { node.fatal.push_back(status); };
    auto raft = RaftNode::Open(own, {node.loop.get(), node.pool.get(), &node.files,
                                     node.server.get(), node.client.get(), node.random.get()});
    if (!raft.ok()) {
      Stop(node);
      return raft.status();
    }
    node.raft = *std::move(raft);
    node.raft->AddListener(node.listener.get());
    if (delivery_starts.contains(node.id)) {
      node.listener->next = delivery_starts[node.id];
      node.raft->StartDeliveryAt(node.listener->next);
    }
    EXPECT_TRUE(node.server->Start(node.endpoint).ok());
    world.On(node.loop.get(), [&] { node.raft->Start(); });
    return absl::OkStatus();
  }
  void StartAll() {
    for (auto& [id, node] : nodes) EXPECT_TRUE(Start(id.value()).ok());
  }
  void Stop(Node& node) {
    node.raft.reset();
    node.client.reset();
    node.server.reset();
    node.pool.reset();
    node.loop.reset();
  }
  void Kill(int number) {
    Stop(*nodes.at(NodeId(number)));
    nodes.at(NodeId(number))->files.Kill();
  }
  void PowerCut(int number) {
    Stop(*nodes.at(NodeId(number)));
    nodes.at(NodeId(number))->files.Crash(random);
  }

  Node& node(int number) { return *nodes.at(NodeId(number)); }
  RaftNode& raft(int number) { return *node(number).raft; }
  RecordingListener& heard(int number) { return *node(number).listener; }

  // The node that is the active leader of the highest term; 0 if none.
  int leader() {
    int best = 0;
    for (auto& [id, node] : nodes) {
      if (!node->raft || !node->raft->core().is_active_leader()) continue;
      if (best == 0 || node->raft->core().term() > raft(best).core().term()) best = id.value();
    }
    return best;
  }
  int WaitForLeader(Micros limit = Millis(5000)) {
    world.RunUntil([this] { return leader() != 0; }, limit);
    EXPECT_NE(leader(), 0);
    return leader();
  }
  absl::StatusOr<LogIndex> Propose(int number, std::vector<std::string> records,
                                   std::string cause = "") {
    absl::StatusOr<LogIndex> result = absl::UnknownError("");
    world.On(node(number).loop.get(), [&] {
      result =
          raft(number).Propose(raft(number).core().term(), std::move(records), std::move(cause));
    });
    return result;
  }
  // True once all running nodes have heard all that the leader's log holds.
  bool WaitForAll(Micros limit = Millis(5000)) {
    return world.RunUntil(
        [this] {
          const int l = leader();
          if (l == 0) return false;
          for (auto& [id, node] : nodes) {
            if (node->raft && node->listener->next != raft(l).log_end_index()) return false;
          }
          return true;
        },
        limit);
  }
  void IsolateNode(int number) {
    for (auto& [id, other] : nodes) {
      if (id != NodeId(number)) world.Cut(node(number).endpoint, other->endpoint);
    }
  }

  TestWorld world;
  SeededRandom random;
  RaftConfig config;
  std::map<NodeId, LogIndex> delivery_starts;  // of the next Start, where not the log's
  std::map<NodeId, std::string> cluster_ids;   // of nodes that think they belong elsewhere
  bool takes_snapshots = false;
  std::map<NodeId, std::unique_ptr<Node>> nodes;
};

}  // namespace quorate
