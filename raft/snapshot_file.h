// raft/snapshot_file.h
//
// One snapshot of the metadata log as a file: a header, the records that make the state, a footer,
// all as record batches. Format: raft/FORMAT.md#snapshots.
//
// A snapshot is written to "<name>.part", synced, and only then gets its name: what bears the name
// is whole. All the same it is read with suspicion: every checksum, the header, the footer.
//
// All calls BLOCK: they run on the BlockingPool, or at start-up.
// Source: KIP-630.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "raft/core/messages.h"
#include "raft/core/voter_set.h"
#include "raft/metadata_quorum.h"
#include "storage/record_batch.h"

namespace quorate {

// "00000000000000000042-0000000003.checkpoint", as Kafka names it: end and term.
std::string SnapshotFileName(const raft::SnapshotId& id);
// nullopt if `name` is none of these.
std::optional<raft::SnapshotId> ParseSnapshotFileName(std::string_view name);

struct SnapshotHeader {
  raft::SnapshotId id;
  WallMillis append_time = 0;  // when the leader appended the last batch before `id.end`
  std::string cluster_id;
  // In force at `id.end`; nullopt while they are those of the configuration.
  std::optional<raft::VoterSet> voters = std::nullopt;
  bool operator==(const SnapshotHeader&) const = default;
};

// Writes one snapshot file. Not finished, it leaves a part of a file that nobody reads.
class SnapshotWriter {
 public:
  // Begins at `path` anew. ERRORS: as FileSystem.
  static absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(FileSystem* file_system,
                                                                const std::string& path,
                                                                const SnapshotHeader& header);

  // Adds records as one batch. REQUIRES: not empty. ERRORS: as File.
  absl::Status Add(const std::vector<std::string>& records);

  // Adds the footer. DURABLE: the contents, not yet the name. Nothing may follow.
  absl::Status Finish();

 private:
  SnapshotWriter(std::shared_ptr<File> file, SnapshotHeader header)
      : file_(std::move(file)), header_(std::move(header)) {}
  absl::Status Write(const std::string& batch);
  absl::Status WriteControl(ControlRecordType type, const std::string& value);

  const std::shared_ptr<File> file_;
  const SnapshotHeader header_;
  int64_t position_ = 0;
  int64_t next_offset_ = 0;  // records of a snapshot are numbered from 0 on, control ones included
  int64_t records_ = 0;
};

// Takes one serialised record of the state; an error ends the reading.
using SnapshotRecordSink = absl::FunctionRef<absl::Status(std::string_view record)>;

// Reads the file from end to end and gives its records to `sink`, in order. The header is
// compared with `id` and, unless empty, `cluster_id`. Memory: one batch.
// ERRORS: kDataLoss with path and position: a checksum that does not fit, a header that is not that
// of `id`, a missing footer, a wrong count, bytes after the footer, records that cannot be read;
// kFailedPrecondition: the snapshot of another cluster; those of `sink`; else as FileSystem.
// Records given to `sink` before an error mean nothing.
absl::StatusOr<SnapshotHeader> ReadSnapshotFile(FileSystem* file_system, const std::string& path,
                                                const raft::SnapshotId& id,
                                                const std::string& cluster_id,
                                                SnapshotRecordSink sink);

// The whole of it in memory, to be handed to listeners. ERRORS: as above.
absl::StatusOr<std::shared_ptr<const MetadataSnapshot>> LoadSnapshotFile(
    FileSystem* file_system, const std::string& path, const raft::SnapshotId& id,
    const std::string& cluster_id);

}  // namespace quorate
