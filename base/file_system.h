// base/file_system.h
//
// FileSystem is the only way to files. The real one is in base/posix; the simulated one loses,
// tears and corrupts what was not synced.
//
// All calls may block; on a loop only those that touch the page cache (WriteAt, small ReadAt) are
// allowed, the rest runs on the BlockingPool. Paths are absolute or relative to the process.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quorate {

// Read-only view of a file's first bytes(). Stays valid while it lives, also after the file was
// removed. What WriteAt changed inside the range shows; bytes past the size at mapping time are
// not part of it. Shrinking a file below a live mapping is a caller bug.
class FileMapping {
 public:
  virtual ~FileMapping() = default;
  virtual std::string_view bytes() const = 0;
};

// An open file. Errors: kResourceExhausted (no space), kDataLoss (EIO), kInternal (others), each
// with path and errno text. Thread-safe: calls may come from any thread; overlapping writes are
// the caller's bug.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `length` bytes at `offset` (bytes from the start) into `out`; returns how many.
  // Fewer than `length` only at the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const = 0;

  // Writes the pieces one after the other from `offset`; the file grows as needed (a gap reads as
  // zero). On an error any part of the range may have been written.
  // DURABLE: after a later successful Sync.
  virtual absl::Status WriteAt(int64_t offset, std::span<const std::string_view> pieces) = 0;

  // Reserves disk space for [offset, offset + length) without changing the file's size.
  virtual absl::Status Preallocate(int64_t offset, int64_t length) = 0;

  // Makes contents and size durable (fdatasync). After an error what was written since the last
  // success must be taken as lost; never retry.
  // BLOCKS: up to seconds.
  virtual absl::Status Sync() = 0;

  // Cuts or grows (with zeros) to `size` bytes.
  virtual absl::Status Truncate(int64_t size) = 0;

  virtual absl::StatusOr<int64_t> Size() const = 0;

  virtual absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const = 0;

  virtual const std::string& path() const = 0;

  // The descriptor for sendfile, or -1 where there is none (simulation).
  virtual int descriptor() const = 0;
};

// Held while it lives; see FileSystem::Lock.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kRead,         // existing, read only
  kWrite,        // existing, read and write
  kCreate,       // read and write, made if missing
  kCreateFresh,  // read and write, made; contents dropped if it was there
};

// Errors: kNotFound, kAlreadyExists, kPermissionDenied, kResourceExhausted, kDataLoss (EIO),
// kInternal, each with path and errno text. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;

  // Makes the directory and its missing parents. OK if it is there.
  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  // Names (no paths) in a directory, sorted, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  virtual bool Exists(const std::string& path) = 0;
  virtual bool IsDirectory(const std::string& path) = 0;
  // Removes a file. DURABLE: after SyncDirectory of the parent.
  virtual absl::Status Remove(const std::string& path) = 0;
  // Removes a file or a directory with all it holds; OK if it is not there.
  virtual absl::Status RemoveTree(const std::string& path) = 0;
  // Replaces `to` atomically. DURABLE: after SyncDirectory of the parent of `to`.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  // Makes creations, removals and renames in `path` durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // Takes an exclusive lock on `path` (made if missing), for this process.
  // ERRORS: kFailedPrecondition if another holds it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;

  // Reads a whole file. ERRORS: also kResourceExhausted if it is larger than `max_bytes`.
  absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = 256 << 20);
  // Replaces `path` by `contents`: temporary file, sync, rename, sync of the directory. After a
  // crash either the old or the new contents are there, whole.
  // DURABLE: when the returned status is OK.
  absl::Status WriteFileAtomically(const std::string& path, std::string_view contents);
};

}  // namespace quorate
