// broker/handlers/handler_registry.h
//
// HandlerRegistry maps API keys to handlers: it decodes header and request, runs the handler, and
// knows what to advertise, which is exactly what is registered.
//
// A handler of an API is one function in one file:
//
//   registry.Register<kafka::HeartbeatRequest, kafka::HeartbeatResponse>(
//       Listeners::kClient, [](const RequestContext& context, kafka::HeartbeatRequest request,
//                              Reply<kafka::HeartbeatResponse> reply) { ... reply.Send(...); });
//
// A request of an unknown key or version, or one that cannot be decoded, ends its connection;
// ApiVersions of an unknown version is answered in version 0 (KIP-511).
//
// Thread-compatible: owned by the connections' loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/event_loop.h"
#include "broker/handlers/request_context.h"
#include "broker/net/frame_handler.h"
#include "proto/kafka/api.h"
#include "proto/kafka/header.h"

namespace quorate {

// On which listeners an API is served.
enum class Listeners { kClient, kBoth };  // kBoth: also on the replication listener (D3)

class HandlerRegistry final : public FrameHandler {
 public:
  explicit HandlerRegistry(EventLoop* loop) : loop_(loop) {}

  // REQUIRES: no handler of that key yet.
  template <typename Request, typename Response, typename F>
  void Register(Listeners where, F handler) {
    static_assert(Request::kApiKey == Response::kApiKey);
    Add(Request::kApiKey, where,
        [handler = std::move(handler)](const RequestContext& context, kafka::Reader& in,
                                       Responder responder) {
          Request request;
          // Bytes behind the message are ignored: librdkafka 2.16 sends some behind Metadata.
          if (absl::Status read = request.Decode(in, context.version()); !read.ok()) {
            responder.Close(read);
            return;
          }
          handler(context, std::move(request),
                  Reply<Response>(std::move(responder), context.header.correlation_id,
                                  context.version()));
        });
  }

  // `observer` hears of every connection that closed, by its id.
  void OnClosed(std::function<void(uint64_t connection)> observer) {
    closed_observers_.push_back(std::move(observer));
  }

  // What a listener of that kind serves, by key.
  std::vector<kafka::ApiVersionRange> Served(bool internal) const;

  // Requests so far, by key.
  std::map<kafka::ApiKey, int64_t> request_counts() const;

  // FrameHandler
  uint64_t NewConnectionId() override { return ++last_connection_; }
  void HandleFrame(std::shared_ptr<const ConnectionInfo> connection, SharedBytes frame,
                   Responder responder) override;
  void OnConnectionClosed(const ConnectionInfo& connection) override;

 private:
  using Run = std::function<void(const RequestContext&, kafka::Reader&, Responder)>;
  struct Entry {
    Listeners where = Listeners::kClient;
    Run run;
    int64_t requests = 0;
  };
  void Add(int16_t key, Listeners where, Run run);

  EventLoop* const loop_;
  std::map<int16_t, Entry> entries_;
  std::vector<std::function<void(uint64_t)>> closed_observers_;
  uint64_t last_connection_ = 0;
};

}  // namespace quorate
