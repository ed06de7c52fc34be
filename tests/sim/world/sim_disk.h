// tests/sim/world/sim_disk.h
//
// SimDisk: one machine's disk. It outlives the processes that use it; what they did not sync may
// be lost when the machine crashes, page by page. A process uses it through SimFileSystem.
//
// Names: creations, removals and renames become durable in the order they were made, all up to a
// SyncDirectory of their directory; at a crash a random number of the later ones survives.
// Contents: each 4 KiB page written since the last Sync survives a crash, does not, or is torn:
// each of its 512-byte sectors by a coin; the size is the old one, the new one or one between.
// Directories themselves, and their renames, are durable at once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"

namespace quorate::sim {

class SimMapping;

// Contents of a file, apart from its names.
struct SimInode {
  std::string current;
  std::string durable;
  std::set<int64_t> dirty_pages;  // written since the last sync
  std::vector<std::weak_ptr<SimMapping>> mappings;
};

// Faults of a disk, set by the simulation.
struct DiskFaults {
  bool full = false;         // writes and creations fail with kResourceExhausted
  int failing_syncs = 0;     // the next so many Syncs fail with kDataLoss, and lose their pages
  bool lying_syncs = false;  // syncs succeed, and nothing of it is on the disk
  int failing_reads = 0;     // the next so many reads of files fail with kDataLoss; negative: all
  // After so many more changes (writes, syncs, names) the machine dies in the middle of what it
  // does: `die` is called, which must call Crash or ProcessDied later. Negative = never.
  int64_t changes_until_death = -1;
  std::function<void()> die;
};

class SimDisk {
 public:
  explicit SimDisk(Random& random) : random_(random) {}
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // The machine loses power (or the kernel dies): see above. Open files are dead afterwards.
  void Crash();
  // Only the process dies: everything written stays, locks are released.
  void ProcessDied();
  // Removes all files and directories but those that are, or lie in, one of `kept`, for good.
  // Nobody has a file open.
  void WipeExcept(const std::vector<std::string>& kept);

  // The process dies at this very point: from now on nothing it does reaches the disk. Crash or
  // ProcessDied must follow.
  void Freeze() { frozen_ = true; }

  // Everything below a directory, as of one moment; for older states and swapped directories.
  struct Tree {
    std::map<std::string, std::string> files;  // contents by path below the directory
    std::set<std::string> directories;         // below it
  };
  Tree Copy(const std::string& directory) const;
  // Puts `tree` in place of what is below `directory`, for good. Nobody has a file open.
  void Replace(const std::string& directory, const Tree& tree);
  // Flips one random bit of a random file below `directory` whose name ends with one of
  // `suffixes`, in the page cache and on the disk; says where, or "" if there is no such file.
  std::string FlipBit(const std::string& directory, const std::vector<std::string>& suffixes,
                      Random& random);
  // The same for one random bit of bytes [begin, end) of the file `path`, which must hold them.
  std::string FlipBitIn(const std::string& path, size_t begin, size_t end, Random& random);

  DiskFaults& faults() { return faults_; }
  const DiskFaults& faults() const { return faults_; }
  uint64_t syncs() const { return syncs_; }
  // Pages of which a part survived a crash.
  uint64_t torn_pages() const { return torn_pages_; }
  uint64_t failed_reads() const { return failed_reads_; }
  // Bytes in files, as of now.
  int64_t used_bytes() const;
  // Files in `directory` whose names are durable, with their paths, in order; and what of a file is
  // synced. For checkers.
  std::vector<std::string> DurableFiles(const std::string& directory) const;
  std::string_view DurableContents(const std::string& path) const;

  // As FileSystem. They fail with kInternal for processes that are gone (`process` from
  // NewProcess).
  uint64_t NewProcess() const { return generation_; }
  bool IsGone(uint64_t process) const { return process != generation_ || frozen_; }

  absl::StatusOr<std::shared_ptr<File>> Open(const std::string& path, OpenMode mode);
  absl::Status CreateDirectories(const std::string& path);
  absl::StatusOr<std::vector<std::string>> List(const std::string& path);
  bool Exists(const std::string& path) const;
  bool IsDirectory(const std::string& path) const;
  absl::Status Remove(const std::string& path);
  absl::Status RemoveTree(const std::string& path);
  absl::Status Rename(const std::string& from, const std::string& to);
  absl::Status SyncDirectory(const std::string& path);
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path);

 private:
  class OpenFile;
  class HeldLock;
  using Names = std::map<std::string, std::shared_ptr<SimInode>>;

  // A change of names that is not durable yet.
  struct NameChange {
    enum class Kind { kLink, kUnlink, kRename } kind;
    std::string path;
    std::string to;                   // kRename
    std::shared_ptr<SimInode> inode;  // kLink
  };

  static void Apply(const NameChange& change, Names* names);
  // Counts a change; false if the machine dies instead.
  bool Change();
  void Record(NameChange change);
  void LosePages(SimInode& inode);
  absl::Status CheckParent(const std::string& path) const;

  Random& random_;
  DiskFaults faults_;
  Names current_;
  Names durable_;
  std::vector<NameChange> pending_;  // in order
  std::set<std::string> directories_{"", "/"};
  std::map<std::string, const HeldLock*> locks_;
  uint64_t generation_ = 1;  // bumped when a process or the machine dies
  bool frozen_ = false;      // the machine is dying: nothing changes any more
  uint64_t syncs_ = 0;
  uint64_t torn_pages_ = 0;
  uint64_t failed_reads_ = 0;
};

// The disk as one process sees it. Once the process is gone every call fails and changes nothing.
class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(SimDisk& disk) : disk_(disk), process_(disk.NewProcess()) {}

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
  absl::Status Alive() const;

  SimDisk& disk_;
  const uint64_t process_;
};

}  // namespace quorate::sim
