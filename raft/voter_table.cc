#include "raft/voter_table.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "raft/voters_record.h"
#include "storage/record_batch.h"

namespace quorate {
namespace {

constexpr int64_t kBytesPerRead = 4 << 20;

}  // namespace

absl::StatusOr<raft::VoterHistory> VoterTableOf(const Log& log, raft::VoterHistory history) {
  Offset next = log.log_start_offset();
  while (next < log.end_offset()) {
    Q_ASSIGN_OR_RETURN(const LogReadResult read,
                       log.Read(next, log.end_offset(), kBytesPerRead, /*at_least_one=*/true));
    Q_ASSIGN_OR_RETURN(const std::string bytes, read.ToBytes());
    Q_ASSIGN_OR_RETURN(const std::vector<RecordBatchView> batches,
                       ValidateBatches(bytes, BatchLimits{}, BatchOrigin{}));
    if (batches.empty()) {
      return absl::DataLossError(
          absl::StrFormat("%s: nothing at index %d", log.directory(), next.value()));
    }
    for (const RecordBatchView& batch : batches) {
      Q_ASSIGN_OR_RETURN(const std::shared_ptr<const raft::VoterSet> voters, VotersOf(batch));
      if (voters) history.Append(LogIndex(batch.base_offset().value()), *voters);
      next = batch.next_offset();
    }
  }
  return history;
}

}  // namespace quorate
