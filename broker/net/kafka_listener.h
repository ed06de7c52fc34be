// broker/net/kafka_listener.h
//
// KafkaListener accepts the Kafka connections of one named listener and owns them.
//
// Thread-compatible: owned by one loop.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/network.h"
#include "base/task.h"
#include "broker/net/frame_handler.h"
#include "broker/net/kafka_connection.h"
#include "broker/net/request_memory.h"

namespace quorate {

struct ListenerOptions {
  std::string name;       // "PLAINTEXT"
  bool internal = false;  // decision D3
  Endpoint bind;
  ConnectionLimits limits;
  size_t max_connections = 10000;
  size_t max_connections_per_host = 1000;  // not applied to loopback peers
};

class KafkaListener {
 public:
  // `memory` and `handler` outlive the listener.
  KafkaListener(EventLoop* loop, Network* network, ListenerOptions options, RequestMemory* memory,
                FrameHandler* handler);
  ~KafkaListener();

  // Begins to accept. Connections are served from Serve() on; until then they wait, so that
  // clients see a slow start instead of a half-ready broker. ERRORS: as Network::Listen.
  absl::Status Start();
  void Serve();

  // Accepts no more; connections close once their outstanding requests are answered, at the latest
  // after `bound`. `done` runs on the loop when all are closed. Call at most once.
  void Stop(Micros bound, Task done);

  const std::string& name() const { return options_.name; }
  // The bound endpoint. REQUIRES: Start succeeded.
  const Endpoint& local() const { return local_; }
  size_t connection_count() const { return connections_.size(); }

 private:
  void Accept(std::unique_ptr<Connection> stream);
  void Open(std::unique_ptr<Connection> stream);
  void Forget(uint64_t id, const absl::Status& why);
  void MaybeFinishStop();
  // One line per second at most; says how many were left out.
  void LogClosed(const ConnectionInfo& connection, const absl::Status& why);

  EventLoop* const loop_;
  Network* const network_;
  const ListenerOptions options_;
  RequestMemory* const memory_;
  FrameHandler* const handler_;
  std::unique_ptr<Listener> listener_;
  Endpoint local_;
  std::map<uint64_t, std::shared_ptr<KafkaConnection>> connections_;
  std::map<std::string, size_t> per_host_;
  MonoTime next_log_;
  int64_t logs_suppressed_ = 0;
  bool serving_ = false;
  std::deque<std::unique_ptr<Connection>> early_;  // accepted before Serve()
  bool stopping_ = false;
  Task stopped_;
  TimerId stop_timer_ = TimerId::kNone;
};

}  // namespace quorate
