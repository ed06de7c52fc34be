#include "raft/term_table.h"

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "storage/leader_epoch_cache.h"

namespace quorate {

absl::StatusOr<raft::TermStarts> TermTableOf(const Log& log, Term before_start) {
  raft::TermStarts terms;
  if (before_start > Term(0)) {
    terms.StartAt(LogIndex(log.log_start_offset().value()), before_start);
  }
  if (log.empty()) return terms;
  const Offset end = log.end_offset();
  for (const EpochStart& start : log.epochs().entries()) {
    if (start.start_offset >= end) break;  // no record yet
    if (start.epoch <= LeaderEpoch(0) || start.epoch < LeaderEpoch(before_start.value())) {
      return absl::DataLossError(absl::StrFormat("%s: records of term %d at index %d",
                                                 log.directory(), start.epoch.value(),
                                                 start.start_offset.value()));
    }
    terms.Append(Term(start.epoch.value()), LogIndex(start.start_offset.value()));
  }
  const auto& first = log.epochs().entries();
  if (first.empty() || first.front().start_offset > log.log_start_offset()) {
    return absl::DataLossError(absl::StrFormat("%s: the records from index %d on have no term",
                                               log.directory(), log.log_start_offset().value()));
  }
  QCHECK_EQ(terms.last_term().value(), log.EpochAt(end - 1).value_or(LeaderEpoch(0)).value());
  return terms;
}

}  // namespace quorate
