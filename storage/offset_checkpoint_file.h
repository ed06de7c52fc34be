// storage/offset_checkpoint_file.h
//
// OffsetCheckpointFile: one offset per partition in one small text file per data directory, in
// Kafka's format (storage/FORMAT.md#offset-checkpoints).
//
// Thread-compatible; Read and Write BLOCK.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"

namespace quorate {

inline constexpr char kRecoveryPointCheckpointName[] = "recovery-point-offset-checkpoint";
inline constexpr char kHighWatermarkCheckpointName[] = "replication-offset-checkpoint";
inline constexpr char kLogStartCheckpointName[] = "log-start-offset-checkpoint";

class OffsetCheckpointFile {
 public:
  using Key = std::pair<std::string, PartitionIndex>;  // topic name, partition
  using Offsets = std::map<Key, Offset>;

  OffsetCheckpointFile(FileSystem* file_system, std::string path)
      : file_system_(file_system), path_(std::move(path)) {}

  // The offsets in the file; none if it is missing.
  // ERRORS: kDataLoss if it is torn or malformed (the owner goes on as if it were missing, after
  // saying so); else as FileSystem.
  absl::StatusOr<Offsets> Read() const;

  // Replaces the file. DURABLE: when OK.
  absl::Status Write(const Offsets& offsets) const;

 private:
  FileSystem* file_system_;
  std::string path_;
};

}  // namespace quorate
