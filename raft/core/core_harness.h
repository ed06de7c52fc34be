// raft/core/core_harness.h
//
// CoreNode and CoreCluster: pure RaftCores with a log in memory, for tests. A CoreNode carries out
// each Ready as a driver has to; a CoreCluster keeps the messages between the nodes in a bag that
// a test (or a random scheduler) empties in any order, and checks invariants I1 to I9 of docs'
// testing rules after every step.
//
// Pure; tests only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

struct Entry {
  Term term;
  uint64_t value = 0;                                // unique per proposal
  uint64_t chain = 0;                                // hash of this entry and all before it
  std::shared_ptr<const VoterSet> voters = nullptr;  // of a voters record
};

// A message under way.
struct Packet {
  enum class Kind { kRequest, kResponse, kFailed } kind = Kind::kRequest;
  NodeId from, to;
  CallId call{};
  std::variant<std::monostate, VoteRequest, FetchRequest, BeginTermRequest, EndTermRequest,
               FetchSnapshotRequest, VoteResponse, FetchResponse, BeginTermResponse,
               EndTermResponse, FetchSnapshotResponse>
      message;
  // Of a FetchResponse; each is a batch. Of a FetchSnapshotResponse: a snapshot is the entries that
  // made it, one "byte" each.
  std::vector<Entry> entries;
  bool damaged = false;  // a piece of a snapshot whose bytes are not what the leader read
  std::shared_ptr<const VoterSet> header =
      nullptr;  // of a FetchSnapshotResponse: CoreNode::headers
};

// One node: what is on its disk, and while it runs, its core.
struct CoreNode {
  NodeId id;
  int disk_number = 0;  // how often its disk was replaced
  // Disk.
  HardState hard;
  std::vector<Entry> log;  // with what is not fsynced; below log_start only the tests see it
  size_t log_start = 0;
  std::vector<SnapshotId> snapshots;  // durable, oldest first
  // The voters in the header of each; null: those of the configuration.
  std::map<SnapshotId, std::shared_ptr<const VoterSet>> headers;
  size_t durable = 0;  // entries of `log` that survive a crash
  // Memory; core null while down.
  std::unique_ptr<RaftCore> core;
  uint64_t next_request = 1;
  uint64_t incarnation = 0;
  struct Caller {
    NodeId node;
    CallId call{};
  };
  std::map<RequestId, Caller> callers;
  struct PendingFlush {
    LogIndex end;
    uint64_t truncations;
  };
  std::optional<PendingFlush> flush;
  struct Download {
    uint64_t number = 0;
    SnapshotId snapshot;
    std::vector<Entry> entries;
    bool damaged = false;
    bool complete = false;  // to be checked
    std::shared_ptr<const VoterSet> header = nullptr;
  };
  std::optional<Download> download;
};

class CoreCluster {
 public:
  CoreCluster(int voters, int observers, uint64_t seed, const BugSwitches& bugs = {});

  // --- Driving ---
  void Start(NodeId id);  // or restart
  void Crash(NodeId id);  // loses what is not fsynced
  void Step(NodeId id, const Event& event);
  void Tick(NodeId id) { Step(id, quorate::raft::Tick{}); }
  void Propose(NodeId id);      // if it leads
  void FinishFlush(NodeId id);  // the fsync under way, if any, ends
  // Takes a snapshot at the node's commit index and, with `trim`, deletes the log before it and all
  // older snapshots. Nothing if there is nothing new.
  void TakeSnapshot(NodeId id, bool trim = true);
  void FinishCheck(NodeId id);  // the check of a fetched snapshot, if any, ends
  // A node that is down finds this on its disk: its term, no vote, and a durable log.
  void SetDisk(NodeId id, Term term, const std::vector<Term>& log);
  // A node that is down gets an empty disk, which is another directory: it is no voter any more.
  void ReplaceDisk(NodeId id);
  void Deliver(size_t packet);  // takes it out of the bag
  void DeliverAll();            // until the bag is empty; finishes flushes too
  // Lets time pass to the next timer of any live node and delivers everything, `steps` times.
  void Run(int steps);
  void RunUntilLeader(int max_steps = 400);

  // Voters that can be changed: the first set counts as decided at formatting, and observers may
  // become voters. Restarts all nodes; call it first.
  void MakeDynamic();
  // A leader takes `id` as it is into its voter set, or out of it. Returns why not; empty if done.
  std::string AddVoter(NodeId leader, NodeId id);
  std::string RemoveVoter(NodeId leader, NodeId id);
  // Any other set.
  std::string ChangeVotersTo(NodeId leader, const VoterSet& next);
  ReplicaKey KeyOf(NodeId id) const;
  // The voters by the node's log, committed or not (scenario D12); what the core has to say, too.
  const VoterSet& VotersOf(const CoreNode& node) const;
  // The same of the log before `end` only.
  const VoterSet& VotersBefore(const CoreNode& node, size_t end) const;

  // Links: a cut one drops what is put on it; a caller learns of it if `notify_broken`.
  void Cut(NodeId a, NodeId b) { cut_[{a, b}] = cut_[{b, a}] = true; }
  void CutOneWay(NodeId from, NodeId to) { cut_[{from, to}] = true; }
  void Heal() { cut_.clear(); }
  void Isolate(NodeId id);

  // --- Looking ---
  CoreNode& node(NodeId id) { return nodes_.at(id); }
  RaftCore& core(NodeId id) { return *nodes_.at(id).core; }
  // The live leader of the highest term, or kNoNode.
  NodeId leader() const;
  std::vector<Packet>& bag() { return bag_; }
  std::map<NodeId, CoreNode>& nodes() { return nodes_; }
  SeededRandom& random() { return random_; }
  LogIndex committed() const { return LogIndex(static_cast<int64_t>(committed_.size())); }
  // The first broken invariant, or empty.
  const std::string& violation() const { return violation_; }
  const Ready& last_ready() const { return last_ready_; }
  uint64_t steps() const { return steps_; }
  // Committed changes of who votes.
  int64_t changes() const { return changes_; }
  int64_t installs() const { return installs_; }
  int64_t elections() const { return static_cast<int64_t>(leaders_.size()); }

  MonoTime now;
  bool notify_broken = true;
  size_t entries_per_answer = 3;  // what an answer to a fetch carries at most
  double damage = 0;              // share of the pieces of snapshots that come damaged
  CoreConfig config;              // of the next node that starts; `self` is filled in

 private:
  void Carry(CoreNode& node, Ready ready, const Packet* cause);
  void CarryOutOnDisk(CoreNode& node, const Ready& ready, const Packet* cause);
  void Install(CoreNode& node, SnapshotId snapshot);
  void Answer(CoreNode& node, Reply reply);
  void Append(CoreNode& node, Term term, uint64_t value,
              std::shared_ptr<const VoterSet> voters = nullptr);
  void CheckVoters(const CoreNode& node);
  void CheckVoterChange(const CoreNode& node, const VoterSet& next);
  void CheckGrant(const CoreNode& node, const VoteRequest& request);
  void SendPacket(Packet packet);
  void CheckAfterStep(CoreNode& node, const Ready& ready);
  void CheckLeader(CoreNode& node);
  void CheckCommit(CoreNode& node);
  void Violated(const std::string& what);
  void StepWith(NodeId id, const Event& event, const Packet* cause);

  std::map<NodeId, CoreNode> nodes_;
  std::vector<Packet> bag_;
  std::map<std::pair<NodeId, NodeId>, bool> cut_;
  SeededRandom random_;
  uint64_t next_value_ = 1;
  std::map<Term, NodeId> leaders_;                           // I1
  std::map<std::pair<int64_t, Term>, uint64_t> chains_;      // I3
  std::vector<uint64_t> committed_;                          // chain hash per index: I4, I5
  std::vector<Term> committed_in_;                           // the term in which it was: I4
  std::map<NodeId, Term> terms_;                             // I2
  std::map<NodeId, LogIndex> commits_;                       // I5
  std::map<std::pair<ReplicaKey, Term>, ReplicaKey> votes_;  // I9
  std::map<ReplicaKey, std::vector<Entry>> lost_disks_;      // what was durable on them
  bool dynamic_ = false;
  int64_t changes_ = 0;
  std::string violation_;
  Ready last_ready_;
  uint64_t steps_ = 0;
  int64_t installs_ = 0;
};

}  // namespace quorate::raft
