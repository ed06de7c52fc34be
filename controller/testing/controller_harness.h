// controller/testing/controller_harness.h
//
// ControllerHarness: one quorum controller on a fake quorum and a loop whose time the test moves,
// reached through the same serialised calls as in production.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/rpc.h"
#include "controller/quorum_controller.h"
#include "controller/testing/fake_quorum.h"
#include "controller/testing/test_loop.h"
#include "proto/quorate/controller.pb.h"

namespace quorate::testing {

// What became of a call.
struct CallState {
  std::string request;
  std::optional<std::string> reply;
  absl::Status failed;
  bool dropped = false;  // destroyed without an answer
  Task on_broken;
  bool alive = true;
};

class TestRpcServer final : public RpcServer {
 public:
  void Register(std::string method, EventLoop*, Handler handler) override {
    handlers_[std::move(method)] = std::move(handler);
  }
  absl::Status Start(const Endpoint&) override { return absl::OkStatus(); }
  void Stop() override {}

  std::shared_ptr<CallState> Call(const std::string& method, std::string request);
  size_t methods() const { return handlers_.size(); }

 private:
  std::map<std::string, Handler> handlers_;
};

// An answer that may still be out.
template <typename Response>
class Answer {
 public:
  explicit Answer(std::shared_ptr<CallState> state) : state_(std::move(state)) {}
  bool done() const { return state_->reply.has_value(); }
  // REQUIRES: done().
  Response operator*() const {
    QCHECK(done());
    Response response;
    QCHECK(response.ParseFromString(*state_->reply));
    return response;
  }
  int error() const { return (**this).header().error(); }
  CallState& state() const { return *state_; }

 private:
  std::shared_ptr<CallState> state_;
};

class ControllerHarness {
 public:
  static constexpr int kSelf = 100;

  explicit ControllerHarness(ControllerConfig config = {}, uint64_t seed = 1);

  // The configuration that tests use.
  static ControllerConfig Config();

  template <typename Response, typename Request>
  Answer<Response> Call(const std::string& method, const Request& request) {
    return Answer<Response>(server.Call("Controller." + method, request.SerializeAsString()));
  }
  // The same, committed.
  template <typename Response, typename Request>
  Response Do(const std::string& method, const Request& request) {
    Answer<Response> answer = Call<Response>(method, request);
    quorum.CommitAll();
    loop.Run();
    return *answer;
  }

  pb::CallerHeader Caller(int broker) const;  // with the registered epoch

  // The process `incarnation` of broker `id`.
  pb::RegisterBrokerRequest Registration(int id, int incarnation, int64_t previous_epoch = -1,
                                         std::string rack = "") const;
  // Registers, opens a session, beats: the broker is unfenced after it.
  void StartBroker(int id, int incarnation, int64_t previous_epoch = -1, std::string rack = "");
  pb::HeartbeatResponse Beat(int id, bool want_shutdown = false);
  // The session of a broker breaks.
  void BreakSession(int id);
  // The process is gone, and the grace is over.
  void Kill(int id);

  pb::CreateTopicsResponse_Topic CreateTopic(const std::string& name, int partitions, int factor,
                                             std::map<std::string, std::string> configs = {});
  // The partition as committed. REQUIRES: it exists.
  PartitionState Partition(const std::string& topic, int partition) const;
  TopicPartition Name(const std::string& topic, int partition) const;
  // A leader's proposal with the committed epochs, of members with their registered epochs.
  pb::AlterPartitionRequest Proposal(const std::string& topic, int partition,
                                     std::vector<int> isr) const;
  // Proposed by the leader and committed; the error of the partition.
  int AlterIsr(const std::string& topic, int partition, std::vector<int> isr);
  // The cause of the last batch in the log.
  Cause LastCause() const;

  TestLoop loop;
  SeededRandom random;
  FakeQuorum quorum;
  TestRpcServer server;
  std::unique_ptr<QuorumController> controller;
  std::map<int, std::shared_ptr<CallState>> sessions;
};

}  // namespace quorate::testing
