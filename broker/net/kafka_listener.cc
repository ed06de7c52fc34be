#include "broker/net/kafka_listener.h"

#include <glog/logging.h>

#include <utility>
#include <vector>

#include "base/check.h"

namespace quorate {
namespace {

bool IsLoopback(const std::string& host) {
  return host == "::1" || host == "localhost" || host.rfind("127.", 0) == 0;
}

}  // namespace

KafkaListener::KafkaListener(EventLoop* loop, Network* network, ListenerOptions options,
                             RequestMemory* memory, FrameHandler* handler)
    : loop_(loop),
      network_(network),
      options_(std::move(options)),
      memory_(memory),
      handler_(handler) {}

KafkaListener::~KafkaListener() {
  if (stop_timer_ != TimerId::kNone) loop_->Cancel(stop_timer_);
}

absl::Status KafkaListener::Start() {
  auto listener = network_->Listen(options_.bind,
                                   [this](std::unique_ptr<Connection> s) { Accept(std::move(s)); });
  if (!listener.ok()) return listener.status();
  listener_ = std::move(listener).value();
  local_ = listener_->local();
  LOG(INFO) << "listener " << options_.name << " is on " << local_.ToString();
  return absl::OkStatus();
}

void KafkaListener::Serve() {
  serving_ = true;
  while (!early_.empty()) {
    std::unique_ptr<Connection> stream = std::move(early_.front());
    early_.pop_front();
    Open(std::move(stream));
  }
}

void KafkaListener::Accept(std::unique_ptr<Connection> stream) {
  if (serving_) {
    Open(std::move(stream));
  } else if (early_.size() < options_.max_connections) {
    early_.push_back(std::move(stream));
  }
}

void KafkaListener::Open(std::unique_ptr<Connection> stream) {
  const std::string host = stream->peer().host;
  auto info = std::make_shared<ConnectionInfo>();
  info->listener = options_.name;
  info->internal = options_.internal;
  info->peer = stream->peer();
  info->local = stream->local();
  info->id = handler_->NewConnectionId();
  const bool full = connections_.size() >= options_.max_connections;
  const auto here = per_host_.find(host);
  const bool host_full = here != per_host_.end() && !IsLoopback(host) &&
                         here->second >= options_.max_connections_per_host;
  if (full || host_full) {
    LogClosed(*info, absl::ResourceExhaustedError(full ? "too many connections"
                                                       : "too many connections from this host"));
    return;
  }
  ++per_host_[host];
  auto connection = std::make_shared<KafkaConnection>(
      loop_, std::move(stream), info, options_.limits, memory_, handler_,
      [this](uint64_t id, const absl::Status& why) { Forget(id, why); });
  connections_.emplace(info->id, connection);
  connection->Start();
}

void KafkaListener::Forget(uint64_t id, const absl::Status& why) {
  auto found = connections_.find(id);
  QCHECK(found != connections_.end());
  const ConnectionInfo& info = found->second->connection_info();
  // Streams that break are everyday life; what the peer did wrong is worth a line.
  if (!why.ok() && why.code() != absl::StatusCode::kUnavailable) LogClosed(info, why);
  auto host = per_host_.find(info.peer.host);
  if (host != per_host_.end() && --host->second == 0) per_host_.erase(host);
  connections_.erase(found);
  MaybeFinishStop();
}

void KafkaListener::LogClosed(const ConnectionInfo& connection, const absl::Status& why) {
  const MonoTime now = loop_->Now();
  if (now < next_log_) {
    ++logs_suppressed_;
    return;
  }
  next_log_ = now + std::chrono::seconds(1);
  LOG(WARNING) << "closed " << connection.peer.ToString() << " on listener " << options_.name
               << ": " << why.message() << " (" << std::exchange(logs_suppressed_, 0)
               << " like this were not logged)";
}

void KafkaListener::Stop(Micros bound, Task done) {
  QCHECK(!stopping_);
  stopping_ = true;
  stopped_ = std::move(done);
  listener_.reset();
  early_.clear();
  std::vector<std::shared_ptr<KafkaConnection>> all;
  for (const auto& [id, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->Drain();
  if (!connections_.empty()) {
    stop_timer_ = loop_->RunAfter(bound, [this] {
      stop_timer_ = TimerId::kNone;
      std::vector<std::shared_ptr<KafkaConnection>> rest;
      for (const auto& [id, connection] : connections_) rest.push_back(connection);
      for (const auto& connection : rest) connection->Close(absl::OkStatus());
    });
  }
  MaybeFinishStop();
}

void KafkaListener::MaybeFinishStop() {
  if (!stopping_ || !connections_.empty() || !stopped_) return;
  if (stop_timer_ != TimerId::kNone) loop_->Cancel(std::exchange(stop_timer_, TimerId::kNone));
  loop_->Post(std::exchange(stopped_, nullptr));
}

}  // namespace quorate
