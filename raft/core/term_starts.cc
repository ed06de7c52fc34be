#include "raft/core/term_starts.h"

#include <algorithm>

#include "base/check.h"

namespace quorate::raft {

void TermStarts::Append(Term term, LogIndex index) {
  QCHECK_GT(term, Term(0));
  if (!starts_.empty()) {
    QCHECK_GE(term, starts_.back().term);
    QCHECK_GT(index, starts_.back().index);
    if (term == starts_.back().term) return;
  }
  starts_.push_back({term, index});
}

void TermStarts::TruncateTo(LogIndex end) {
  while (!starts_.empty() && starts_.back().index >= end) starts_.pop_back();
}

void TermStarts::StartAt(LogIndex start, Term term) {
  QCHECK_GT(start, LogIndex(0));
  QCHECK_GT(term, Term(0));
  starts_.clear();
  starts_.push_back({term, start - 1});
}

void TermStarts::TruncateFront(LogIndex start) {
  QCHECK_GT(start, LogIndex(0));
  auto after = std::upper_bound(starts_.begin(), starts_.end(), start - 1,
                                [](LogIndex value, const Start& s) { return value < s.index; });
  QCHECK(after != starts_.begin());
  starts_.erase(starts_.begin(), std::prev(after));
  starts_.front().index = start - 1;
}

Term TermStarts::TermAt(LogIndex index) const {
  auto after =
      std::upper_bound(starts_.begin(), starts_.end(), index,
                       [](LogIndex value, const Start& start) { return value < start.index; });
  return after == starts_.begin() ? Term(0) : std::prev(after)->term;
}

TermEnd TermStarts::EndFor(Term term, LogIndex log_start, LogIndex log_end) const {
  auto after = std::upper_bound(starts_.begin(), starts_.end(), term,
                                [](Term value, const Start& start) { return value < start.term; });
  if (after == starts_.begin()) return {Term(0), log_start};
  return {std::prev(after)->term, after == starts_.end() ? log_end : after->index};
}

}  // namespace quorate::raft
