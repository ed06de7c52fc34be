// storage/testing/memory_file_system.h
//
// MemoryFileSystem: files in memory that forget, as a disk does, what was not synced. For tests of
// crashes and of failing calls; the simulator has its own.
//
// What a crash may leave, chosen by the caller's Random: each page written since the last Sync with
// its new or its old contents; any size between the synced and the last one; a shrinking Truncate
// done or undone together with all that followed it; of the changes to a directory since its last
// SyncDirectory any prefix.
//
// Thread-compatible.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"

namespace quorate {

class MemoryFileSystem final : public FileSystem {
 public:
  enum class Op {
    kOpenNew,
    kWrite,
    kPreallocate,
    kSync,
    kTruncate,
    kMkdir,
    kRemove,
    kRename,
    kSyncDir
  };
  // Sees every changing call before it happens; an error makes the call fail with it (a write then
  // leaves half of its bytes).
  using Hook = std::function<absl::Status(Op op, const std::string& path)>;

  MemoryFileSystem();
  ~MemoryFileSystem() override;

  void set_hook(Hook hook) { hook_ = std::move(hook); }
  // Bytes that all files together may take, reservations included.
  void set_capacity(int64_t bytes) { capacity_ = bytes; }
  // Changing calls so far.
  int64_t operations() const { return operations_; }
  // Loses what was not synced and ends all open files: their calls fail from now on. Clears the
  // hook.
  void Crash(Random& random);
  // As Crash, but nothing is lost: the process died, the machine did not.
  void Kill();
  // Fails every later read of `path` with kDataLoss, as a bad sector does.
  void FailReads(const std::string& path) { unreadable_.insert(path); }
  // Replaces the byte at `position`, synced and not.
  void CorruptByte(const std::string& path, int64_t position, char value);

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

 private:
  friend class MemoryFile;
  struct Inode;
  // A change to one directory's names: `path` now names `inode` (null: nothing); a rename is two
  // changes in one step.
  struct NameChange {
    std::string path;
    std::shared_ptr<Inode> inode;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  absl::Status Begin(Op op, const std::string& path);
  absl::Status ReserveSpace(Inode* inode, int64_t end);
  void Change(const std::string& directory, std::vector<NameChange> step);

  Names names_;    // as the process sees them; directories are inodes too
  Names durable_;  // as a crash would leave them at least
  std::map<std::string, std::vector<std::vector<NameChange>>> unsynced_;  // by directory
  std::set<std::string> unreadable_;
  std::set<std::string> locks_;
  Hook hook_;
  int64_t capacity_ = INT64_MAX;
  int64_t allocated_ = 0;
  int64_t operations_ = 0;
  uint64_t generation_ = 0;  // of the process; files of an older one are dead
};

}  // namespace quorate
