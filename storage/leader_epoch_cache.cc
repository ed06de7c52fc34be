#include "storage/leader_epoch_cache.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "storage/checkpoint_text.h"

namespace quorate {
namespace {

bool StartsAfter(Offset offset, const EpochStart& entry) { return offset < entry.start_offset; }
bool EpochAfter(LeaderEpoch epoch, const EpochStart& entry) { return epoch < entry.epoch; }

}  // namespace

bool LeaderEpochCache::Assign(LeaderEpoch epoch, Offset start_offset) {
  if (!entries_.empty() && epoch <= entries_.back().epoch) return false;
  while (!entries_.empty() && entries_.back().start_offset >= start_offset) entries_.pop_back();
  entries_.push_back({epoch, start_offset});
  ++version_;
  return true;
}

absl::StatusOr<EpochEndOffset> LeaderEpochCache::EndOffsetFor(LeaderEpoch epoch,
                                                              Offset log_end_offset) const {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), epoch, EpochAfter);
  if (next == entries_.begin()) {
    return absl::NotFoundError(
        absl::StrFormat("leader epoch %d precedes all known ones", epoch.value()));
  }
  const Offset end = next == entries_.end() ? log_end_offset : next->start_offset;
  return EpochEndOffset{std::prev(next)->epoch, end};
}

std::optional<LeaderEpoch> LeaderEpochCache::EpochAt(Offset offset) const {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), offset, StartsAfter);
  if (next == entries_.begin()) return std::nullopt;
  return std::prev(next)->epoch;
}

std::optional<LeaderEpoch> LeaderEpochCache::latest_epoch() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.back().epoch;
}

std::optional<LeaderEpoch> LeaderEpochCache::PreviousEpoch(LeaderEpoch epoch) const {
  auto next = std::upper_bound(entries_.begin(), entries_.end(), epoch - 1, EpochAfter);
  if (next == entries_.begin()) return std::nullopt;
  return std::prev(next)->epoch;
}

void LeaderEpochCache::TruncateFromEnd(Offset end) {
  while (!entries_.empty() && entries_.back().start_offset >= end) {
    entries_.pop_back();
    ++version_;
  }
}

void LeaderEpochCache::TruncateFromStart(Offset start) {
  const auto next = std::upper_bound(entries_.begin(), entries_.end(), start, StartsAfter);
  if (next == entries_.begin()) return;
  const auto spanning = std::prev(next);
  if (spanning == entries_.begin() && spanning->start_offset == start) return;
  spanning->start_offset = start;
  entries_.erase(entries_.begin(), spanning);
  ++version_;
}

void LeaderEpochCache::Clear() {
  if (entries_.empty()) return;
  entries_.clear();
  ++version_;
}

std::string LeaderEpochCache::Serialize() const {
  std::string text = absl::StrFormat("0\n%d\n", entries_.size());
  for (const EpochStart& entry : entries_) {
    absl::StrAppendFormat(&text, "%d %d\n", entry.epoch.value(), entry.start_offset.value());
  }
  return text;
}

absl::StatusOr<LeaderEpochCache> LeaderEpochCache::Parse(std::string_view text) {
  LeaderEpochCache cache;
  Q_ASSIGN_OR_RETURN(std::vector<std::string_view> lines, CheckpointLines(text));
  for (std::string_view line : lines) {
    int64_t start = 0;
    int64_t epoch = 0;
    if (!TakeLastNumber(&line, &start) || !TakeLastNumber(&line, &epoch) || !line.empty() ||
        epoch < 0 || epoch > INT32_MAX || start < 0) {
      return absl::DataLossError("leader epochs: malformed line");
    }
    const EpochStart entry{LeaderEpoch(static_cast<int32_t>(epoch)), Offset(start)};
    if (!cache.entries_.empty() && (cache.entries_.back().epoch >= entry.epoch ||
                                    cache.entries_.back().start_offset >= entry.start_offset)) {
      return absl::DataLossError("leader epochs: not increasing");
    }
    cache.entries_.push_back(entry);
  }
  return cache;
}

TruncationStep NextTruncation(const LeaderEpochCache& follower, Offset follower_start,
                              Offset follower_end,
                              const std::optional<EpochEndOffset>& leader_answer) {
  // The leader knows no epoch as old as ours: nothing is shared.
  if (!leader_answer.has_value()) return {follower_start, true};
  const absl::StatusOr<EpochEndOffset> ours =
      follower.EndOffsetFor(leader_answer->epoch, follower_end);
  // All we hold is of later epochs than the leader's answer: nothing is shared.
  if (!ours.ok()) return {follower_start, true};
  if (ours->epoch == leader_answer->epoch) {
    return {std::min({ours->end_offset, leader_answer->end_offset, follower_end}), true};
  }
  // We lack the leader's epoch: what we hold above our next older one cannot match; ask again
  // about that one.
  return {std::min(ours->end_offset, follower_end), false};
}

}  // namespace quorate
