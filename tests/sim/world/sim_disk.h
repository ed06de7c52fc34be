// tests/sim/world/sim_disk.h
//
// SimDisk: one machine's disk. It outlives the processes that use it; what they did not sync may
// be lost when the machine crashes, page by page.
//
// Names: creations, removals and renames become durable in the order they were made, all up to a
// SyncDirectory of their directory; at a crash a random number of the later ones survives.
// Contents: each 4 KiB page written since the last Sync survives a crash or not, by a coin; so does
// the new size. Directories themselves are durable at once.
#pragma once

#include <cstdint>
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
};

class SimDisk final : public FileSystem {
 public:
  explicit SimDisk(Random& random) : random_(random) {}

  // The machine loses power (or the kernel dies): see above. Open files are dead afterwards.
  void Crash();
  // Only the process dies: everything written stays, locks are released.
  void ProcessDied();
  // Wipes everything.
  void Wipe();

  DiskFaults& faults() { return faults_; }
  uint64_t syncs() const { return syncs_; }

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
  void Record(NameChange change);
  void LosePages(SimInode& inode);
  absl::Status CheckParent(const std::string& path);

  Random& random_;
  DiskFaults faults_;
  Names current_;
  Names durable_;
  std::vector<NameChange> pending_;  // in order
  std::set<std::string> directories_{"", "/"};
  std::map<std::string, const HeldLock*> locks_;
  uint64_t generation_ = 1;  // bumped when a process or the machine dies
  uint64_t syncs_ = 0;
};

}  // namespace quorate::sim
