#include "tests/sim/clients/kafka_peer.h"

#include <algorithm>
#include <chrono>

namespace quorate::sim {
namespace {

constexpr Micros kConnectTimeout = std::chrono::seconds(3);

}  // namespace

KafkaPeer::KafkaPeer(EventLoop* loop, Network* network, const Endpoint& to, std::string client_id)
    : loop_(loop), client_id_(std::move(client_id)), buffer_(16 << 10) {
  network->Connect(to, kConnectTimeout,
                   [this, alive = std::weak_ptr<bool>(alive_)](
                       absl::StatusOr<std::unique_ptr<Connection>> connection) {
                     if (!alive.expired()) OnConnected(std::move(connection));
                   });
}

KafkaPeer::~KafkaPeer() { loop_->Cancel(timer_); }

void KafkaPeer::OnConnected(absl::StatusOr<std::unique_ptr<Connection>> connection) {
  if (!connection.ok()) return Fail(connection.status());
  connection_ = *std::move(connection);
  connection_->Start(this);
  if (!unsent_.empty()) connection_->Send(std::exchange(unsent_, {}));
}

void KafkaPeer::Submit(std::vector<OutPiece> frame, Micros timeout, Done done) {
  if (broken()) {
    loop_->Post([alive = std::weak_ptr<bool>(alive_), failure = failure_,
                 done = std::move(done)]() mutable {
      if (!alive.expired()) done(failure);
    });
    return;
  }
  pending_.push_back({loop_->Now() + timeout, std::move(done)});
  if (timer_ == TimerId::kNone) {
    timer_ = loop_->RunAfter(timeout, [this] { CheckDeadlines(); });
  }
  if (connection_ != nullptr) {
    connection_->Send(std::move(frame));
  } else {
    for (OutPiece& piece : frame) unsent_.push_back(std::move(piece));
  }
}

void KafkaPeer::CheckDeadlines() {
  timer_ = TimerId::kNone;
  if (pending_.empty()) return;
  MonoTime next = MonoTime::Max();
  for (const Pending& pending : pending_) next = std::min(next, pending.deadline);
  if (loop_->Now() >= next) return Fail(absl::DeadlineExceededError("no response in time"));
  timer_ = loop_->RunAfter(next - loop_->Now(), [this] { CheckDeadlines(); });
}

void KafkaPeer::OnRead(size_t length) {
  inbox_.append(buffer_.data(), length);
  const std::weak_ptr<bool> alive = alive_;
  while (!alive.expired() && inbox_.size() >= 4) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(inbox_.data());
    const size_t size = static_cast<size_t>(bytes[0]) << 24 | static_cast<size_t>(bytes[1]) << 16 |
                        static_cast<size_t>(bytes[2]) << 8 | bytes[3];
    if (inbox_.size() < 4 + size) return;
    if (pending_.empty()) return Fail(absl::DataLossError("a response that nobody asked for"));
    SharedBytes frame = SharedBytes::Copy(std::string_view(inbox_).substr(4, size));
    inbox_.erase(0, 4 + size);
    Done done = std::move(pending_.front().done);
    pending_.pop_front();
    done(std::move(frame));
  }
}

void KafkaPeer::OnClosed(const absl::Status& why) {
  Fail(why.ok() ? absl::UnavailableError("the broker closed the connection") : why);
}

void KafkaPeer::Fail(const absl::Status& why) {
  if (broken()) return;
  failure_ = why;
  if (connection_ != nullptr) connection_->Close();
  const std::weak_ptr<bool> alive = alive_;
  for (Pending& pending : std::exchange(pending_, {})) {
    pending.done(why);
    if (alive.expired()) return;
  }
}

}  // namespace quorate::sim
