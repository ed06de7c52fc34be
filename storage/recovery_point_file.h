// storage/recovery_point_file.h
//
// A small file that says up to where a log was known to be on disk. Damage below it is refused at
// the next start; only what lies above may be torn.
//
// It is written after each flush without a sync of its own: killing the process loses nothing of
// it, a power cut may leave an older point, which is a smaller promise and so is safe. Two slots in
// turn, each with a checksum, so that a torn write leaves the other one. Whoever cuts the log below
// the point has to lower it first. Format: storage/FORMAT.md#recovery-points.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"

namespace quorate {

// Thread-compatible: owned by the log's loop.
class RecoveryPointFile {
 public:
  // Opens the file, made if missing, and reads the point: of two valid slots the younger counts;
  // 0 if none is valid.
  // BLOCKS. ERRORS: as FileSystem.
  static absl::StatusOr<std::unique_ptr<RecoveryPointFile>> Open(FileSystem* file_system,
                                                                 const std::string& path);

  Offset point() const { return point_; }

  // Writes `point`. DURABLE: after the file's next sync, whenever the system does it.
  absl::Status Write(Offset point);

  // Syncing it makes the last Write durable.
  const std::shared_ptr<File>& file() const { return file_; }

 private:
  explicit RecoveryPointFile(std::shared_ptr<File> file) : file_(std::move(file)) {}

  std::shared_ptr<File> file_;
  Offset point_{0};
  int64_t sequence_ = 0;  // of the last slot written
};

}  // namespace quorate
