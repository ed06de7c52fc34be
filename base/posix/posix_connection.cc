#include "base/posix/posix_connection.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/file_system.h"
#include "base/posix/posix_error.h"

namespace quorate {
namespace {

// A turn of one connection moves at most this much each way before others get theirs.
constexpr size_t kReadBytesPerTurn = 256 << 10;
constexpr size_t kWriteBytesPerTurn = 1 << 20;
// For files without a descriptor.
constexpr size_t kCopyBytes = 64 << 10;

size_t SizeOf(const OutPiece& piece) {
  if (const auto* bytes = std::get_if<SharedBytes>(&piece)) return bytes->size();
  return std::get<FileSlice>(piece).length;
}

}  // namespace

PosixConnection::PosixConnection(PosixEventLoop* loop, int fd, Endpoint peer, Endpoint local)
    : loop_(loop), peer_(std::move(peer)), local_(std::move(local)), fd_(fd) {}

PosixConnection::~PosixConnection() {
  *alive_ = false;
  Close();
}

void PosixConnection::Start(Handler* handler) {
  QCHECK(handler_ == nullptr && !watched_ && handler != nullptr);
  if (fd_ < 0) return;
  handler_ = handler;
  const int error = loop_->Watch(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
  if (error == 0) {
    watched_ = true;
  } else {
    write_error_ = SocketError(error);
    readable_ = false;
    DeferOnce();
  }
}

void PosixConnection::Send(std::vector<OutPiece> pieces) {
  if (fd_ < 0) return;
  for (OutPiece& piece : pieces) {
    const size_t size = SizeOf(piece);
    if (size == 0) continue;
    unsent_ += size;
    out_.push_back(std::move(piece));
  }
  drain_due_ = true;
  if (writable_ || out_.empty()) DeferOnce();
}

void PosixConnection::ResumeReading() {
  if (!paused_) return;
  paused_ = false;
  if (fd_ >= 0 && handler_ != nullptr && readable_) DeferOnce();
}

void PosixConnection::Close() {
  handler_ = nullptr;
  if (fd_ < 0) return;
  if (watched_) loop_->Unwatch(fd_, this);
  if (std::exchange(deferred_, false)) loop_->CancelDeferred(this);
  close(std::exchange(fd_, -1));
  out_.clear();
  unsent_ = 0;
}

void PosixConnection::DeferOnce() {
  if (!std::exchange(deferred_, true)) loop_->Defer(this);
}

void PosixConnection::OnEvents(uint32_t events) {
  if ((events & EPOLLOUT) != 0) writable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ending_ = true;
  if ((events & ~uint32_t{EPOLLOUT}) != 0) readable_ = true;
  if ((events & EPOLLERR) != 0 && paused_) {
    // A reset reaches a paused reader too: there is nothing left to read behind it.
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    Ended(SocketError(error != 0 ? error : ECONNRESET));
    return;
  }
  if (deferred_) return;  // OnDeferred goes on; reading here too would double the turn's share.
  if (!ReadSome()) return;
  if (writable_ && (unsent_ > 0 || drain_due_)) DeferOnce();
}

void PosixConnection::OnDeferred() {
  deferred_ = false;
  if (handler_ == nullptr && !watched_) {
    // Not started yet: written bytes may go, but there is nobody to tell.
    if (write_error_.ok() && WriteQueued() == Written::kYield) DeferOnce();
    return;
  }
  if (!WriteSome()) return;
  ReadSome();
}

bool PosixConnection::ReadSome() {
  size_t budget = kReadBytesPerTurn;
  while (readable_ && !paused_ && fd_ >= 0) {
    if (budget == 0) {
      DeferOnce();
      return true;
    }
    if (!ReadOnce(&budget)) return false;
  }
  if (fd_ >= 0 && !write_error_.ok() && (paused_ || !readable_)) {
    Ended(write_error_);
    return false;
  }
  return true;
}

bool PosixConnection::ReadOnce(size_t* budget) {
  const std::shared_ptr<bool> alive = alive_;
  const std::span<char> buffer = handler_->ReadBuffer();
  if (!*alive) return false;
  if (fd_ < 0 || paused_) return true;
  QCHECK(!buffer.empty());
  const ssize_t got = recv(fd_, buffer.data(), std::min(buffer.size(), *budget), 0);
  if (got > 0) {
    // A short read used the edge up, unless an end waits behind the bytes.
    if (static_cast<size_t>(got) < std::min(buffer.size(), *budget) && !ending_) readable_ = false;
    *budget -= static_cast<size_t>(got);
    handler_->OnRead(static_cast<size_t>(got));
    return *alive;
  }
  if (got == 0) {
    Ended(write_error_);
    return false;
  }
  if (errno == EINTR) return true;
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    readable_ = false;
    return true;
  }
  Ended(SocketError(errno));
  return false;
}

bool PosixConnection::WriteSome() {
  if (!write_error_.ok() || (!writable_ && !out_.empty())) return true;
  switch (WriteQueued()) {
    case Written::kYield:
      DeferOnce();
      return true;
    case Written::kBlocked:
      return true;
    case Written::kBroken:
      // What the peer sent before it went may still be readable: ReadSome comes next.
      out_.clear();
      front_done_ = 0;
      unsent_ = 0;
      drain_due_ = false;
      readable_ = true;
      return true;
    case Written::kAll:
      break;
  }
  if (!std::exchange(drain_due_, false)) return true;
  const std::shared_ptr<bool> alive = alive_;
  handler_->OnDrained();
  return *alive && fd_ >= 0;
}

PosixConnection::Written PosixConnection::WriteQueued() {
  size_t budget = kWriteBytesPerTurn;
  while (!out_.empty()) {
    if (budget == 0) return Written::kYield;
    const ssize_t written = WriteFront(budget);
    if (written > 0) {
      budget -= static_cast<size_t>(written);
      Consume(static_cast<size_t>(written));
      continue;
    }
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      writable_ = false;
      return Written::kBlocked;
    }
    write_error_ = written < 0 ? SocketError(errno)
                               : absl::DataLossError(absl::StrFormat(
                                     "%s: file ended before the slice to send", peer_.ToString()));
    return Written::kBroken;
  }
  return Written::kAll;
}

ssize_t PosixConnection::WriteFront(size_t budget) {
  return std::holds_alternative<SharedBytes>(out_.front()) ? WriteBytes(budget) : WriteFile(budget);
}

ssize_t PosixConnection::WriteBytes(size_t budget) {
  std::array<iovec, 64> vectors;
  size_t count = 0;
  size_t total = 0;
  bool more = false;  // a file slice follows: let its first bytes share the packet
  for (const OutPiece& piece : out_) {
    const auto* bytes = std::get_if<SharedBytes>(&piece);
    if (bytes == nullptr) {
      more = true;
      break;
    }
    if (count == vectors.size() || total >= budget) break;
    const size_t skip = count == 0 ? front_done_ : 0;
    const size_t length = std::min(bytes->size() - skip, budget - total);
    vectors[count++] = {const_cast<char*>(bytes->data()) + skip, length};
    total += length;
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  return sendmsg(fd_, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

ssize_t PosixConnection::WriteFile(size_t budget) {
  const FileSlice& slice = std::get<FileSlice>(out_.front());
  const size_t length = std::min(slice.length - front_done_, budget);
  off_t offset = slice.offset + static_cast<off_t>(front_done_);
  if (slice.file->descriptor() >= 0) {
    // SIGPIPE is ignored for the process (PosixNetwork): sendfile has no MSG_NOSIGNAL.
    return sendfile(fd_, slice.file->descriptor(), &offset, length);
  }
  std::vector<char> copy(std::min(length, kCopyBytes));
  const absl::StatusOr<size_t> got = slice.file->ReadAt(offset, copy.data(), copy.size());
  if (!got.ok()) {
    errno = EIO;
    return -1;
  }
  if (*got == 0) return 0;
  return send(fd_, copy.data(), *got, MSG_NOSIGNAL);
}

void PosixConnection::Consume(size_t bytes) {
  unsent_ -= bytes;
  while (bytes > 0) {
    const size_t left = SizeOf(out_.front()) - front_done_;
    if (bytes < left) {
      front_done_ += bytes;
      return;
    }
    bytes -= left;
    front_done_ = 0;
    out_.pop_front();
  }
}

absl::Status PosixConnection::SocketError(int error) const {
  return absl::UnavailableError(
      absl::StrFormat("connection with %s: %s", peer_.ToString(), ErrnoText(error)));
}

void PosixConnection::Ended(const absl::Status& why) {
  Handler* handler = handler_;
  const absl::Status copy = why;  // `why` may be a member of what the handler destroys.
  Close();
  if (handler != nullptr) handler->OnClosed(copy);
}

}  // namespace quorate
