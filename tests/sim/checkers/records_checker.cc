#include "tests/sim/checkers/records_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void RecordsChecker::OnSend(const PartitionName& partition, const RecordName& record) {
  int64_t& sent = partitions_[partition].sent[record.producer];
  sent = std::max(sent, record.number + 1);
}

void RecordsChecker::OnAck(const PartitionName& partition, const RecordName& record,
                           int64_t offset) {
  Partition& state = partitions_[partition];
  ++acked_;
  state.acked[record] = offset;
  if (offset < 0) return;  // a duplicate whose offset the broker has forgotten
  const auto [at, is_new] = state.acked_at.emplace(offset, record);
  if (!is_new && at->second != record) {
    verdict_.Add(
        "inconsistent-offsets",
        absl::StrFormat("%s: offset %d was acknowledged for %s and for %s", partition.ToString(),
                        offset, at->second.ToString(), record.ToString()),
        {partition, offset});
  }
  state.acked_end = std::max(state.acked_end, offset + 1);
}

void RecordsChecker::OnFinalRead(const PartitionName& partition, int64_t offset,
                                 const RecordName& record) {
  Partition& state = partitions_[partition];
  const auto [first, is_new] = state.read.emplace(record, offset);
  if (!is_new) {
    verdict_.Add("duplicate",
                 absl::StrFormat("%s: %s is at offsets %d and %d", partition.ToString(),
                                 record.ToString(), first->second, offset),
                 {partition, offset});
  }
  const auto sent = state.sent.find(record.producer);
  if (sent == state.sent.end() || record.number >= sent->second) {
    verdict_.Add("phantom",
                 absl::StrFormat("%s: %s at offset %d was never sent", partition.ToString(),
                                 record.ToString(), offset),
                 {partition, offset});
  }
  const auto [last, first_of_producer] = state.last_number.emplace(record.producer, record.number);
  if (!first_of_producer) {
    if (is_new && record.number < last->second) {
      verdict_.Add("order",
                   absl::StrFormat("%s: %s at offset %d comes after number %d",
                                   partition.ToString(), record.ToString(), offset, last->second),
                   {partition, offset});
    }
    last->second = record.number;
  }
}

void RecordsChecker::Finish() {
  for (const auto& [name, state] : partitions_) FinishPartition(name, INT64_MAX);
}

void RecordsChecker::FinishPartition(const PartitionName& name, int64_t tail) {
  const Partition& state = partitions_[name];
  // Of the tail nothing that is left may lie behind what is gone.
  for (const auto& [record, offset] : state.read) {
    if (state.acked.contains(record)) tail = std::max(tail, std::min(offset, INT64_MAX - 1) + 1);
  }
  for (const auto& [record, offset] : state.acked) {
    const auto read = state.read.find(record);
    if (read == state.read.end() && (offset < tail && (offset >= 0 || tail == INT64_MAX))) {
      verdict_.Add("lost",
                   absl::StrFormat("%s: %s was acknowledged at offset %d and is gone",
                                   name.ToString(), record.ToString(), offset),
                   {name, offset});
    } else if (read != state.read.end() && offset >= 0 && read->second != offset) {
      verdict_.Add("inconsistent-offsets",
                   absl::StrFormat("%s: %s was acknowledged at offset %d and is at %d",
                                   name.ToString(), record.ToString(), offset, read->second),
                   {name, offset});
    }
  }
}

int64_t RecordsChecker::acked_end(const PartitionName& partition) const {
  const auto it = partitions_.find(partition);
  return it == partitions_.end() ? 0 : it->second.acked_end;
}

}  // namespace quorate::sim
