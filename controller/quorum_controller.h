// controller/quorum_controller.h
//
// QuorumController runs on every voter of the metadata quorum and decides while its node leads
// it: brokers' lives, topics, leaders, in-sync replicas, configs, producer ids. Others send it the
// "Controller.*" calls of proto/quorate/controller.proto. A controller that is not active answers
// them with NOT_CONTROLLER and the leader it knows.
//
//   standby --OnBecomeActive--> active --OnLeaderChange--> standby
//
// Active, it starts with a full lease for every unfenced broker, finishes what its predecessor may
// have left half done, and elects leaders where there are none.
//
// Thread-compatible: owned by the Raft loop; calls and quorum events come there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/rpc.h"
#include "controller/broker_leases.h"
#include "controller/cluster_control.h"
#include "controller/config_control.h"
#include "controller/controller_config.h"
#include "controller/replication_control.h"
#include "controller/topic_control.h"
#include "controller/write_path.h"
#include "raft/metadata_quorum.h"

namespace quorate {

class QuorumController final : public MetadataListener {
 public:
  // Registers as a listener of `quorum`, which, with the other pointers, outlives this (the
  // quorum calls nothing after it stopped).
  QuorumController(ControllerConfig config, EventLoop* loop, Random* random,
                   MetadataQuorum* quorum);
  ~QuorumController() override;
  QuorumController(const QuorumController&) = delete;
  QuorumController& operator=(const QuorumController&) = delete;

  // Begins with a state that was loaded from a store: the first committed batch follows it. Call
  // at most once, before the quorum starts.
  void Restore(const MetadataImage& image) { writes_.Restore(image); }

  // Serves the "Controller.*" methods on the loop. Calls that come after this object is gone
  // are dropped.
  void RegisterMethods(RpcServer* server);

  void OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) override;
  void OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) override;
  void OnLeaderChange(const QuorumLeader& leader) override;
  void OnBecomeActive(Term term) override;

  bool active() const { return writes_.active(); }
  const MetadataImage& committed() const { return writes_.committed(); }
  const MetadataImage& speculative() const { return writes_.speculative(); }
  const PartitionLookup& partition_lookup() const { return writes_.lookup(); }
  // Not OK once a committed record could not be replayed: this controller never is active again.
  const absl::Status& failure() const { return failure_; }

 private:
  friend class ControllerService;  // controller_service.cc: the calls

  void OnBrokerLost(NodeId broker, BrokerEpoch epoch, BrokerLeases::Reason reason);
  void SchedulePreferredElection();
  void ElectPreferred(Term term);
  void Resign(const std::string& why);
  // An operation of the controller's own: nobody waits for it.
  void CommitOwn(ChangeSet changes, const std::string& trigger, const std::string& reason);

  const ControllerConfig config_;
  EventLoop* const loop_;
  Random* const random_;
  MetadataQuorum* const quorum_;
  WritePath writes_;
  // The newest AlterPartition of each broker's process that was seen; kept from term to term.
  struct LastProposal {
    BrokerEpoch epoch = kNoBrokerEpoch;
    int64_t sequence = 0;
  };
  std::map<NodeId, LastProposal> last_proposals_;
  ReplicationControl replication_;
  ClusterControl cluster_;
  TopicControl topics_;
  ConfigControl configs_;
  BrokerLeases leases_;
  absl::Status failure_;
  NodeId predecessor_ = kNoNode;  // the last other node known to have led the quorum
  TimerId preferred_timer_ = TimerId::kNone;
  std::shared_ptr<bool> alive_;  // false once destroyed, for timers and calls still under way
};

}  // namespace quorate
