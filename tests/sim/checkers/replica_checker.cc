#include "tests/sim/checkers/replica_checker.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "storage/record_batch.h"

namespace quorate::sim {
namespace {

// Base offset of the batch that holds byte `at`; -1 if none can be told.
int64_t BatchAt(std::string_view bytes, size_t at) {
  size_t position = 0;
  while (position < bytes.size()) {
    const auto batch = RecordBatchView::Parse(bytes.substr(position));
    if (!batch.ok()) return -1;
    if (at < position + static_cast<size_t>(batch->size_bytes())) {
      return batch->base_offset().value();
    }
    position += static_cast<size_t>(batch->size_bytes());
  }
  return -1;
}

}  // namespace

void CheckReplicas(const PartitionName& partition, const std::vector<ReplicaBytes>& replicas,
                   Verdict& verdict) {
  for (size_t i = 1; i < replicas.size(); ++i) {
    const std::string& a = replicas[0].bytes;
    const std::string& b = replicas[i].bytes;
    if (a == b) continue;
    const size_t length = std::min(a.size(), b.size());
    const size_t at = static_cast<size_t>(
        std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(length), b.begin()).first -
        a.begin());
    verdict.Add("replicas",
                absl::StrFormat("%s: nodes %d and %d differ at byte %d (sizes %d and %d), in the "
                                "batches at offsets %d and %d",
                                partition.ToString(), replicas[0].node, replicas[i].node, at,
                                a.size(), b.size(), BatchAt(a, at), BatchAt(b, at)),
                {partition, BatchAt(b, at), replicas[i].node});
  }
}

}  // namespace quorate::sim
