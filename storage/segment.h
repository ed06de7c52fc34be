// storage/segment.h
//
// Segment is one file of batches of a log, with its indexes. The last segment of a log is the
// active one, which grows; the others are sealed: their file and indexes are opened when needed.
//
// Thread-compatible: owned by its Log. Format: storage/FORMAT.md#segments.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "storage/log_types.h"
#include "storage/record_batch.h"
#include "storage/sparse_index.h"

namespace quorate {

// What a batch's header says, and where the batch lies.
struct BatchFacts {
  int64_t position = 0;  // in the segment file
  int64_t size = 0;      // bytes
  Offset base_offset;
  Offset last_offset;  // inclusive
  LeaderEpoch epoch;
  WallMillis max_timestamp = kNoTimestamp;

  static BatchFacts Of(const RecordBatchView& batch, int64_t position);
};

// "<20 digits>.log" and its companions. `suffix` with its dot.
std::string SegmentFileName(Offset base, std::string_view suffix);
// The offset in such a name; nullopt if `name` is none with this suffix.
std::optional<Offset> ParseSegmentFileName(std::string_view name, std::string_view suffix);

class Segment {
 public:
  // A new, empty, active segment; drops what a file of that name held.
  static absl::StatusOr<std::unique_ptr<Segment>> Create(FileSystem* file_system,
                                                         const std::string& directory, Offset base);
  // An existing one, taken for sealed and ending before `end`. Reads only its size.
  static absl::StatusOr<std::unique_ptr<Segment>> Load(FileSystem* file_system,
                                                       const std::string& directory, Offset base,
                                                       Offset end);

  Offset base() const { return base_; }
  // One past the last record; base() if empty.
  Offset end() const { return end_; }
  void set_end(Offset end) { end_ = end; }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool sealed() const { return sealed_; }
  // Max timestamp of its first batch; kNoTimestamp if empty or not known.
  WallMillis first_timestamp() const { return first_timestamp_; }

  // The file, opened if need be.
  absl::StatusOr<std::shared_ptr<File>> OpenFile() const;
  // Lets go of file and mappings of a sealed segment that waits for no flush.
  void CloseIdle() const;
  bool idle_open() const { return sealed_ && !dirty_ && !index_pending_ && file_ != nullptr; }

  // --- Active segment ---

  // Reserves disk space up to size() + bytes, in pieces of at most `largest`.
  // ERRORS: kResourceExhausted if there is none.
  absl::Status Reserve(int64_t bytes, int64_t largest);
  // Writes at size(). On an error the file is cut back to size(); *broken says if even that failed.
  absl::Status Write(std::span<const std::string_view> pieces, bool* broken);
  // Takes in a batch that Write put at size().
  void NoteAppended(const BatchFacts& batch, int32_t index_interval_bytes);
  bool IndexFull(int32_t index_max_bytes, size_t more) const;
  void NoteAborted(const AbortedTransaction& transaction);
  // No append follows. Frees what was reserved.
  void Seal();
  // Makes a sealed segment active again. BLOCKS: opens, reads the indexes or rebuilds them.
  absl::Status Activate(int32_t index_interval_bytes);
  // Cuts the file at `position`, where a batch begins, and syncs it. REQUIRES: active. BLOCKS.
  // `keep_file`: what is cut stays in the file, as a simulated mistake.
  absl::Status TruncateAt(int64_t position, int32_t index_interval_bytes, bool keep_file = false);
  // Frees space reserved behind the data.
  absl::Status Trim();

  // --- Lookups; sealed segments get their indexes mapped, or rebuilt when those do not fit ---

  // The first batch with last offset >= `offset`; nullopt if there is none.
  // ERRORS: kDataLoss (no batch where one should be, with file and position), or as File::ReadAt.
  absl::StatusOr<std::optional<BatchFacts>> FindBatch(Offset offset) const;
  // The first batch, at or behind `start`, that ends behind byte `limit` of the file; nullopt if
  // none does. REQUIRES: a batch begins at `start`.
  absl::StatusOr<std::optional<BatchFacts>> FindBatchAcross(int64_t start, int64_t limit) const;
  // Position from which to scan for the first batch with max timestamp >= `timestamp`.
  absl::StatusOr<int64_t> ScanStartForTimestamp(WallMillis timestamp) const;
  // Largest timestamp and last offset of the first batch that has it; {-1, -1} if none.
  absl::StatusOr<TimeIndexEntry> MaxTimestamp() const;
  absl::StatusOr<std::vector<AbortedTransaction>> Aborted() const;

  // --- Recovery ---

  // Opens the file and forgets indexes and aborted transactions; NoteScanned builds them anew. The
  // segment is then active and waits for a flush.
  absl::Status BeginScan();
  // Takes in a batch that recovery found.
  void NoteScanned(const BatchFacts& batch, int32_t index_interval_bytes);

  // --- Flush ---

  // File has unsynced bytes.
  bool dirty() const { return dirty_; }
  void set_dirty(bool dirty) { dirty_ = dirty; }
  // Sealed, and its index files are not written yet.
  bool index_pending() const { return index_pending_; }
  void set_index_pending(bool pending) { index_pending_ = pending; }
  // Contents of the index files, to be written: suffix and bytes.
  std::vector<std::pair<std::string, std::string>> IndexFiles() const;
  // Index files are on disk: drops the copies in memory.
  void IndexWritten();

  std::string PathOf(std::string_view suffix) const;

 private:
  Segment(FileSystem* file_system, const std::string& directory, Offset base)
      : file_system_(file_system),
        directory_(directory),
        base_(base),
        end_(base),
        index_(base),
        time_index_(base) {}

  // The batch at the entry's offset; nullopt if there is none with its timestamp. Nothing else
  // shows that a time index is damaged.
  absl::StatusOr<std::optional<BatchFacts>> BatchOf(const TimeIndexEntry& entry) const;
  absl::Status EnsureIndexes() const;
  absl::Status RebuildIndexes() const;
  // Adds what the indexes leave out: from the last index entry to size(). If the indexes do not fit
  // the file, they are dropped and all of it is scanned.
  absl::Status ScanTail(int32_t index_interval_bytes);
  // The first part of it; false if the indexes do not fit.
  absl::StatusOr<bool> ScanBehindIndexes(int32_t index_interval_bytes);
  void Index(const BatchFacts& batch, int32_t index_interval_bytes) const;
  absl::Status BadAt(int64_t position, const std::string& why) const;

  FileSystem* const file_system_;
  const std::string directory_;
  const Offset base_;
  Offset end_;
  int64_t size_ = 0;
  int64_t reserved_end_ = 0;  // disk space is reserved up to here
  bool sealed_ = false;
  bool dirty_ = false;
  bool index_pending_ = false;
  WallMillis first_timestamp_ = kNoTimestamp;

  // What lookups on a sealed segment load lazily.
  mutable std::shared_ptr<File> file_;
  mutable bool indexes_loaded_ = false;
  mutable OffsetIndex index_;
  mutable TimeIndex time_index_;
  mutable int64_t bytes_since_index_ = 0;
  mutable TimeIndexEntry max_timestamp_{kNoTimestamp, kNoOffset};
  mutable bool max_timestamp_checked_ = true;  // false: a file says so, and may be damaged
  mutable std::optional<std::vector<AbortedTransaction>> aborted_;
};

}  // namespace quorate
