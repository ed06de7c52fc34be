// raft/metadata_log_reader.h
//
// MetadataLogReader walks a metadata log directory batch by batch, for tools. It only reads, and
// may do so while the node runs: a batch that is not all there yet ends the log.
//
// What came before the log's first record is in snapshots beside it (raft/snapshot_file.h).
//
// Thread-compatible; its calls BLOCK.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "raft/metadata_quorum.h"
#include "storage/record_batch.h"

namespace quorate {

// The metadata log directory that `directory` is, or holds as __cluster_metadata-0.
std::string MetadataLogDirectory(FileSystem* file_system, const std::string& directory);

class MetadataLogReader {
 public:
  // One batch and where it lies.
  struct Entry {
    std::shared_ptr<const MetadataBatch> batch;
    std::optional<ControlRecordType> control_type;  // set if batch->control
    std::string file;                               // path of the segment
    int64_t position = 0;                           // of the batch's first byte in `file`
    int64_t size_bytes = 0;
  };

  // `directory`: a metadata log (it holds *.log files), or a directory with __cluster_metadata-0
  // in it.
  // ERRORS: kNotFound if there are no segments; else as FileSystem.
  static absl::StatusOr<std::unique_ptr<MetadataLogReader>> Open(FileSystem* file_system,
                                                                 const std::string& directory);

  // The next batch, or nullopt at the end.
  // ERRORS: kDataLoss naming file and position: bytes that are no batch, a CRC that does not fit,
  // indexes that do not follow one another, records that cannot be read. Nothing can be read after
  // an error.
  absl::StatusOr<std::optional<Entry>> Next();

  // Bytes of an unfinished batch that ended the last file; known once Next gave nullopt.
  int64_t torn_bytes() const { return torn_bytes_; }

 private:
  MetadataLogReader(FileSystem* file_system, std::vector<std::string> paths)
      : file_system_(file_system), paths_(std::move(paths)) {}
  absl::Status Damage(const std::string& what) const;
  absl::Status OpenNextFile();
  // The whole batch at position_; nullopt if the file ends before it does.
  absl::StatusOr<std::optional<std::string>> ReadBatchBytes();

  FileSystem* const file_system_;
  const std::vector<std::string> paths_;  // in order
  size_t next_path_ = 0;
  std::shared_ptr<File> file_;  // null before the first and after the last
  int64_t position_ = 0;
  LogIndex next_index_;
  bool first_ = true;
  int64_t torn_bytes_ = 0;
};

}  // namespace quorate
