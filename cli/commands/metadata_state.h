// cli/commands/metadata_state.h
//
// The cluster's state at an index, rebuilt from a node's metadata log directory: the newest
// readable snapshot that does not lie beyond, then the records behind it. Time travel, for tools.
//
// BLOCKS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "controller/image/metadata_image.h"
#include "raft/core/messages.h"
#include "raft/core/voter_set.h"

namespace quorate {

// A snapshot file as it was found.
struct SnapshotOnDisk {
  raft::SnapshotId id;
  std::string path;
  int64_t size_bytes = 0;
  WallMillis append_time = 0;
  int64_t records = 0;
  std::optional<raft::VoterSet> voters;  // by its header; see SnapshotHeader
  absl::Status state;                    // OK, or what is wrong with it
};

// All snapshots in `directory` (a log directory, or its __cluster_metadata-0), oldest first, each
// read from end to end. ERRORS: as FileSystem.
absl::StatusOr<std::vector<SnapshotOnDisk>> ListSnapshots(FileSystem* file_system,
                                                          const std::string& directory);

// The state of all records before `index`; nullopt: of all there are, committed or not. A batch
// that holds `index` does not count. ERRORS: kOutOfRange if `index` lies before the oldest readable
// snapshot and the log does not begin at 0, or behind the log's end; the text names what there is.
// kDataLoss (damage, a gap); what Replay returns; else as FileSystem.
absl::StatusOr<MetadataImage> StateAt(FileSystem* file_system, const std::string& directory,
                                      std::optional<LogIndex> index);

}  // namespace quorate
