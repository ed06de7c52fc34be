#include "storage/batch_reader.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace quorate {

absl::StatusOr<bool> BatchReader::Fill(int64_t position, size_t length) {
  if (position >= buffer_at_ && position + static_cast<int64_t>(length) <=
                                    buffer_at_ + static_cast<int64_t>(buffer_.size())) {
    return true;
  }
  const auto left = static_cast<size_t>(end_ - position);
  if (length > left) return false;
  const size_t wanted = std::min(std::max(length, chunk_), left);
  buffer_.resize(wanted);
  buffer_at_ = position;
  Q_ASSIGN_OR_RETURN(size_t got, file_->ReadAt(position, buffer_.data(), wanted));
  buffer_.resize(got);
  return got >= length;
}

absl::StatusOr<BatchReader::Found> BatchReader::Next(bool whole) {
  batch_.reset();
  position_ = next_;
  if (position_ >= end_) return Found::kEnd;
  if (position_ < 0) {
    bad_ = "before the file's begin";
    return Found::kBad;
  }
  Q_ASSIGN_OR_RETURN(bool filled, Fill(position_, kBatchHeaderBytes));
  if (!filled) {
    bad_ = "header cut short";
    return Found::kBad;
  }
  absl::StatusOr<RecordBatchView> header =
      RecordBatchView::ParseHeader(View(position_, kBatchHeaderBytes));
  if (!header.ok()) {
    bad_ = std::string(header.status().message());
    return Found::kBad;
  }
  const int64_t size = header->size_bytes();
  if (size > end_ - position_) {
    bad_ = absl::StrFormat("batch of %d bytes cut short after %d", size, end_ - position_);
    return Found::kBad;
  }
  batch_ = *header;
  next_ = position_ + size;
  if (whole) Q_RETURN_IF_ERROR(LoadWhole());
  return Found::kBatch;
}

absl::Status BatchReader::LoadWhole() {
  const auto size = static_cast<size_t>(batch_->size_bytes());
  Q_ASSIGN_OR_RETURN(bool filled, Fill(position_, size));
  if (!filled) {
    return absl::DataLossError(
        absl::StrFormat("%s: shorter than expected at %d", file_->path(), position_));
  }
  Q_ASSIGN_OR_RETURN(batch_, RecordBatchView::Parse(View(position_, size)));
  return absl::OkStatus();
}

}  // namespace quorate
