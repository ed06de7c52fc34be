#include "raft/core/voter_history.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace quorate::raft {

void VoterHistory::Append(LogIndex index, VoterSet voters) {
  if (!records_.empty()) QCHECK_GT(index, records_.back().index);
  records_.push_back({index, std::move(voters)});
}

void VoterHistory::TruncateTo(LogIndex end) {
  while (!records_.empty() && records_.back().index >= end) records_.pop_back();
}

const VoterSet& VoterHistory::At(LogIndex end) const {
  const auto after =
      std::lower_bound(records_.begin(), records_.end(), end,
                       [](const Record& record, LogIndex value) { return record.index < value; });
  return after == records_.begin() ? base_ : std::prev(after)->voters;
}

std::optional<LogIndex> VoterHistory::latest_index() const {
  if (records_.empty()) return std::nullopt;
  return records_.back().index;
}

}  // namespace quorate::raft
