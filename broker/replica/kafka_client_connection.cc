#include "broker/replica/kafka_client_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace quorate {

KafkaClientConnection::KafkaClientConnection(EventLoop* loop, std::unique_ptr<Connection> stream,
                                             int32_t max_frame_bytes, Owner* owner)
    : loop_(loop), stream_(std::move(stream)), max_frame_bytes_(max_frame_bytes), owner_(owner) {}

KafkaClientConnection::~KafkaClientConnection() {
  if (timer_ != TimerId::kNone) loop_->Cancel(timer_);
}

void KafkaClientConnection::Start() { stream_->Start(this); }

void KafkaClientConnection::Send(std::vector<OutPiece> frame, Micros timeout) {
  deadlines_.push_back(loop_->Now() + timeout);
  if (deadlines_.size() == 1) ArmTimer();
  stream_->Send(std::move(frame));
}

void KafkaClientConnection::ArmTimer() {
  if (timer_ != TimerId::kNone || deadlines_.empty()) return;
  const Micros delay = std::max(deadlines_.front() - loop_->Now(), Micros(0));
  timer_ = loop_->RunAfter(delay, [this] {
    timer_ = TimerId::kNone;
    if (deadlines_.empty()) return;
    if (deadlines_.front() > loop_->Now()) {
      ArmTimer();
      return;
    }
    Fail(absl::DeadlineExceededError("no response in time"));
  });
}

std::span<char> KafkaClientConnection::ReadBuffer() {
  if (body_ == nullptr) return std::span<char>(size_bytes_).subspan(filled_);
  return std::span<char>(body_.get() + filled_, body_size_ - filled_);
}

void KafkaClientConnection::OnRead(size_t length) {
  filled_ += length;
  if (body_ == nullptr) {
    if (filled_ < size_bytes_.size()) return;
    uint32_t size = 0;
    for (const char byte : size_bytes_) size = size << 8 | static_cast<uint8_t>(byte);
    if (size < 4 || size > static_cast<uint32_t>(max_frame_bytes_) || deadlines_.empty()) {
      Fail(absl::InvalidArgumentError(
          absl::StrFormat("a response of %d bytes, at most %d are taken", size, max_frame_bytes_)));
      return;
    }
    body_ = std::make_shared_for_overwrite<char[]>(size);
    body_size_ = size;
    filled_ = 0;
    return;
  }
  if (filled_ < body_size_) return;
  const char* const start = body_.get();
  SharedBytes frame(std::move(body_), std::string_view(start, body_size_));
  body_ = nullptr;
  filled_ = 0;
  deadlines_.pop_front();
  owner_->OnResponse(std::move(frame));
}

void KafkaClientConnection::OnClosed(const absl::Status& why) {
  Fail(why.ok() ? absl::UnavailableError("closed by the peer") : why);
}

void KafkaClientConnection::Close() {
  if (timer_ != TimerId::kNone) loop_->Cancel(timer_);
  timer_ = TimerId::kNone;
  deadlines_.clear();
  stream_->Close();
}

void KafkaClientConnection::Fail(const absl::Status& why) {
  Close();
  owner_->OnDisconnected(why);
}

}  // namespace quorate
