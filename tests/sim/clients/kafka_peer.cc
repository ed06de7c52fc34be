#include "tests/sim/clients/kafka_peer.h"

#include <algorithm>
#include <chrono>

namespace quorate::sim {
namespace {

constexpr Micros kConnectTimeout = std::chrono::seconds(3);

// What the first four bytes say: how many follow.
size_t FrameSize(std::string_view bytes) {
  size_t size = 0;
  for (int i = 0; i < 4; ++i)
    size = size << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  return size;
}

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
  if (loop_->Now() >= next) {
    if (on_overdue && connection_ != nullptr && !broken()) on_overdue();
    return Fail(absl::DeadlineExceededError("no response in time"));
  }
  timer_ = loop_->RunAfter(next - loop_->Now(), [this] { CheckDeadlines(); });
}

void KafkaPeer::OnRead(size_t length) {
  std::string_view arrived(buffer_.data(), length);
  const std::weak_ptr<bool> alive = alive_;
  while (!alive.expired() && !broken() && !arrived.empty()) {
    // First the four bytes of the size, then as many as it says.
    const size_t wanted = inbox_.size() < 4 ? 4 : 4 + FrameSize(inbox_);
    inbox_.reserve(std::min<size_t>(wanted, 1 << 20));
    const std::string_view piece = arrived.substr(0, wanted - inbox_.size());
    inbox_ += piece;
    arrived.remove_prefix(piece.size());
    if (inbox_.size() < 4 || inbox_.size() < 4 + FrameSize(inbox_)) continue;
    if (pending_.empty()) return Fail(absl::DataLossError("a response that nobody asked for"));
    const SharedBytes frame = SharedBytes::FromString(std::exchange(inbox_, {}));
    Done done = std::move(pending_.front().done);
    pending_.pop_front();
    done(frame.Slice(4, frame.size() - 4));
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
