// controller/controller_service.h
//
// ControllerService turns the "Controller.*" calls into operations of a QuorumController: parse,
// guard, compute records, commit, answer. It has no state of its own: one is made per call.
//
// Runs on the Raft loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/rpc.h"
#include "controller/image/cause.h"
#include "controller/quorum_controller.h"

namespace quorate {

namespace pb {
class CallerHeader;
class ControllerHeader;
}  // namespace pb

class ControllerService {
 public:
  explicit ControllerService(QuorumController* controller) : c_(*controller) {}

  static const std::vector<std::string>& Methods();
  // `method` is one of Methods(). A request that does not parse fails the call with
  // kInvalidArgument; every other outcome is an answer with a header.
  void Serve(const std::string& method, std::unique_ptr<RpcCall> call);

  std::string SessionAnswer(int error, const std::string& message) const;

 private:
  void RegisterBroker(std::unique_ptr<RpcCall> call);
  void Session(std::unique_ptr<RpcCall> call);
  void Heartbeat(std::unique_ptr<RpcCall> call);
  void AlterPartition(std::unique_ptr<RpcCall> call);
  void AllocateProducerIds(std::unique_ptr<RpcCall> call);
  void CreateTopics(std::unique_ptr<RpcCall> call);
  void DeleteTopics(std::unique_ptr<RpcCall> call);
  void CreatePartitions(std::unique_ptr<RpcCall> call);
  void AlterConfigs(std::unique_ptr<RpcCall> call);
  void DescribeQuorum(std::unique_ptr<RpcCall> call);
  // `confirmed`: OK if this controller led when it was asked.
  void DescribeQuorumNow(const absl::Status& confirmed, std::unique_ptr<RpcCall> call);
  void ChangeVoters(std::unique_ptr<RpcCall> call);

  // Parses the request and checks that this controller is active and, with `guard`, the caller's
  // epoch; false if the call was answered because of that.
  enum class Guard { kBroker, kClient, kNone };
  template <typename Response, typename Request>
  bool Admit(std::unique_ptr<RpcCall>* call, Guard guard, Request* request);
  template <typename Response>
  void Refuse(std::unique_ptr<RpcCall> call, const absl::Status& status);
  // Proposes `changes`, or drops them if `validate_only`; then answers with `response`, whose
  // log_index is filled if it has one.
  template <typename Response>
  void CommitAndReply(ChangeSet changes, const Cause& cause, bool validate_only, Response response,
                      std::unique_ptr<RpcCall> call);

  // Whether an AlterPartition is newer than all that this controller saw of its broker process; it
  // then is the newest.
  bool IsNewProposal(const pb::CallerHeader& caller, int64_t sequence);
  void FillHeader(const absl::Status& status, pb::ControllerHeader* header) const;
  Cause CauseOf(const pb::CallerHeader& caller, const std::string& trigger,
                const std::string& reason) const;

  QuorumController& c_;
};

}  // namespace quorate
