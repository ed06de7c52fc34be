#include "storage/sparse_index.h"

#include "base/check.h"
#include "storage/byte_order.h"

namespace quorate {
namespace {

// How many of the first `count` items fulfil `holds`, which is true for a prefix of them.
template <typename Holds>
size_t PrefixLength(size_t count, Holds holds) {
  size_t low = 0;
  size_t high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (holds(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

IndexEntry OffsetIndex::At(size_t i) const {
  const char* p = bytes_.view().data() + i * kEntryBytes;
  return {base_ + LoadBe32(p), LoadBe32(p + 4)};
}

std::optional<IndexEntry> OffsetIndex::Lookup(Offset offset) const {
  const size_t n = PrefixLength(count(), [&](size_t i) { return At(i).offset <= offset; });
  if (n == 0) return std::nullopt;
  return At(n - 1);
}

std::optional<IndexEntry> OffsetIndex::LookupPosition(int64_t position) const {
  const size_t n = PrefixLength(count(), [&](size_t i) { return At(i).position <= position; });
  if (n == 0) return std::nullopt;
  return At(n - 1);
}

void OffsetIndex::Append(const IndexEntry& entry) {
  const int64_t relative = entry.offset - base_;
  QCHECK_LE(relative, INT32_MAX);
  AppendBe32(&bytes_.memory(), static_cast<int32_t>(relative));
  AppendBe32(&bytes_.memory(), entry.position);
}

void OffsetIndex::TruncateToPosition(int64_t position) {
  const size_t n = PrefixLength(count(), [&](size_t i) { return At(i).position < position; });
  bytes_.memory().resize(n * kEntryBytes);
}

bool OffsetIndex::LooksSane(int64_t segment_bytes) const {
  if (bytes_.view().size() % kEntryBytes != 0) return false;
  if (count() == 0) return true;
  const IndexEntry first = At(0);
  const IndexEntry last = At(count() - 1);
  return first.offset >= base_ && first.position >= 0 && last.position < segment_bytes &&
         (count() == 1 || (last.position > first.position && last.offset > first.offset));
}

TimeIndexEntry TimeIndex::At(size_t i) const {
  const char* p = bytes_.view().data() + i * kEntryBytes;
  return {LoadBe64(p), base_ + LoadBe32(p + 8)};
}

std::optional<TimeIndexEntry> TimeIndex::LookupBefore(WallMillis timestamp) const {
  const size_t n = PrefixLength(count(), [&](size_t i) { return At(i).timestamp < timestamp; });
  if (n == 0) return std::nullopt;
  return At(n - 1);
}

void TimeIndex::MaybeAppend(const TimeIndexEntry& entry) {
  if (entry.timestamp < 0) return;
  if (count() > 0 && At(count() - 1).timestamp >= entry.timestamp) return;
  AppendBe64(&bytes_.memory(), entry.timestamp);
  AppendBe32(&bytes_.memory(), static_cast<int32_t>(entry.offset - base_));
}

void TimeIndex::TruncateToOffset(Offset end) {
  const size_t n = PrefixLength(count(), [&](size_t i) { return At(i).offset < end; });
  bytes_.memory().resize(n * kEntryBytes);
}

bool TimeIndex::LooksSane(Offset segment_end) const {
  if (bytes_.view().size() % kEntryBytes != 0) return false;
  if (count() == 0) return true;
  const TimeIndexEntry first = At(0);
  const TimeIndexEntry last = At(count() - 1);
  return first.offset >= base_ && last.offset < segment_end &&
         (count() == 1 || (last.timestamp > first.timestamp && last.offset > first.offset));
}

}  // namespace quorate
