// storage/sparse_index.h
//
// The two sparse indexes of a segment, byte for byte as their files: OffsetIndex (offset to
// position) and TimeIndex (timestamp to offset). The active segment's are in memory; a sealed
// one's are mapped when first needed.
//
// Thread-compatible. Format: storage/FORMAT.md#indexes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ids.h"

namespace quorate {

// Bytes that grow in memory or lie in a mapping.
class IndexBytes {
 public:
  std::string_view view() const { return mapping_ != nullptr ? mapping_->bytes() : memory_; }
  std::string& memory() { return memory_; }
  void Reset() {
    memory_.clear();
    memory_.shrink_to_fit();
    mapping_.reset();
  }
  void SetMapping(std::shared_ptr<const FileMapping> mapping) {
    Reset();
    mapping_ = std::move(mapping);
  }

 private:
  std::string memory_;
  std::shared_ptr<const FileMapping> mapping_;
};

// Last offset of an indexed batch, and where the batch begins in the segment file.
struct IndexEntry {
  Offset offset;
  int32_t position = 0;
  bool operator==(const IndexEntry&) const = default;
};

class OffsetIndex {
 public:
  static constexpr size_t kEntryBytes = 8;
  explicit OffsetIndex(Offset base) : base_(base) {}

  size_t count() const { return bytes_.view().size() / kEntryBytes; }
  IndexEntry At(size_t i) const;
  // The last entry with offset <= `offset`; nullopt if none.
  std::optional<IndexEntry> Lookup(Offset offset) const;
  // The last entry with position <= `position`; nullopt if none.
  std::optional<IndexEntry> LookupPosition(int64_t position) const;
  // REQUIRES: in memory, `entry` behind the last one.
  void Append(const IndexEntry& entry);
  // Drops entries whose batch begins at or behind `position`. REQUIRES: in memory.
  void TruncateToPosition(int64_t position);
  // Whether the bytes can be the index of `segment_bytes` bytes of log: whole entries, the last
  // one inside. O(1).
  bool LooksSane(int64_t segment_bytes) const;
  IndexBytes& bytes() { return bytes_; }
  const IndexBytes& bytes() const { return bytes_; }

 private:
  Offset base_;
  IndexBytes bytes_;
};

// The largest timestamp so far and the last offset of the batch that has it.
struct TimeIndexEntry {
  WallMillis timestamp = -1;
  Offset offset;
  bool operator==(const TimeIndexEntry&) const = default;
};

class TimeIndex {
 public:
  static constexpr size_t kEntryBytes = 12;
  explicit TimeIndex(Offset base) : base_(base) {}

  size_t count() const { return bytes_.view().size() / kEntryBytes; }
  TimeIndexEntry At(size_t i) const;
  // The last entry with timestamp < `timestamp`; nullopt if none.
  std::optional<TimeIndexEntry> LookupBefore(WallMillis timestamp) const;
  // Appends unless the timestamp is not above the last one's. REQUIRES: in memory.
  void MaybeAppend(const TimeIndexEntry& entry);
  // Drops entries at or above `end`. REQUIRES: in memory.
  void TruncateToOffset(Offset end);
  bool LooksSane(Offset segment_end) const;
  IndexBytes& bytes() { return bytes_; }
  const IndexBytes& bytes() const { return bytes_; }

 private:
  Offset base_;
  IndexBytes bytes_;
};

}  // namespace quorate
