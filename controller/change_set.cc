#include "controller/change_set.h"

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "controller/image/replay.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {

ChangeSet::ChangeSet(MetadataImage image, LogIndex first)
    : image_(std::move(image)), first_(first), next_(first) {
  QCHECK_GE(first, image_.index());
}

void ChangeSet::Add(const pb::MetadataRecord& record) {
  std::string bytes = record.SerializeAsString();
  const absl::Status status = Replay(next_, bytes, &image_, &delta_);
  if (!status.ok()) {
    internal::CheckFailed(__FILE__, __LINE__, "own record can be replayed", status.ToString());
  }
  records_.push_back(std::move(bytes));
  ++next_;
}

void ChangeSet::EndUnit() {
  const size_t begin = unit_ends_.empty() ? 0 : unit_ends_.back();
  if (records_.size() > begin) unit_ends_.push_back(records_.size());
}

void ChangeSet::RollBack(const Mark& mark) {
  QCHECK_LE(mark.records, records_.size());
  next_ = next_ - static_cast<int64_t>(records_.size() - mark.records);
  image_ = mark.image;
  records_.resize(mark.records);
  unit_ends_.resize(mark.units);
}

size_t ChangeSet::open_unit_bytes() const {
  size_t bytes = kBatchCost;
  for (size_t i = unit_ends_.empty() ? 0 : unit_ends_.back(); i < records_.size(); ++i) {
    bytes += RecordCost(records_[i].size());
  }
  return bytes;
}

absl::StatusOr<std::vector<std::vector<std::string>>> ChangeSet::TakeBatches(size_t max_batch_bytes,
                                                                             bool batch_per_unit) {
  EndUnit();
  std::vector<std::vector<std::string>> batches;
  size_t batch_bytes = 0;
  size_t begin = 0;
  for (size_t end : unit_ends_) {
    size_t unit_bytes = 0;
    for (size_t i = begin; i < end; ++i) unit_bytes += RecordCost(records_[i].size());
    if (kBatchCost + unit_bytes > max_batch_bytes) {
      return absl::InvalidArgumentError(
          absl::StrFormat("a change of %d records takes %d bytes; a batch holds %d", end - begin,
                          unit_bytes, max_batch_bytes));
    }
    if (batches.empty() || batch_per_unit || batch_bytes + unit_bytes > max_batch_bytes) {
      batches.emplace_back();
      batch_bytes = kBatchCost;
    }
    batch_bytes += unit_bytes;
    for (size_t i = begin; i < end; ++i) batches.back().push_back(std::move(records_[i]));
    begin = end;
  }
  records_.clear();
  unit_ends_.clear();
  return batches;
}

}  // namespace quorate
