#include "broker/net/kafka_connection.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/fault_point.h"

namespace quorate {
KafkaConnection::KafkaConnection(EventLoop* loop, std::unique_ptr<Connection> stream,
                                 std::shared_ptr<const ConnectionInfo> info,
                                 const ConnectionLimits& limits, RequestMemory* memory,
                                 FrameHandler* handler, ClosedHandler on_closed)
    : loop_(loop),
      stream_(std::move(stream)),
      info_(std::move(info)),
      limits_(limits),
      memory_(memory),
      handler_(handler),
      on_closed_(std::move(on_closed)),
      reader_(limits.frames),
      last_progress_(loop->Now()) {}

KafkaConnection::~KafkaConnection() {
  if (timer_ != TimerId::kNone) loop_->Cancel(timer_);
  // Destroyed without Close: the whole broker goes away, and nobody waits for the memory.
}

void KafkaConnection::Start() {
  started_ = true;
  ArmTimer();
  stream_->Start(this);
}

void KafkaConnection::OnRead(size_t length) {
  auto self = shared_from_this();
  last_progress_ = loop_->Now();
  if (BUGGIFY("net.close_connection", 0.0005)) {
    return Close(absl::UnavailableError("connection reset by peer"));
  }
  reader_.Commit(length);
  Pump();
}

bool KafkaConnection::MayRead() const {
  if (closed_ || draining_) return false;
  if (memory_->full() || stream_->unsent_bytes() >= limits_.max_unsent_bytes) return false;
  if (!slots_.empty() && BUGGIFY("net.one_request_at_a_time", 0.5)) return false;
  return slots_.size() < limits_.max_outstanding_requests &&
         outstanding_bytes_ < limits_.max_outstanding_bytes;
}

void KafkaConnection::Pump() {
  // A request answered inside HandleFrame must not start a second loop.
  if (pumping_) return;
  pumping_ = true;
  while (MayRead()) {
    auto next = reader_.Next();
    if (!next.ok()) {
      pumping_ = false;
      Close(next.status());
      return;
    }
    if (!next->has_value()) break;
    SharedBytes frame = std::move(**next);
    const size_t bytes = frame.size();
    if (large_accounted_ > 0) {
      // This frame had its own buffer, which was taken from the memory when it was made.
      memory_->Release(std::exchange(large_accounted_, 0));
      if (closed_) break;
    }
    memory_->Take(bytes);
    outstanding_bytes_ += bytes;
    slots_.push_back(Slot{.request_bytes = bytes, .done = false, .reply = {}});
    const uint64_t sequence = first_sequence_ + slots_.size() - 1;
    handler_->HandleFrame(info_, std::move(frame), Responder(weak_from_this(), sequence));
    if (closed_) break;
  }
  pumping_ = false;
  if (closed_) return;
  AccountLargeFrame();
  UpdateReading();
  ArmTimer();
}

void KafkaConnection::AccountLargeFrame() {
  if (large_accounted_ == 0 && reader_.large_bytes() > 0) {
    large_accounted_ = reader_.large_bytes();
    memory_->Take(large_accounted_);
  }
}

void KafkaConnection::UpdateReading() {
  // The rest of a frame whose buffer was granted is always read: it is what frees the memory.
  const bool may_read = MayRead() || (large_accounted_ > 0 && !draining_);
  if (!may_read && !paused_) {
    paused_ = true;
    stream_->PauseReading();
  } else if (may_read && paused_) {
    paused_ = false;
    stream_->ResumeReading();
  }
  if (!may_read && memory_->full() && !waiting_for_memory_ && !draining_) {
    waiting_for_memory_ = true;
    memory_->Wait([weak = weak_from_this()] {
      auto self = weak.lock();
      if (self == nullptr) return;
      self->waiting_for_memory_ = false;
      if (!self->closed_) self->Pump();
    });
  }
}

void KafkaConnection::Complete(uint64_t sequence, std::vector<OutPiece> reply) {
  if (closed_) return;
  QCHECK_GE(sequence, first_sequence_);
  QCHECK_LT(sequence - first_sequence_, slots_.size());
  Slot& slot = slots_[sequence - first_sequence_];
  QCHECK(!slot.done);
  slot.done = true;
  slot.reply = std::move(reply);
  FAILPOINT("net.before_answer");
  if (sequence == first_sequence_) SendFinished();
}

void KafkaConnection::SendFinished() {
  auto self = shared_from_this();
  size_t released = 0;
  while (!slots_.empty() && slots_.front().done) {
    Slot slot = std::move(slots_.front());
    slots_.pop_front();
    ++first_sequence_;
    released += slot.request_bytes;
    if (!slot.reply.empty()) stream_->Send(std::move(slot.reply));
  }
  outstanding_bytes_ -= released;
  unsent_seen_ = std::max(unsent_seen_, stream_->unsent_bytes());
  memory_->Release(released);
  if (closed_) return;
  MaybeFinishDrain();
  if (!closed_ && !draining_) Pump();
}

void KafkaConnection::OnDrained() {
  auto self = shared_from_this();
  last_progress_ = loop_->Now();
  unsent_seen_ = 0;
  MaybeFinishDrain();
  if (!closed_ && !draining_) Pump();
}

void KafkaConnection::Drain() {
  if (closed_ || draining_) return;
  auto self = shared_from_this();
  draining_ = true;
  if (large_accounted_ > 0) memory_->Release(std::exchange(large_accounted_, 0));
  if (closed_) return;
  UpdateReading();
  MaybeFinishDrain();
}

void KafkaConnection::MaybeFinishDrain() {
  if (draining_ && slots_.empty() && stream_->unsent_bytes() == 0) Close(absl::OkStatus());
}

void KafkaConnection::Close(const absl::Status& why) {
  if (std::exchange(closed_, true)) return;
  auto self = shared_from_this();
  if (timer_ != TimerId::kNone) loop_->Cancel(std::exchange(timer_, TimerId::kNone));
  stream_->Close();
  slots_.clear();
  const size_t bytes = std::exchange(outstanding_bytes_, 0) + std::exchange(large_accounted_, 0);
  handler_->OnConnectionClosed(*info_);
  if (on_closed_) std::exchange(on_closed_, nullptr)(info_->id, why);
  memory_->Release(bytes);
}

// One timer at most; moved only when it would come too late.
void KafkaConnection::ArmTimer() {
  Micros wait = limits_.max_idle;
  if (!paused_ && reader_.has_partial()) {
    wait = std::min(wait, limits_.max_frame_stall);
  }
  const MonoTime due = loop_->Now() + wait;
  if (timer_ != TimerId::kNone) {
    if (timer_due_ <= due) return;
    loop_->Cancel(timer_);
  }
  timer_due_ = due;
  timer_ = loop_->RunAfter(wait, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnTimer();
  });
}

void KafkaConnection::OnTimer() {
  timer_ = TimerId::kNone;
  const size_t unsent = stream_->unsent_bytes();
  if (unsent < unsent_seen_) last_progress_ = loop_->Now();
  unsent_seen_ = unsent;
  // A parked request is no idleness, unless its peer does not even take earlier answers.
  const bool waits_for_us = !slots_.empty() && unsent == 0;
  const Micros silent = loop_->Now() - last_progress_;
  if (!waits_for_us && silent >= limits_.max_idle) {
    Close(absl::DeadlineExceededError("idle for too long"));
    return;
  }
  if (!paused_ && reader_.has_partial() && silent >= limits_.max_frame_stall) {
    Close(absl::DeadlineExceededError("a frame was begun and not finished"));
    return;
  }
  ArmTimer();
}

}  // namespace quorate
