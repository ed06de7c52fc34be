#include "broker/net/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

constexpr size_t kSizeBytes = 4;
constexpr size_t kApiKeyBytes = 2;
// What is read of a frame that is likely large, to learn its size.
constexpr size_t kHeadBytes = 64;
// A block filled in at most this many reads was too small; one that lasted for that many or more
// was too big.
constexpr int kFewReads = 2;
constexpr int kManyReads = 32;

uint32_t LoadBigEndian32(const char* p) {
  const auto* u = reinterpret_cast<const unsigned char*>(p);
  return uint32_t{u[0]} << 24 | uint32_t{u[1]} << 16 | uint32_t{u[2]} << 8 | uint32_t{u[3]};
}

}  // namespace

absl::StatusOr<size_t> FrameReader::PartialSize() const {
  const size_t available = end_ - begin_;
  if (available < kSizeBytes) return 0;
  const char* p = block_.get() + begin_;
  const auto size = static_cast<int32_t>(LoadBigEndian32(p));
  if (size <= 0 || size > limits_.max_frame_bytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("frame size %d is not within 1..%d", size, limits_.max_frame_bytes));
  }
  if (size > limits_.max_other_frame_bytes) {
    // Only Produce (key 0) may be this large.
    if (available < kSizeBytes + kApiKeyBytes) return 0;
    const int key = static_cast<unsigned char>(p[4]) << 8 | static_cast<unsigned char>(p[5]);
    if (key != 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("frame size %d is above the limit %d of requests with API key %d", size,
                          limits_.max_other_frame_bytes, key));
    }
  }
  return static_cast<size_t>(size);
}

void FrameReader::StartLarge(size_t size) {
  large_ = std::make_shared_for_overwrite<char[]>(size);
  large_size_ = size;
  large_filled_ = end_ - begin_ - kSizeBytes;
  QCHECK_LT(large_filled_, large_size_);
  std::memcpy(large_.get(), block_.get() + begin_ + kSizeBytes, large_filled_);
  begin_ = end_;
}

void FrameReader::NewBlock() {
  if (reads_in_block_ <= kFewReads) {
    next_block_bytes_ = std::min(next_block_bytes_ * 2, kMaxBlockBytes);
  } else if (reads_in_block_ >= kManyReads) {
    next_block_bytes_ = std::max(next_block_bytes_ / 2, kMinBlockBytes);
  }
  const size_t kept = end_ - begin_;
  // A partial frame that is not large fits a block of the largest size.
  size_t bytes = block_ == nullptr ? kMinBlockBytes : next_block_bytes_;
  while (bytes < kept * 2) bytes *= 2;
  auto fresh = std::make_shared_for_overwrite<char[]>(bytes);
  if (kept > 0) std::memcpy(fresh.get(), block_.get() + begin_, kept);
  block_ = std::move(fresh);
  capacity_ = bytes;
  begin_ = 0;
  end_ = kept;
  reads_in_block_ = 0;
}

std::span<char> FrameReader::Space() {
  if (large_ != nullptr) {
    // A whole one that Next has not taken yet: further bytes go to the block.
    if (large_filled_ < large_size_) {
      return {large_.get() + large_filled_, large_size_ - large_filled_};
    }
  }
  if (end_ == capacity_) NewBlock();
  if (BUGGIFY("net.read_one_byte", 0.02)) return {block_.get() + end_, 1};
  if (last_was_large_ && begin_ == end_) {
    return {block_.get() + end_, std::min(kHeadBytes, capacity_ - end_)};
  }
  return {block_.get() + end_, capacity_ - end_};
}

void FrameReader::Commit(size_t length) {
  if (large_ != nullptr && large_filled_ < large_size_) {
    QCHECK_LE(length, large_size_ - large_filled_);
    large_filled_ += length;
    return;
  }
  QCHECK_LE(length, capacity_ - end_);
  end_ += length;
  ++reads_in_block_;
}

absl::StatusOr<std::optional<SharedBytes>> FrameReader::Next() {
  if (large_ != nullptr) {
    if (large_filled_ < large_size_) return std::nullopt;
    std::string_view view(large_.get(), large_size_);
    last_was_large_ = true;
    return SharedBytes(std::exchange(large_, nullptr), view);
  }
  Q_ASSIGN_OR_RETURN(const size_t size, PartialSize());
  if (size == 0) return std::nullopt;
  if (end_ - begin_ - kSizeBytes < size) {
    if (kSizeBytes + size > kMaxBlockBytes) StartLarge(size);
    return std::nullopt;
  }
  std::string_view view(block_.get() + begin_ + kSizeBytes, size);
  begin_ += kSizeBytes + size;
  last_was_large_ = false;
  return SharedBytes(block_, view);
}

}  // namespace quorate
