// storage/batch_reader.h
//
// BatchReader walks the batches of a range of a segment file from front to back: their headers
// alone, or whole.
//
// Thread-compatible. Reading may BLOCK on cold pages.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "storage/record_batch.h"

namespace quorate {

class BatchReader {
 public:
  enum class Found {
    kBatch,  // batch() and position() tell
    kEnd,    // the range ends here
    kBad,    // no batch at position(): bad() says why
  };

  // Reads [position, end) of `file`, at least `chunk` bytes at a time. `position` may come from a
  // damaged index: below 0 there is no batch.
  BatchReader(std::shared_ptr<const File> file, int64_t position, int64_t end, size_t chunk)
      : file_(std::move(file)), next_(position), end_(end), chunk_(chunk) {}

  // Goes to the next batch. batch() is then its header only, unless `whole`, when batch() is all of
  // it (CRC not checked). The view is valid until the next call.
  // ERRORS: of File::ReadAt; a malformed batch is no error but kBad.
  absl::StatusOr<Found> Next(bool whole);

  // Loads the rest of the batch that Next(false) found. ERRORS: of File::ReadAt; kDataLoss if the
  // file is shorter by now.
  absl::Status LoadWhole();

  // REQUIRES: Next returned kBatch.
  const RecordBatchView& batch() const { return *batch_; }
  // Where the batch (or the bad bytes) begins in the file.
  int64_t position() const { return position_; }
  // Why there is no batch.
  const std::string& bad() const { return bad_; }

 private:
  // Makes [position, position + length) available; false if the file ends before.
  absl::StatusOr<bool> Fill(int64_t position, size_t length);
  std::string_view View(int64_t position, size_t length) const {
    return std::string_view(buffer_).substr(static_cast<size_t>(position - buffer_at_), length);
  }

  std::shared_ptr<const File> file_;
  int64_t next_;  // where the next batch begins
  int64_t end_;
  size_t chunk_;
  int64_t position_ = 0;
  std::optional<RecordBatchView> batch_;
  std::string bad_;
  std::string buffer_;
  int64_t buffer_at_ = 0;  // position of buffer_ in the file
};

}  // namespace quorate
