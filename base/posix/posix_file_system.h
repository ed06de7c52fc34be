// base/posix/posix_file_system.h
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace quorate {

// The machine's file system: pread, pwritev, fdatasync, fallocate(KEEP_SIZE), mmap, flock.
// Besides what FileSystem lists, too many open files and no memory are kResourceExhausted.
// Thread-safe, without state.
class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::Status CreateDirectories(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status RemoveTree(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
};

}  // namespace quorate
