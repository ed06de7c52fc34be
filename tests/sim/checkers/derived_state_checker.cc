#include "tests/sim/checkers/derived_state_checker.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "storage/record_batch.h"
#include "storage/record_iterator.h"

namespace quorate::sim {
namespace {

constexpr size_t kLookups = 16;

std::string Text(const ProducerEntry* entry) {
  if (entry == nullptr) return "nothing";
  return absl::StrFormat("epoch %d, %d batches up to sequence %d at offset %d",
                         entry->epoch.value(), entry->batch_count, entry->last_sequence(),
                         entry->last_offset().value());
}

// `known` has the last one at least, and is right about those that it has: a producer snapshot
// keeps no more than the last, as Kafka's.
bool Agrees(const ProducerEntry& known, const ProducerEntry& all) {
  if (known.epoch != all.epoch || known.batch_count == 0) return false;
  if (known.batch_count > all.batch_count) return false;
  const size_t skipped = all.batch_count - known.batch_count;
  for (size_t i = 0; i < known.batch_count; ++i) {
    if (!(known.batches[i] == all.batches[skipped + i])) return false;
  }
  return true;
}

// The first record as late as `timestamp`; -1 if there is none.
int64_t FirstAt(const std::vector<RecordBatchView>& batches, WallMillis timestamp) {
  for (const RecordBatchView& batch : batches) {
    if (batch.max_timestamp() < timestamp) continue;
    auto records = RecordIterator::Open(batch);
    while (records.ok()) {
      const auto record = records->Next();
      if (!record.ok() || !record->has_value()) break;
      if ((*record)->timestamp >= timestamp) return (*record)->offset.value();
    }
  }
  return -1;
}

}  // namespace

void CheckDerivedState(const PartitionName& partition, int32_t node, const std::string& batches,
                       const DerivedState& state, Verdict& verdict) {
  std::vector<RecordBatchView> all;
  ProducerStateTable producers;
  for (std::string_view bytes = batches; !bytes.empty();) {
    const auto batch = RecordBatchView::Parse(bytes);
    if (!batch.ok()) return;  // ReplicaChecker's matter
    bytes.remove_prefix(static_cast<size_t>(batch->size_bytes()));
    all.push_back(*batch);
    if (batch->has_producer_id()) {
      producers.Update(*batch, batch->base_offset(), batch->max_timestamp());
    }
  }
  const auto add = [&](const std::string& text, int64_t offset) {
    verdict.Add("derived-state",
                absl::StrFormat("%s on node %d: %s", partition.ToString(), node, text),
                {partition, offset, node});
  };
  const size_t step = std::max<size_t>(all.size() / kLookups, 1);
  for (size_t i = 0; i < all.size(); i += step) {
    const int64_t base = all[i].base_offset().value();
    const int64_t last = all[i].last_offset().value();
    if (const int64_t found = state.batch_at(last); found != base) {
      add(absl::StrFormat("offset %d is looked for in the batch at %d, and is in the one at %d",
                          last, found, base),
          last);
    }
    const WallMillis time = all[i].max_timestamp();
    const int64_t first = FirstAt(all, time);
    if (const int64_t found = state.offset_for_time(time); found != first) {
      add(absl::StrFormat("the first record as late as %d is looked for at offset %d, and is at %d",
                          time, found, first),
          first);
    }
  }
  for (const auto& [id, entry] : producers.entries()) {
    const ProducerEntry* const known = state.producers->Find(id);
    if (known != nullptr && Agrees(*known, entry)) continue;
    add(absl::StrFormat("of producer %d is known %s; its batches say %s", id.value(), Text(known),
                        Text(&entry)),
        entry.last_offset().value());
  }
}

}  // namespace quorate::sim
