// broker/testing/fake_rpc.h
//
// FakeRpcClient keeps calls for the test to answer.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rpc.h"

namespace quorate {

class FakeRpcClient final : public RpcClient {
 public:
  struct Pending {
    Endpoint to;
    std::string method;
    std::string request;
    Micros timeout{0};
    EventLoop* loop = nullptr;
    Done done;
  };

  RpcCallId Call(const Endpoint& to, std::string_view method, std::string request, Micros timeout,
                 EventLoop* loop, Done done) override {
    const auto id = RpcCallId{++last_};
    calls.emplace(
        id, Pending{to, std::string(method), std::move(request), timeout, loop, std::move(done)});
    ++made[std::string(method)];
    return id;
  }
  void Cancel(RpcCallId id) override { calls.erase(id); }

  // The oldest open call of `method`; kNone if there is none.
  RpcCallId Find(std::string_view method) const {
    for (const auto& [id, call] : calls) {
      if (call.method == method) return id;
    }
    return RpcCallId::kNone;
  }
  // Parses its request.
  template <typename Request>
  Request RequestOf(std::string_view method) const {
    Request request;
    const RpcCallId id = Find(method);
    QCHECK(id != RpcCallId::kNone);
    QCHECK(request.ParseFromString(calls.at(id).request));
    return request;
  }
  Endpoint TargetOf(std::string_view method) const { return calls.at(Find(method)).to; }

  // Answers the oldest open call of `method`. REQUIRES: there is one.
  template <typename Response>
  void Answer(std::string_view method, const Response& response) {
    Finish(Find(method), response.SerializeAsString());
  }
  void Fail(std::string_view method, const absl::Status& status) { Finish(Find(method), status); }

  std::map<RpcCallId, Pending> calls;
  std::map<std::string, int> made;  // by method, ever

 private:
  void Finish(RpcCallId id, absl::StatusOr<std::string> result) {
    auto node = calls.extract(id);
    QCHECK(!node.empty());
    node.mapped().done(std::move(result));
  }
  uint64_t last_ = 0;
};

}  // namespace quorate
