#include "controller/controller_service.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"
#include "proto/quorate/raft.pb.h"
#include "raft/raft_status.h"

namespace quorate {
namespace {

using kafka::KafkaError;

template <typename Response>
auto SetLogIndex(Response* response, LogIndex index, int)
    -> decltype(response->set_log_index(0), void()) {
  response->set_log_index(index.value());
}
template <typename Response>
void SetLogIndex(Response*, LogIndex, long) {}

// Scenarios B6 and F4.
template <typename Response>
bool AnswersTooEarly(const ControllerBugSwitches& bugs) {
  return (bugs.answer_isr_before_commit && std::is_same_v<Response, pb::AlterPartitionResponse>) ||
         (bugs.answer_producer_ids_before_commit &&
          std::is_same_v<Response, pb::AllocateProducerIdsResponse>);
}

std::string Count(int n, const char* what) {
  return absl::StrFormat("%d %s%s", n, what, n == 1 ? "" : "s");
}

// "a, b and 3 more"
template <typename Items>
std::string Names(const Items& items) {
  std::string out;
  for (int i = 0; i < items.size() && i < 3; ++i) out += (i > 0 ? ", " : "") + items[i].name();
  if (items.size() > 3) out += absl::StrFormat(" and %d more", items.size() - 3);
  return out;
}

}  // namespace

const std::vector<std::string>& ControllerService::Methods() {
  static const auto* methods =
      new std::vector<std::string>{"Controller.RegisterBroker",      "Controller.Session",
                                   "Controller.Heartbeat",           "Controller.AlterPartition",
                                   "Controller.AllocateProducerIds", "Controller.CreateTopics",
                                   "Controller.DeleteTopics",        "Controller.CreatePartitions",
                                   "Controller.AlterConfigs",        "Controller.DescribeQuorum",
                                   "Controller.ChangeVoters"};
  return *methods;
}

void ControllerService::Serve(const std::string& method, std::unique_ptr<RpcCall> call) {
  using Method = void (ControllerService::*)(std::unique_ptr<RpcCall>);
  static const auto* table = new std::map<std::string, Method>{
      {"Controller.RegisterBroker", &ControllerService::RegisterBroker},
      {"Controller.Session", &ControllerService::Session},
      {"Controller.Heartbeat", &ControllerService::Heartbeat},
      {"Controller.AlterPartition", &ControllerService::AlterPartition},
      {"Controller.AllocateProducerIds", &ControllerService::AllocateProducerIds},
      {"Controller.CreateTopics", &ControllerService::CreateTopics},
      {"Controller.DeleteTopics", &ControllerService::DeleteTopics},
      {"Controller.CreatePartitions", &ControllerService::CreatePartitions},
      {"Controller.AlterConfigs", &ControllerService::AlterConfigs},
      {"Controller.DescribeQuorum", &ControllerService::DescribeQuorum},
      {"Controller.ChangeVoters", &ControllerService::ChangeVoters}};
  (this->*table->at(method))(std::move(call));
}

namespace {

KafkaError VoterErrorFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return KafkaError::kVoterNotFound;
    case absl::StatusCode::kAlreadyExists:
      return KafkaError::kDuplicateVoter;
    case absl::StatusCode::kFailedPrecondition:
      return KafkaError::kUnsupportedVersion;  // of the feature kraft.version
    case absl::StatusCode::kInvalidArgument:
      return KafkaError::kInvalidRequest;
    default:
      return KafkaError::kRequestTimedOut;
  }
}

}  // namespace

void ControllerService::FillHeader(const absl::Status& status, pb::ControllerHeader* header) const {
  const QuorumLeader leader = c_.quorum_->leader();
  header->set_leader_id(leader.leader.value());
  header->set_term(leader.term.value());
  if (status.ok()) return;
  header->set_error(kafka::Code(kafka::ErrorFor(status)));
  header->set_error_message(std::string(status.message()));
}

std::string ControllerService::SessionAnswer(int error, const std::string& message) const {
  pb::SessionResponse response;
  FillHeader(absl::OkStatus(), response.mutable_header());
  response.mutable_header()->set_error(error);
  response.mutable_header()->set_error_message(message);
  return response.SerializeAsString();
}

Cause ControllerService::CauseOf(const pb::CallerHeader& caller, const std::string& trigger,
                                 const std::string& reason) const {
  Cause cause;
  cause.trigger = trigger;
  cause.principal = !caller.principal().empty() ? caller.principal()
                    : caller.broker_id() >= 0   ? absl::StrFormat("broker:%d", caller.broker_id())
                                                : std::string("tool");
  cause.broker = NodeId(caller.broker_id());
  cause.client_id = caller.client_id();
  cause.request_id = caller.request_id();
  cause.reason = reason;
  return cause;
}

template <typename Response>
void ControllerService::Refuse(std::unique_ptr<RpcCall> call, const absl::Status& status) {
  Response response;
  FillHeader(status, response.mutable_header());
  call->Reply(response.SerializeAsString());
}

template <typename Response, typename Request>
bool ControllerService::Admit(std::unique_ptr<RpcCall>* call, Guard guard, Request* request) {
  const std::string_view bytes = (*call)->request();
  if (!request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    (*call)->Fail(absl::InvalidArgumentError("the request does not parse"));
    return false;
  }
  absl::Status status;
  if (!c_.active() || BUGGIFY("controller.refuse_as_inactive", 0.005)) {
    status = kafka::KafkaStatus(
        KafkaError::kNotController,
        absl::StrFormat("controller %d is not active", c_.config_.node_id.value()));
  } else if (guard == Guard::kBroker) {
    status = c_.cluster_.EpochGuard(c_.speculative(), request->caller());
  } else if (guard == Guard::kClient && (c_.writes_.waiting() >= c_.config_.max_waiting ||
                                         BUGGIFY("controller.refuse_as_full", 0.1))) {
    status =
        kafka::KafkaStatus(KafkaError::kRequestTimedOut,
                           absl::StrFormat("%d operations wait for the metadata quorum already",
                                           c_.writes_.waiting()));
  } else if (guard == Guard::kClient) {
    status = c_.cluster_.ClientGuard(c_.speculative(), request->caller());
  }
  if (status.ok()) return true;
  Refuse<Response>(std::move(*call), status);
  return false;
}

template <typename Response>
void ControllerService::CommitAndReply(ChangeSet changes, const Cause& cause, bool validate_only,
                                       Response response, std::unique_ptr<RpcCall> call) {
  if (validate_only) {
    FillHeader(absl::OkStatus(), response.mutable_header());
    call->Reply(response.SerializeAsString());
    return;
  }
  if (AnswersTooEarly<Response>(c_.config_.bugs)) {
    FillHeader(absl::OkStatus(), response.mutable_header());
    SetLogIndex(&response, c_.quorum_->log_end_index(), 0);
    call->Reply(response.SerializeAsString());
    c_.writes_.Commit(std::move(changes), cause, [](absl::StatusOr<LogIndex>) {});
    return;
  }
  c_.writes_.Commit(std::move(changes), cause,
                    [controller = &c_, response = std::move(response),
                     call = std::move(call)](absl::StatusOr<LogIndex> result) mutable {
                      ControllerService service(controller);
                      if (!result.ok()) {
                        service.Refuse<Response>(std::move(call), result.status());
                        return;
                      }
                      FAILPOINT("controller.before_reply");
                      service.FillHeader(absl::OkStatus(), response.mutable_header());
                      SetLogIndex(&response, *result, 0);
                      call->Reply(response.SerializeAsString());
                    });
}

void ControllerService::RegisterBroker(std::unique_ptr<RpcCall> call) {
  using Response = pb::RegisterBrokerResponse;
  pb::RegisterBrokerRequest request;
  if (!Admit<Response>(&call, Guard::kNone, &request)) return;
  const NodeId id(request.caller().broker_id());
  const BrokerImage* old = c_.speculative().FindBroker(id);
  const bool alive = old != nullptr && c_.leases_.IsAlive(id, old->epoch);
  ChangeSet changes = c_.writes_.Begin();
  const auto epoch = c_.cluster_.Register(request, alive, &changes);
  if (!epoch.ok()) return Refuse<Response>(std::move(call), epoch.status());
  c_.leases_.Touch(id, *epoch);
  Response response;
  response.set_broker_epoch(epoch->value());
  const Cause cause =
      CauseOf(request.caller(), "RegisterBroker", absl::StrFormat("broker %d started", id.value()));
  CommitAndReply(std::move(changes), cause, false, std::move(response), std::move(call));
}

void ControllerService::Session(std::unique_ptr<RpcCall> call) {
  pb::SessionRequest request;
  if (!Admit<pb::SessionResponse>(&call, Guard::kBroker, &request)) return;
  c_.leases_.OpenSession(NodeId(request.caller().broker_id()),
                         BrokerEpoch(request.caller().broker_epoch()), std::move(call));
}

void ControllerService::Heartbeat(std::unique_ptr<RpcCall> call) {
  using Response = pb::HeartbeatResponse;
  pb::HeartbeatRequest request;
  if (!Admit<Response>(&call, Guard::kBroker, &request)) return;
  const NodeId id(request.caller().broker_id());
  const BrokerEpoch epoch(request.caller().broker_epoch());
  c_.leases_.Touch(id, epoch);
  const BrokerImage broker = *c_.speculative().FindBroker(id);
  const bool knows_itself = request.applied_index() > epoch.value();
  ChangeSet changes = c_.writes_.Begin();
  std::string reason;
  if (request.want_fence() && !broker.fenced) {
    c_.cluster_.Fence(id, &changes);
    reason = absl::StrFormat("broker %d asked to be fenced", id.value());
  } else if (request.want_shutdown()) {
    c_.cluster_.BeginShutdown(id, &changes);
    reason = absl::StrFormat("broker %d is about to stop", id.value());
  } else if (broker.fenced && !request.want_fence() && !broker.in_controlled_shutdown &&
             knows_itself) {
    c_.cluster_.Unfence(id, &changes);
    reason = absl::StrFormat("broker %d has caught up", id.value());
  }
  const auto fill = [](const MetadataImage& image, NodeId id, BrokerEpoch epoch, int64_t applied,
                       Response* response) {
    const BrokerImage* now = image.FindBroker(id);
    const bool current = now != nullptr && now->epoch == epoch;
    response->set_is_caught_up(applied > epoch.value());
    response->set_is_fenced(!current || now->fenced);
    // What was moved off it is committed when its flag is.
    response->set_should_shutdown(current && now->in_controlled_shutdown);
  };
  if (changes.empty()) {
    Response response;
    fill(c_.committed(), id, epoch, request.applied_index(), &response);
    FillHeader(absl::OkStatus(), response.mutable_header());
    call->Reply(response.SerializeAsString());
    return;
  }
  c_.writes_.Commit(std::move(changes), CauseOf(request.caller(), "Heartbeat", reason),
                    [controller = &c_, fill, id, epoch, applied = request.applied_index(),
                     call = std::move(call)](absl::StatusOr<LogIndex> result) mutable {
                      ControllerService service(controller);
                      if (!result.ok()) {
                        service.Refuse<Response>(std::move(call), result.status());
                        return;
                      }
                      Response response;
                      fill(controller->committed(), id, epoch, applied, &response);
                      service.FillHeader(absl::OkStatus(), response.mutable_header());
                      call->Reply(response.SerializeAsString());
                    });
}

bool ControllerService::IsNewProposal(const pb::CallerHeader& caller, int64_t sequence) {
  if (sequence == 0) return true;
  QuorumController::LastProposal& last = c_.last_proposals_[NodeId(caller.broker_id())];
  const BrokerEpoch epoch(caller.broker_epoch());
  if (last.epoch == epoch && sequence <= last.sequence) return false;
  last = {epoch, sequence};
  return true;
}

void ControllerService::AlterPartition(std::unique_ptr<RpcCall> call) {
  using Response = pb::AlterPartitionResponse;
  pb::AlterPartitionRequest request;
  if (!Admit<Response>(&call, Guard::kBroker, &request)) return;
  if (!IsNewProposal(request.caller(), request.sequence())) {
    return Refuse<Response>(std::move(call),
                            KafkaStatus(KafkaError::kRequestTimedOut,
                                        "a copy of an AlterPartition that was answered before"));
  }
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  c_.replication_.AlterPartitions(request, &changes, &response);
  const Cause cause = CauseOf(
      request.caller(), "AlterPartition",
      absl::StrFormat("leader %d changed the in-sync replicas of %s", request.caller().broker_id(),
                      Count(request.partitions_size(), "partition")));
  CommitAndReply(std::move(changes), cause, false, std::move(response), std::move(call));
}

void ControllerService::AllocateProducerIds(std::unique_ptr<RpcCall> call) {
  using Response = pb::AllocateProducerIdsResponse;
  pb::AllocateProducerIdsRequest request;
  if (!Admit<Response>(&call, Guard::kBroker, &request)) return;
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  const int32_t count =
      BUGGIFY("controller.producer_id_block_1", 0.9) ? 1 : c_.config_.producer_id_block;
  response.set_first(c_.cluster_.AllocateProducerIds(request.caller(), count, &changes).value());
  response.set_count(count);
  const Cause cause =
      CauseOf(request.caller(), "AllocateProducerIds",
              absl::StrFormat("broker %d needs producer ids", request.caller().broker_id()));
  CommitAndReply(std::move(changes), cause, false, std::move(response), std::move(call));
}

void ControllerService::CreateTopics(std::unique_ptr<RpcCall> call) {
  using Response = pb::CreateTopicsResponse;
  pb::CreateTopicsRequest request;
  if (!Admit<Response>(&call, Guard::kClient, &request)) return;
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  c_.topics_.Create(request, &changes, &response);
  const Cause cause = CauseOf(
      request.caller(), "CreateTopics",
      (request.automatic() ? "created on first use: " : "asked for: ") + Names(request.topics()));
  CommitAndReply(std::move(changes), cause, request.validate_only(), std::move(response),
                 std::move(call));
}

void ControllerService::DeleteTopics(std::unique_ptr<RpcCall> call) {
  using Response = pb::DeleteTopicsResponse;
  pb::DeleteTopicsRequest request;
  if (!Admit<Response>(&call, Guard::kClient, &request)) return;
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  c_.topics_.Delete(request, &changes, &response);
  const Cause cause =
      CauseOf(request.caller(), "DeleteTopics", "asked for: " + Names(response.topics()));
  CommitAndReply(std::move(changes), cause, false, std::move(response), std::move(call));
}

void ControllerService::CreatePartitions(std::unique_ptr<RpcCall> call) {
  using Response = pb::CreatePartitionsResponse;
  pb::CreatePartitionsRequest request;
  if (!Admit<Response>(&call, Guard::kClient, &request)) return;
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  c_.topics_.AddPartitions(request, &changes, &response);
  const Cause cause =
      CauseOf(request.caller(), "CreatePartitions", "asked for: " + Names(request.topics()));
  CommitAndReply(std::move(changes), cause, request.validate_only(), std::move(response),
                 std::move(call));
}

void ControllerService::AlterConfigs(std::unique_ptr<RpcCall> call) {
  using Response = pb::AlterConfigsResponse;
  pb::AlterConfigsRequest request;
  if (!Admit<Response>(&call, Guard::kClient, &request)) return;
  ChangeSet changes = c_.writes_.Begin();
  Response response;
  c_.configs_.Alter(request, &changes, &response);
  const Cause cause = CauseOf(request.caller(), "IncrementalAlterConfigs",
                              "asked for: " + Names(request.resources()));
  CommitAndReply(std::move(changes), cause, request.validate_only(), std::move(response),
                 std::move(call));
}

void ControllerService::DescribeQuorum(std::unique_ptr<RpcCall> call) {
  using Response = pb::DescribeQuorumResponse;
  pb::DescribeQuorumRequest request;
  if (!Admit<Response>(&call, Guard::kNone, &request)) return;
  // A leader that was replaced while it stood still must not describe the past (scenario C17).
  auto shared = std::make_shared<std::unique_ptr<RpcCall>>(std::move(call));
  c_.quorum_->ConfirmLeadership(
      [controller = &c_, alive = c_.alive_, shared](const absl::Status& confirmed) {
        if (*alive) ControllerService(controller).DescribeQuorumNow(confirmed, std::move(*shared));
      });
}

void ControllerService::DescribeQuorumNow(const absl::Status& confirmed,
                                          std::unique_ptr<RpcCall> call) {
  using Response = pb::DescribeQuorumResponse;
  const QuorumStatus status = c_.quorum_->Status();
  if (!confirmed.ok() || status.leader != c_.config_.node_id) {
    // The quorum has resigned already; this controller is about to hear of it.
    Refuse<Response>(std::move(call), kafka::KafkaStatus(KafkaError::kNotController,
                                                         "this controller has just resigned"));
    return;
  }
  Response response;
  FillHeader(absl::OkStatus(), response.mutable_header());
  response.mutable_status()->set_cluster_id(c_.config_.cluster_id);
  ToProto(status, response.mutable_status());
  response.set_wall_time_ms(c_.loop_->clock().WallNow());
  call->Reply(response.SerializeAsString());
}

void ControllerService::ChangeVoters(std::unique_ptr<RpcCall> call) {
  using Response = pb::AdminChangeVotersResponse;
  pb::AdminChangeVotersRequest request;
  if (!Admit<Response>(&call, Guard::kNone, &request)) return;
  const std::string& cluster = request.change().cluster_id();
  if (!cluster.empty() && cluster != c_.config_.cluster_id) {
    return Refuse<Response>(
        std::move(call), kafka::KafkaStatus(KafkaError::kInconsistentClusterId,
                                            "the request is for cluster " + cluster + ", this is " +
                                                c_.config_.cluster_id));
  }
  absl::StatusOr<VoterChange> change = FromProto(request.change());
  if (!change.ok()) return Refuse<Response>(std::move(call), change.status());
  change->passed_on = true;  // what this controller cannot do the caller asks of the next one
  auto shared = std::make_shared<std::unique_ptr<RpcCall>>(std::move(call));
  c_.quorum_->ChangeVoters(*std::move(change), [controller = &c_, alive = c_.alive_,
                                                shared](const absl::Status& status) {
    if (!*alive) return;
    ControllerService service(controller);
    if (!status.ok()) {
      return service.Refuse<Response>(
          std::move(*shared),
          kafka::KafkaStatus(VoterErrorFor(status), std::string(status.message())));
    }
    Response response;
    service.FillHeader(absl::OkStatus(), response.mutable_header());
    (*shared)->Reply(response.SerializeAsString());
  });
}

}  // namespace quorate
