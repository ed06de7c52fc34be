#include "raft/core/voter_history.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace quorate::raft {

void VoterHistory::Append(LogIndex index, VoterSet voters) {
  if (!records_.empty()) QCHECK_GT(index, records_.back().index);
  records_.push_back({index, std::move(voters)});
}

void VoterHistory::TruncateTo(LogIndex end) {
  while (!records_.empty() && records_.back().index >= end) records_.pop_back();
}

void VoterHistory::TruncateFront(LogIndex start) {
  size_t gone = 0;
  while (gone < records_.size() && records_[gone].index < start) ++gone;
  if (gone == 0) return;
  base_ = std::move(records_[gone - 1].voters);
  base_is_dynamic_ = true;
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(gone));
}

std::shared_ptr<const VoterSet> VoterHistory::ForSnapshot(LogIndex end) const {
  const bool dynamic = base_is_dynamic_ || (!records_.empty() && records_.front().index < end);
  return dynamic ? std::make_shared<const VoterSet>(At(end)) : nullptr;
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
