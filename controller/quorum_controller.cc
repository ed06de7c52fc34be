#include "controller/quorum_controller.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "controller/controller_service.h"
#include "controller/image/image_records.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;

absl::Status NotController(const std::string& why) {
  return kafka::KafkaStatus(KafkaError::kNotController, why);
}

}  // namespace

QuorumController::QuorumController(ControllerConfig config, EventLoop* loop, Random* random,
                                   MetadataQuorum* quorum)
    : config_(std::move(config)),
      loop_(loop),
      random_(random),
      quorum_(quorum),
      writes_(quorum),
      replication_(&config_, &writes_.lookup()),
      cluster_(&config_, &replication_),
      topics_(&config_, random, quorum->max_batch_bytes()),
      configs_(&replication_),
      leases_(
          loop, config_.lease, config_.session_grace,
          [this](NodeId broker, BrokerEpoch epoch, BrokerLeases::Reason reason) {
            OnBrokerLost(broker, epoch, reason);
          },
          [this](int error, const std::string& message) {
            return ControllerService(this).SessionAnswer(error, message);
          }),
      alive_(std::make_shared<bool>(true)) {
  quorum_->AddListener(this);
}

QuorumController::~QuorumController() { *alive_ = false; }

void QuorumController::RegisterMethods(RpcServer* server) {
  for (const std::string& method : ControllerService::Methods()) {
    server->Register(method, loop_, [this, alive = alive_, method](std::unique_ptr<RpcCall> call) {
      if (*alive) ControllerService(this).Serve(method, std::move(call));
    });
  }
}

void QuorumController::OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) {
  const absl::Status status = writes_.OnCommit(batches);
  if (status.ok() || !failure_.ok()) return;
  failure_ = status;
  LOG(ERROR) << "The controller cannot follow the metadata log and stays out of office: "
             << status.message();
  Resign("this controller cannot follow the metadata log");
}

void QuorumController::OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) {
  absl::StatusOr<MetadataImage> image =
      ImageOfRecords(snapshot->end, snapshot->term, snapshot->records);
  if (!image.ok()) {
    failure_ = image.status();
    LOG(ERROR) << "The controller cannot follow the metadata log and stays out of office: "
               << failure_.message();
    return;
  }
  failure_ = absl::OkStatus();
  writes_.LoadSnapshot(*std::move(image));
}

void QuorumController::OnLeaderChange(const QuorumLeader& leader) {
  if (leader.leader != kNoNode && leader.leader != config_.node_id) predecessor_ = leader.leader;
  if (active() && leader.leader == config_.node_id && leader.term == writes_.term()) return;
  Resign(
      absl::StrFormat("controller %d does not lead the quorum any more", config_.node_id.value()));
}

void QuorumController::Resign(const std::string& why) {
  loop_->Cancel(std::exchange(preferred_timer_, TimerId::kNone));
  if (!active()) return;
  LOG(INFO) << "Controller " << config_.node_id << " is not active any more: " << why;
  const absl::Status status = NotController(why);
  writes_.Deactivate(status);
  leases_.Clear(kafka::Code(KafkaError::kNotController), why);
}

void QuorumController::OnBecomeActive(Term term) {
  if (!failure_.ok()) return;
  Resign("a new term begins");
  LOG(INFO) << "Controller " << config_.node_id << " is active in term " << term << " with "
            << committed().brokers().size() << " brokers, " << committed().topics().size()
            << " topics, at index " << committed().index();
  writes_.Activate(term);
  for (const auto& [id, broker] : committed().brokers()) {
    if (broker.fenced) continue;
    const bool suspect = id == predecessor_;
    leases_.Presume(id, broker.epoch,
                    suspect ? config_.predecessor_lease : config_.activation_lease,
                    config_.believed_unheard);
  }
  ChangeSet changes = writes_.Begin();
  cluster_.FinishRemovals(&changes);
  replication_.ConfigsChanged(nullptr, &changes);
  if (!changes.empty()) {
    CommitOwn(std::move(changes), "controller-activated",
              "a new controller finished what was left half done and elected leaders");
  }
  SchedulePreferredElection();
}

void QuorumController::OnBrokerLost(NodeId id, BrokerEpoch epoch, BrokerLeases::Reason reason) {
  if (!active()) return;
  const BrokerImage* broker = speculative().FindBroker(id);
  if (broker == nullptr || broker->epoch != epoch || broker->fenced) return;
  const bool broken = reason == BrokerLeases::Reason::kSessionBroken;
  const std::string why = absl::StrFormat(
      broken ? "broker %d's session broke" : "broker %d's lease ran out: it was silent",
      id.value());
  LOG(INFO) << "Fencing broker " << id << ", epoch " << epoch << ": " << why;
  ChangeSet changes = writes_.Begin();
  cluster_.Fence(id, &changes);
  CommitOwn(std::move(changes), broken ? "broker-session-broken" : "broker-lease-expired", why);
}

void QuorumController::CommitOwn(ChangeSet changes, const std::string& trigger,
                                 const std::string& reason) {
  Cause cause;
  cause.trigger = trigger;
  cause.principal = absl::StrFormat("controller:%d", config_.node_id.value());
  cause.reason = reason;
  writes_.Commit(std::move(changes), cause, [trigger](absl::StatusOr<LogIndex> result) {
    // Deposed: the next controller sees the same state and decides the same.
    if (!result.ok()) LOG(WARNING) << trigger << ": " << result.status().message();
  });
}

void QuorumController::SchedulePreferredElection() {
  if (config_.preferred_leader_interval <= Micros::zero()) return;
  const Micros interval = BUGGIFY("controller.elect_preferred_soon", 0.3)
                              ? Micros(Millis(100))
                              : config_.preferred_leader_interval;
  preferred_timer_ = loop_->RunAfter(interval, [this, alive = alive_, term = writes_.term()] {
    if (*alive) ElectPreferred(term);
  });
}

void QuorumController::ElectPreferred(Term term) {
  if (!active() || writes_.term() != term) return;
  preferred_timer_ = TimerId::kNone;
  if (!partition_lookup().not_preferred().empty()) {
    ChangeSet changes = writes_.Begin();
    replication_.ElectPreferred(config_.preferred_leaders_per_round, &changes);
    if (!changes.empty()) {
      CommitOwn(std::move(changes), "preferred-leader-election",
                "preferred replicas that are in sync again take their leadership back");
    }
  }
  SchedulePreferredElection();
}

}  // namespace quorate
