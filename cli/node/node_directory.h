// cli/node/node_directory.h
//
// What a log directory says of its owner: the file meta.properties, in Kafka's format, names the
// cluster, the node and the directory. `quorate format` writes it; a node starts only on
// directories that are its own.
//
// Blocking; used before the loops start and by tools.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/uuid.h"
#include "raft/core/voter_set.h"

namespace quorate {

// Contents of one meta.properties.
struct DirectoryIdentity {
  std::string cluster_id;
  NodeId node_id;
  Uuid directory_id;
};

// What a node knows of itself once its directories are read.
struct NodeIdentity {
  std::string cluster_id;
  NodeId node_id;
  std::vector<Uuid> directory_ids;  // in the order of the directories
};

// ERRORS: kNotFound if the directory is not formatted; kDataLoss if the file is damaged, with what
// is missing or malformed.
absl::StatusOr<DirectoryIdentity> ReadDirectoryIdentity(FileSystem& files,
                                                        const std::string& directory);

struct FormatOptions {
  std::string cluster_id;
  NodeId node_id;
  bool ignore_formatted = false;  // leave directories that are formatted (for this node) alone
  // One of the directories gets this id; a zero one: all get fresh ones.
  std::string metadata_directory = {};
  Uuid metadata_directory_id = {};
  // The first voters of the metadata quorum, left in the metadata directory before anything says
  // that it is formatted; empty: none, they are configured, or found once this node runs.
  raft::VoterSet first_voters = {};
};

// Formats all directories; none is touched if any is refused. Returns those that were formatted
// now (with ignore_formatted perhaps none).
// ERRORS: kAlreadyExists if one is formatted; kFailedPrecondition if it belongs to another cluster
// or node (says both ids); kInvalidArgument for a malformed cluster id.
// DURABLE: when OK.
absl::StatusOr<std::vector<std::string>> FormatDirectories(
    FileSystem& files, const std::vector<std::string>& directories, const FormatOptions& options,
    Random& random);

// Reads all directories and checks that they are formatted, agree on the cluster and belong to
// `node_id`.
// ERRORS: kNotFound naming the format command; kFailedPrecondition naming both ids; kDataLoss.
absl::StatusOr<NodeIdentity> CheckDirectories(FileSystem& files,
                                              const std::vector<std::string>& directories,
                                              NodeId node_id);

// Locks every directory (file .lock) for this process.
// ERRORS: kFailedPrecondition if another process has one (scenario G20).
absl::StatusOr<std::vector<std::unique_ptr<FileLock>>> LockDirectories(
    FileSystem& files, const std::vector<std::string>& directories);

}  // namespace quorate
