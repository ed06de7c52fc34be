// broker/handlers/admin.h
//
// Forwarding of admin calls: to the active controller, and back to the client once this broker's
// image shows what was done, so that a following Metadata sees it.
//
// Owned by the broker's loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "broker/handlers/handler_env.h"
#include "broker/handlers/request_context.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

// The client's patience, kept within sensible bounds.
inline Micros AdminTimeout(int32_t timeout_ms) {
  return Millis(std::clamp<int64_t>(timeout_ms, 1000, 15 * 60 * 1000));
}

// Fills in who asks.
template <typename Request>
void FillCaller(const HandlerEnv& env, const RequestContext& context, Request* request) {
  auto* caller = request->mutable_caller();
  caller->set_cluster_id(env.config->cluster_id);
  caller->set_broker_id(env.config->node_id.value());
  caller->set_broker_epoch(env.broker_epoch().value());
  caller->set_principal(context.principal());
  caller->set_client_id(context.client_id());
  caller->set_request_id(context.header.correlation_id);
}

// What a client is told when the controller refuses a call as a whole: that this broker is being
// registered anew is not the client's matter, which is to try again.
inline kafka::KafkaError ErrorForClient(int32_t code) {
  const kafka::KafkaError error = kafka::ErrorFromCode(static_cast<int16_t>(code));
  const bool of_broker = error == kafka::KafkaError::kStaleBrokerEpoch ||
                         error == kafka::KafkaError::kBrokerIdNotRegistered;
  return of_broker ? kafka::KafkaError::kNotController : error;
}

// Calls `method`; `done(absl::StatusOr<Response>)` gets the answer: if it has a log_index, when the
// image has reached that or `timeout` is over (what was committed stays committed, so that is no
// error); else at once.
// ERRORS to `done`: a KafkaStatus: REQUEST_TIMED_OUT if no controller answered, NOT_CONTROLLER
// while this broker is being registered anew, else the header's.
template <typename Response, typename Request, typename F>
void Forward(const HandlerEnv& env, const RequestContext& context, std::string_view method,
             Request request, Micros timeout, F done) {
  FillCaller(env, context, &request);
  ControllerChannel::Options options;
  options.deadline = env.loop->Now() + timeout;
  env.controller->CallFor<Response>(
      method, request, options,
      [images = env.images, deadline = options.deadline,
       done = std::move(done)](absl::StatusOr<Response> response) mutable {
        if (!response.ok()) {
          const auto error = response.status().code() == absl::StatusCode::kDeadlineExceeded
                                 ? kafka::KafkaError::kRequestTimedOut
                                 : kafka::ErrorFor(response.status());
          return done(absl::StatusOr<Response>(
              kafka::KafkaStatus(error, std::string(response.status().message()))));
        }
        if (response->header().error() != 0) {
          return done(absl::StatusOr<Response>(kafka::KafkaStatus(
              ErrorForClient(response->header().error()), response->header().error_message())));
        }
        if constexpr (requires { response->log_index(); }) {
          const LogIndex index(response->log_index());
          images->WaitFor(index, deadline,
                          [response = std::move(response), done = std::move(done)](bool) mutable {
                            done(std::move(response));
                          });
        } else {
          done(std::move(response));
        }
      });
}

// The error_message field for a code: the controller's text, or nothing.
inline std::optional<std::string> MessageFor(int32_t error, const std::string& text) {
  if (error == 0 || text.empty()) return std::nullopt;
  return text;
}

}  // namespace quorate
