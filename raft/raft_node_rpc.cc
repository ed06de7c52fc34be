// Messages in and out. Part of RaftNode (raft_node.h).
#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "proto/quorate/raft.pb.h"
#include "raft/raft_node.h"
#include "raft/raft_wire.h"

namespace quorate {
namespace {

constexpr char kVote[] = "Raft.Vote";
constexpr char kFetch[] = "Raft.Fetch";
constexpr char kBeginTerm[] = "Raft.BeginTerm";
constexpr char kEndTerm[] = "Raft.EndTerm";
constexpr char kFetchSnapshot[] = "Raft.FetchSnapshot";
constexpr char kStatus[] = "Raft.Status";
// A peer may ask for less; more would hold the loop up.
constexpr int32_t kMaxFetchBytes = 8 << 20;

// Answers that carry bytes the core does not see; a node waits for one of them at a time.
template <typename Message>
constexpr bool kIsFetch = std::is_same_v<Message, raft::FetchResponse> ||
                          std::is_same_v<Message, raft::FetchSnapshotResponse>;

}  // namespace

// --- In ---

void RaftNode::RegisterMethods() {
  RegisterMethod<raft::VoteRequest>(kVote);
  RegisterMethod<raft::FetchRequest>(kFetch);
  RegisterMethod<raft::BeginTermRequest>(kBeginTerm);
  RegisterMethod<raft::EndTermRequest>(kEndTerm);
  RegisterChangeVoters();
  RegisterMethod<raft::FetchSnapshotRequest>(kFetchSnapshot);
  env_.server->Register(kStatus, env_.loop, Guarded([this](std::unique_ptr<RpcCall> call) {
                          AnswerStatus(std::move(call));
                        }));
}

template <typename Message>
void RaftNode::RegisterMethod(const char* method) {
  env_.server->Register(method, env_.loop, Guarded([this](std::unique_ptr<RpcCall> call) {
                          if (!started_ || failed_)
                            return call->Fail(absl::UnavailableError("not running"));
                          raft::Request<Message> request;
                          request.id = raft::RequestId{next_request_++};
                          const absl::Status parsed =
                              Parse(call->request(), config_.cluster_id, &request.message);
                          if (!parsed.ok()) {
                            if constexpr (std::is_same_v<Message, raft::FetchRequest>) {
                              if (absl::IsFailedPrecondition(parsed)) {
                                raft::FetchResponse refusal;
                                refusal.outcome = raft::FetchOutcome::kWrongCluster;
                                return call->Reply(Serialise(refusal, {}));
                              }
                            }
                            return call->Fail(parsed);
                          }
                          if constexpr (std::is_same_v<Message, raft::FetchRequest>) {
                            // Later, as the call must not be destroyed inside its own callback.
                            call->OnBroken(Guarded([this, id = request.id] {
                              env_.loop->Post(Guarded([this, id] {
                                if (calls_.erase(id) > 0)
                                  Enqueue({raft::FetchBroken{id}, SharedBytes()});
                              }));
                            }));
                          }
                          if constexpr (std::is_same_v<Message, raft::BeginTermRequest>) {
                            const raft::BeginTermRequest& begin = request.message;
                            LearnEndpoint(begin.leader, begin.term, begin.leader_endpoint);
                          }
                          calls_[request.id] = std::move(call);
                          Enqueue({std::move(request), SharedBytes()});
                        }));
}

void RaftNode::Answer(const raft::Reply& reply) {
  const auto it = calls_.find(reply.id);
  if (it == calls_.end()) return;  // the caller is gone
  if (const auto* piece = std::get_if<raft::SnapshotAnswer>(&reply.message)) {
    return AnswerWithPiece(reply.id, *piece);
  }
  const std::unique_ptr<RpcCall> call = std::move(it->second);
  calls_.erase(it);
  std::visit(
      [&](const auto& message) {
        using M = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<M, raft::FetchAnswer>) {
          call->Reply(FetchBytes(message));
        } else if constexpr (std::is_same_v<M, raft::VoteResponse>) {
          raft::VoteResponse with_address = message;
          if (message.leader != kNoNode) with_address.leader_endpoint = EndpointOf(message.leader);
          call->Reply(Serialise(with_address));
        } else if constexpr (!std::is_same_v<M, raft::SnapshotAnswer>) {
          call->Reply(Serialise(message));
        }
      },
      reply.message);
}

std::string RaftNode::FetchBytes(const raft::FetchAnswer& answer) {
  std::string batches;
  if (answer.with_records && !BUGGIFY("raft.fetch_answer_empty", 0.01)) {
    // All of it, committed or not: followers have to hold it before it can be committed.
    auto read = log_->Read(
        Offset(answer.fetch_index.value()), log_->end_offset(),
        BUGGIFY("raft.fetch_one_byte", 0.1) ? 1 : std::clamp(answer.max_bytes, 1, kMaxFetchBytes),
        true);
    absl::StatusOr<std::string> bytes =
        read.ok() ? read->ToBytes() : absl::StatusOr<std::string>(read.status());
    if (bytes.ok()) {
      batches = *std::move(bytes);
    } else {
      // The answer goes out without records; the follower's next fetch tries again.
      LOG(ERROR) << directory_ << ": cannot read at " << answer.fetch_index << ": "
                 << bytes.status();
    }
  }
  // Who follows knows where its leader is.
  if (answer.response.outcome != raft::FetchOutcome::kNotLeader && answer.max_bytes > 0)
    return Serialise(answer.response, batches);
  raft::FetchResponse with_address = answer.response;
  if (with_address.leader != kNoNode)
    with_address.leader_endpoint = EndpointOf(with_address.leader);
  return Serialise(with_address, batches);
}

void RaftNode::AnswerStatus(std::unique_ptr<RpcCall> call) {
  pb::QuorumStatusRequest request;
  const std::string_view bytes = call->request();
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return call->Fail(absl::InvalidArgumentError("malformed QuorumStatusRequest"));
  }
  if (!request.cluster_id().empty() && request.cluster_id() != config_.cluster_id) {
    return call->Fail(absl::FailedPreconditionError("another cluster"));
  }
  pb::QuorumStatusResponse response;
  response.set_cluster_id(config_.cluster_id);
  ToProto(Status(), &response);
  call->Reply(response.SerializeAsString());
}

// --- Out ---

void RaftNode::Send(const raft::OutgoingRequest& request) {
  const std::string& cluster = config_.cluster_id;
  if (const auto* vote = std::get_if<raft::VoteRequest>(&request.message)) {
    SendCall<raft::VoteResponse>(request, kVote, Serialise(*vote, cluster),
                                 config_.election_timeout);
  } else if (const auto* begin = std::get_if<raft::BeginTermRequest>(&request.message)) {
    raft::BeginTermRequest with_address = *begin;
    with_address.leader_endpoint = EndpointOf(config_.node_id);
    SendCall<raft::BeginTermResponse>(request, kBeginTerm, Serialise(with_address, cluster),
                                      config_.fetch_timeout);
  } else if (const auto* end = std::get_if<raft::EndTermRequest>(&request.message)) {
    SendCall<raft::EndTermResponse>(request, kEndTerm, Serialise(*end, cluster),
                                    config_.election_timeout);
  } else if (const auto* piece = std::get_if<raft::FetchSnapshotRequest>(&request.message)) {
    SendCall<raft::FetchSnapshotResponse>(request, kFetchSnapshot, Serialise(*piece, cluster),
                                          config_.fetch_timeout);
  } else {
    const auto& fetch = std::get<raft::FetchRequest>(request.message);
    SendCall<raft::FetchResponse>(request, kFetch, Serialise(fetch, cluster),
                                  config_.fetch_wait + config_.fetch_timeout);
  }
}

template <typename ResponseMessage>
void RaftNode::SendCall(const raft::OutgoingRequest& request, const char* method, std::string bytes,
                        Micros timeout) {
  const raft::CallId call = request.call;
  const NodeId to = request.to;
  const Endpoint endpoint = EndpointOf(to);
  if (endpoint.host.empty()) {  // as good as one that cannot be reached
    env_.loop->Post(Guarded([this, call, to] {
      Enqueue({raft::CallFailed{call, to}, SharedBytes()});
    }));
    return;
  }
  if (BUGGIFY("raft.call_time_out_early", 0.01)) timeout = Millis(2);
  const RpcCallId rpc = env_.client->Call(
      endpoint, method, std::move(bytes), timeout, env_.loop,
      Guarded([this, call, to](absl::StatusOr<std::string> response) {
        outgoing_.erase(call);
        if (fetch_call_ == call) fetch_call_.reset();
        raft::Response<ResponseMessage> event{call, to, {}};
        SharedBytes batches;
        absl::Status parsed = response.status();
        if (BUGGIFY("raft.lose_answer", 0.005)) {
          parsed = absl::UnavailableError("the answer was lost");
        }
        if (parsed.ok()) {
          if constexpr (kIsFetch<ResponseMessage>) {
            parsed = Parse(*response, &event.message, &batches);
          } else {
            parsed = Parse(*response, &event.message);
          }
          if (!parsed.ok()) LogPeer(to, "sent what cannot be used", parsed);
        } else if (absl::IsFailedPrecondition(parsed)) {
          LogPeer(to, "refuses", parsed);
        }
        if (parsed.ok()) {
          using M = ResponseMessage;
          if constexpr (std::is_same_v<M, raft::VoteResponse> ||
                        std::is_same_v<M, raft::FetchResponse>) {
            LearnEndpoint(event.message.leader, event.message.term, event.message.leader_endpoint);
          }
          Enqueue({std::move(event), std::move(batches)});
        } else {
          Enqueue({raft::CallFailed{call, to}, SharedBytes()});
        }
      }));
  outgoing_[call] = rpc;
  if constexpr (kIsFetch<ResponseMessage>) fetch_call_ = call;
}

void RaftNode::LogPeer(NodeId peer, const char* what, const absl::Status& status) {
  const std::optional<int64_t> suppressed = peer_log_limit_.Admit(peer, env_.loop->Now());
  if (!suppressed) return;
  std::string more;
  if (*suppressed > 0) more = absl::StrFormat(" (and %d times more before)", *suppressed);
  LOG(ERROR) << "raft node " << config_.node_id << ": node " << peer << " " << what << ": "
             << status << more;
}

void RaftNode::CancelStaleFetch() {
  if (!fetch_call_ || core_->fetch_in_flight() == fetch_call_) return;
  const auto it = outgoing_.find(*fetch_call_);
  if (it != outgoing_.end()) {
    env_.client->Cancel(it->second);
    outgoing_.erase(it);
  }
  fetch_call_.reset();
}

}  // namespace quorate
