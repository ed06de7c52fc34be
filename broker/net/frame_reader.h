// broker/net/frame_reader.h
//
// FrameReader cuts a byte stream into Kafka frames: a big-endian int32 size, then that many bytes.
// A size is judged before anything is allocated for it.
//
// Bytes come straight from the socket into blocks; a small frame is a slice of its block, so that
// many pipelined requests share one read and one allocation. A frame larger than a block gets a
// buffer of exactly its size that the socket then fills; after one, only the head of the next frame
// is read at first, since it is likely as large.
//
//   block:  [cut frames ...)[partial frame ...)[free ...]
//           0               begin_            end_      capacity
//
// Thread-compatible: owned by its connection's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace quorate {

// Sizes in bytes, without the 4 bytes of the size itself.
struct FrameLimits {
  int32_t max_frame_bytes = 100 << 20;       // Produce requests
  int32_t max_other_frame_bytes = 16 << 20;  // requests of all other API keys
};

class FrameReader {
 public:
  static constexpr size_t kMinBlockBytes = 4 << 10;
  static constexpr size_t kMaxBlockBytes = 64 << 10;

  explicit FrameReader(const FrameLimits& limits) : limits_(limits) {}

  // Where the next bytes of the stream go; never empty. Valid until Commit or Next.
  std::span<char> Space();

  // `length` bytes were put at the start of the last Space().
  void Commit(size_t length);

  // The next whole frame (without its size), or nullopt if more bytes are needed.
  // ERRORS: kInvalidArgument for a size outside (0, max]. The stream is of no use after it.
  absl::StatusOr<std::optional<SharedBytes>> Next();

  // True if a part of a frame is there.
  bool has_partial() const { return large_ != nullptr || end_ > begin_; }
  // Bytes of the frame being received with a buffer of its own; 0 otherwise.
  size_t large_bytes() const { return large_ != nullptr ? large_size_ : 0; }

 private:
  // Size of the frame at begin_ once it is known and accepted, else 0.
  absl::StatusOr<size_t> PartialSize() const;
  void StartLarge(size_t size);
  void NewBlock();

  const FrameLimits limits_;
  std::shared_ptr<char[]> block_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  int reads_in_block_ = 0;
  size_t next_block_bytes_ = kMinBlockBytes;

  // The frame that has its own buffer, and how much of it is there.
  std::shared_ptr<char[]> large_;
  size_t large_size_ = 0;
  size_t large_filled_ = 0;
  bool last_was_large_ = false;
};

}  // namespace quorate
