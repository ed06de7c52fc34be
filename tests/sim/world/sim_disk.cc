#include "tests/sim/world/sim_disk.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace quorate::sim {
namespace {

constexpr int64_t kPage = 4096;
constexpr int64_t kSector = 512;

std::string Normal(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : slash == 0 ? "/" : path.substr(0, slash);
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         (directory == "/" || path[directory.size()] == '/');
}

absl::Status Gone() { return absl::InternalError("the process is gone"); }

absl::Status NotFound(const std::string& path) {
  return absl::NotFoundError(path + ": no such file or directory");
}

}  // namespace

// Keeps the bytes of the moment of mapping and follows writes into them.
class SimMapping final : public FileMapping {
 public:
  explicit SimMapping(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return bytes_; }
  void OnWrite(int64_t offset, std::string_view data) {
    const int64_t size = static_cast<int64_t>(bytes_.size());
    if (offset >= size) return;
    const size_t length = std::min(data.size(), static_cast<size_t>(size - offset));
    std::memcpy(bytes_.data() + offset, data.data(), length);
  }

 private:
  std::string bytes_;
};

class SimDisk::OpenFile final : public File {
 public:
  OpenFile(SimDisk& disk, std::string path, std::shared_ptr<SimInode> inode, bool writable)
      : disk_(disk),
        path_(std::move(path)),
        inode_(std::move(inode)),
        writable_(writable),
        generation_(disk.generation_) {}

  absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const override {
    QCHECK_GE(offset, 0);
    if (disk_.faults_.failing_reads != 0) {
      if (disk_.faults_.failing_reads > 0) --disk_.faults_.failing_reads;
      ++disk_.failed_reads_;
      return absl::DataLossError(path_ + ": input/output error");
    }
    const int64_t size = static_cast<int64_t>(inode_->current.size());
    if (offset >= size) return 0;
    const size_t count = std::min(length, static_cast<size_t>(size - offset));
    std::memcpy(out, inode_->current.data() + offset, count);
    return count;
  }

  absl::Status WriteAt(int64_t offset, std::span<const std::string_view> pieces) override {
    if (absl::Status status = CheckWritable(); !status.ok()) return status;
    if (disk_.faults_.full) {
      return absl::ResourceExhaustedError(path_ + ": no space left on device");
    }
    if (!disk_.Change()) return Gone();
    for (std::string_view piece : pieces) {
      if (piece.empty()) continue;
      std::string& bytes = inode_->current;
      const size_t at = static_cast<size_t>(offset);
      if (at > bytes.size()) bytes.resize(at, '\0');
      bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece.data(), piece.size());
      MarkDirty(offset, static_cast<int64_t>(piece.size()));
      for (const auto& weak : inode_->mappings) {
        if (const auto mapping = weak.lock()) mapping->OnWrite(offset, piece);
      }
      offset += static_cast<int64_t>(piece.size());
    }
    return absl::OkStatus();
  }

  absl::Status Preallocate(int64_t, int64_t) override {
    if (absl::Status status = CheckWritable(); !status.ok()) return status;
    if (disk_.faults_.full) {
      return absl::ResourceExhaustedError(path_ + ": no space left on device");
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (Dead() || !disk_.Change()) return Gone();
    ++disk_.syncs_;
    if (disk_.faults_.lying_syncs) return absl::OkStatus();
    if (disk_.faults_.failing_syncs > 0) {
      --disk_.faults_.failing_syncs;
      disk_.LosePages(*inode_);
      return absl::DataLossError(path_ + ": input/output error");
    }
    if (!inode_->dirty_pages.empty() || inode_->durable.size() != inode_->current.size()) {
      CopyDirtyPages();
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(int64_t size) override {
    if (absl::Status status = CheckWritable(); !status.ok()) return status;
    if (!disk_.Change()) return Gone();
    const int64_t old = static_cast<int64_t>(inode_->current.size());
    inode_->current.resize(static_cast<size_t>(size), '\0');
    MarkDirty(std::min(old, size), std::max(old, size) - std::min(old, size));
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> Size() const override {
    return static_cast<int64_t>(inode_->current.size());
  }

  absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const override {
    auto mapping = std::make_shared<SimMapping>(inode_->current);
    std::erase_if(inode_->mappings, [](const auto& weak) { return weak.expired(); });
    inode_->mappings.push_back(mapping);
    return std::shared_ptr<const FileMapping>(std::move(mapping));
  }

  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  bool Dead() const { return disk_.IsGone(generation_); }
  absl::Status CheckWritable() const {
    if (Dead()) return Gone();
    if (!writable_) return absl::PermissionDeniedError(path_ + ": opened for reading");
    return absl::OkStatus();
  }
  void MarkDirty(int64_t offset, int64_t length) {
    if (length <= 0) return;
    for (int64_t page = offset / kPage; page <= (offset + length - 1) / kPage; ++page) {
      inode_->dirty_pages.insert(page);
    }
  }
  void CopyDirtyPages() {
    inode_->durable.resize(inode_->current.size(), '\0');
    for (int64_t page : inode_->dirty_pages) {
      const size_t at = static_cast<size_t>(page * kPage);
      if (at >= inode_->current.size()) continue;
      const size_t length = std::min<size_t>(kPage, inode_->current.size() - at);
      std::memcpy(inode_->durable.data() + at, inode_->current.data() + at, length);
    }
    inode_->dirty_pages.clear();
  }

  SimDisk& disk_;
  const std::string path_;
  const std::shared_ptr<SimInode> inode_;
  const bool writable_;
  const uint64_t generation_;
};

class SimDisk::HeldLock final : public FileLock {
 public:
  HeldLock(SimDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {
    disk_.locks_[path_] = this;
  }
  ~HeldLock() override {
    const auto it = disk_.locks_.find(path_);
    if (it != disk_.locks_.end() && it->second == this) disk_.locks_.erase(it);
  }

 private:
  SimDisk& disk_;
  const std::string path_;
};

void SimDisk::Apply(const NameChange& change, Names* names) {
  switch (change.kind) {
    case NameChange::Kind::kLink:
      (*names)[change.path] = change.inode;
      break;
    case NameChange::Kind::kUnlink:
      names->erase(change.path);
      break;
    case NameChange::Kind::kRename: {
      const auto it = names->find(change.path);
      if (it == names->end()) break;
      std::shared_ptr<SimInode> inode = it->second;
      names->erase(it);
      (*names)[change.to] = std::move(inode);
      break;
    }
  }
}

bool SimDisk::Change() {
  if (frozen_) return false;
  if (faults_.changes_until_death < 0 || --faults_.changes_until_death >= 0) return true;
  frozen_ = true;
  if (faults_.die) faults_.die();
  return false;
}

int64_t SimDisk::used_bytes() const {
  int64_t bytes = 0;
  for (const auto& [path, inode] : current_) bytes += static_cast<int64_t>(inode->current.size());
  return bytes;
}

void SimDisk::Record(NameChange change) {
  Apply(change, &current_);
  pending_.push_back(std::move(change));
}

// A crash, or a failed sync: which of the unsynced pages reached the disk is left to chance.
void SimDisk::LosePages(SimInode& inode) {
  const size_t low = std::min(inode.current.size(), inode.durable.size());
  const size_t high = std::max(inode.current.size(), inode.durable.size());
  switch (random_.Below(3)) {
    case 0:  // the size before
      break;
    case 1:
      inode.durable.resize(inode.current.size(), '\0');
      break;
    default:
      inode.durable.resize(low + random_.Below(high - low + 1), '\0');
  }
  for (int64_t page : inode.dirty_pages) {
    const size_t at = static_cast<size_t>(page * kPage);
    if (at >= inode.durable.size() || at >= inode.current.size()) continue;
    const size_t length = std::min(
        {static_cast<size_t>(kPage), inode.durable.size() - at, inode.current.size() - at});
    const uint64_t fate = random_.Below(8);
    const bool torn = fate >= 6;
    if (fate < 3) continue;  // lost
    if (torn) ++torn_pages_;
    for (size_t sector = 0; sector < length; sector += kSector) {
      if (torn && random_.Chance(0.5)) continue;
      std::memcpy(inode.durable.data() + at + sector, inode.current.data() + at + sector,
                  std::min<size_t>(kSector, length - sector));
    }
  }
  inode.dirty_pages.clear();
  inode.current = inode.durable;
}

void SimDisk::Crash() {
  ++generation_;
  frozen_ = false;
  faults_.changes_until_death = -1;
  locks_.clear();
  const size_t surviving = static_cast<size_t>(random_.Below(pending_.size() + 1));
  for (size_t i = 0; i < surviving; ++i) Apply(pending_[i], &durable_);
  pending_.clear();
  current_ = durable_;
  std::set<SimInode*> seen;
  for (const auto& [path, inode] : current_) {
    // A directory that was removed or renamed comes back with the files that did.
    for (std::string up = Parent(path); directories_.insert(up).second;) up = Parent(up);
    if (seen.insert(inode.get()).second) LosePages(*inode);
  }
}

void SimDisk::ProcessDied() {
  ++generation_;
  frozen_ = false;
  faults_.changes_until_death = -1;
  locks_.clear();
}

void SimDisk::WipeExcept(const std::vector<std::string>& kept) {
  const auto doomed = [&kept](const std::string& path) {
    return std::none_of(kept.begin(), kept.end(), [&path](const std::string& one) {
      return path == one || IsBelow(path, one) || IsBelow(one, path);
    });
  };
  for (const NameChange& change : pending_) Apply(change, &durable_);
  pending_.clear();
  std::erase_if(current_, [&](const auto& entry) { return doomed(entry.first); });
  std::erase_if(durable_, [&](const auto& entry) { return doomed(entry.first); });
  std::erase_if(directories_,
                [&](const std::string& path) { return path.size() > 1 && doomed(path); });
}

SimDisk::Tree SimDisk::Copy(const std::string& directory) const {
  Tree tree;
  for (const auto& [path, inode] : current_) {
    if (IsBelow(path, directory)) tree.files[path.substr(directory.size())] = inode->current;
  }
  for (const std::string& path : directories_) {
    if (IsBelow(path, directory)) tree.directories.insert(path.substr(directory.size()));
  }
  return tree;
}

void SimDisk::Replace(const std::string& directory, const Tree& tree) {
  for (const NameChange& change : pending_) Apply(change, &durable_);
  pending_.clear();
  for (Names* names : {&current_, &durable_}) {
    std::erase_if(*names, [&](const auto& entry) { return IsBelow(entry.first, directory); });
  }
  std::erase_if(directories_, [&](const std::string& path) { return IsBelow(path, directory); });
  for (const std::string& path : tree.directories) directories_.insert(directory + path);
  for (const auto& [path, contents] : tree.files) {
    auto inode = std::make_shared<SimInode>();
    inode->current = contents;
    inode->durable = contents;
    current_[directory + path] = inode;
    durable_[directory + path] = inode;
  }
}

std::string SimDisk::FlipBit(const std::string& directory, const std::vector<std::string>& suffixes,
                             Random& random) {
  std::vector<const Names::value_type*> found;
  for (const auto& entry : current_) {
    const bool wanted = std::any_of(suffixes.begin(), suffixes.end(), [&](const auto& suffix) {
      return entry.first.ends_with(suffix);
    });
    if (wanted && IsBelow(entry.first, directory) && !entry.second->current.empty()) {
      found.push_back(&entry);
    }
  }
  if (found.empty()) return "";
  const auto& [path, inode] = *found[random.Below(found.size())];
  return FlipBitIn(path, 0, inode->current.size(), random);
}

std::string SimDisk::FlipBitIn(const std::string& path, size_t begin, size_t end, Random& random) {
  SimInode* const inode = current_.at(path).get();
  QCHECK(begin < end && end <= inode->current.size());
  const size_t at = begin + random.Below(end - begin);
  const char mask = static_cast<char>(1 << random.Below(8));
  inode->current[at] ^= mask;
  if (at < inode->durable.size()) inode->durable[at] ^= mask;
  const std::string_view changed(&inode->current[at], 1);
  for (const auto& weak : inode->mappings) {
    if (const auto mapping = weak.lock()) mapping->OnWrite(static_cast<int64_t>(at), changed);
  }
  return absl::StrFormat("%s, byte %d of %d", path, at, inode->current.size());
}

absl::Status SimDisk::CheckParent(const std::string& path) const {
  if (directories_.contains(Parent(path))) return absl::OkStatus();
  return NotFound(path);
}

absl::StatusOr<std::shared_ptr<File>> SimDisk::Open(const std::string& raw, OpenMode mode) {
  const std::string path = Normal(raw);
  if (directories_.contains(path)) {
    return absl::InternalError(path + ": is a directory");
  }
  const auto it = current_.find(path);
  if (it == current_.end()) {
    if (mode == OpenMode::kRead || mode == OpenMode::kWrite) return NotFound(path);
    if (absl::Status status = CheckParent(path); !status.ok()) return status;
    if (faults_.full) return absl::ResourceExhaustedError(path + ": no space left on device");
    if (!Change()) return Gone();
    Record({NameChange::Kind::kLink, path, "", std::make_shared<SimInode>()});
  }
  auto file = std::make_shared<OpenFile>(*this, path, current_.at(path), mode != OpenMode::kRead);
  if (mode == OpenMode::kCreateFresh) {
    if (absl::Status status = file->Truncate(0); !status.ok()) return status;
  }
  return std::shared_ptr<File>(std::move(file));
}

absl::Status SimDisk::CreateDirectories(const std::string& raw) {
  for (std::string path = Normal(raw); !directories_.contains(path); path = Parent(path)) {
    if (current_.contains(path)) {
      return absl::AlreadyExistsError(path + ": a file is in the way");
    }
    directories_.insert(path);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimDisk::List(const std::string& raw) {
  const std::string path = Normal(raw);
  if (!directories_.contains(path)) return NotFound(path);
  std::vector<std::string> names;
  const size_t prefix = path == "/" ? 1 : path.size() + 1;
  for (const auto& [name, inode] : current_) {
    if (Parent(name) == path) names.push_back(name.substr(prefix));
  }
  for (const std::string& name : directories_) {
    if (name != path && Parent(name) == path && name.size() >= prefix) {
      names.push_back(name.substr(prefix));
    }
  }
  std::erase(names, "");
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> SimDisk::DurableFiles(const std::string& directory) const {
  std::vector<std::string> paths;
  for (auto it = durable_.lower_bound(directory + "/"); it != durable_.end(); ++it) {
    if (!IsBelow(it->first, directory)) break;
    paths.push_back(it->first);
  }
  return paths;
}

std::string_view SimDisk::DurableContents(const std::string& path) const {
  const auto it = durable_.find(path);
  return it == durable_.end() ? std::string_view() : std::string_view(it->second->durable);
}

bool SimDisk::Exists(const std::string& raw) const {
  const std::string path = Normal(raw);
  return current_.contains(path) || directories_.contains(path);
}

bool SimDisk::IsDirectory(const std::string& raw) const {
  return directories_.contains(Normal(raw));
}

absl::Status SimDisk::Remove(const std::string& raw) {
  const std::string path = Normal(raw);
  if (!current_.contains(path)) return NotFound(path);
  if (!Change()) return Gone();
  Record({NameChange::Kind::kUnlink, path, "", nullptr});
  return absl::OkStatus();
}

absl::Status SimDisk::RemoveTree(const std::string& raw) {
  const std::string path = Normal(raw);
  std::vector<std::string> doomed;
  for (const auto& [name, inode] : current_) {
    if (name == path || IsBelow(name, path)) doomed.push_back(name);
  }
  for (const std::string& name : doomed) {
    if (!Change()) return Gone();
    Record({NameChange::Kind::kUnlink, name, "", nullptr});
  }
  std::erase_if(directories_,
                [&path](const std::string& d) { return d == path || IsBelow(d, path); });
  return absl::OkStatus();
}

absl::Status SimDisk::Rename(const std::string& raw_from, const std::string& raw_to) {
  const std::string from = Normal(raw_from);
  const std::string to = Normal(raw_to);
  if (absl::Status status = CheckParent(to); !status.ok()) return status;
  if (!current_.contains(from) && !directories_.contains(from)) return NotFound(from);
  if (!Change()) return Gone();
  if (current_.contains(from)) {
    Record({NameChange::Kind::kRename, from, to, nullptr});
    return absl::OkStatus();
  }
  // A directory: with all it holds, in one step, and durable with all that came before it.
  std::vector<NameChange> moves;
  for (const auto& [name, inode] : current_) {
    if (!IsBelow(name, from)) continue;
    moves.push_back({NameChange::Kind::kRename, name, to + name.substr(from.size()), nullptr});
  }
  for (NameChange& move : moves) Record(std::move(move));
  for (const NameChange& change : pending_) Apply(change, &durable_);
  pending_.clear();
  std::set<std::string> renamed;
  for (const std::string& name : directories_) {
    const bool moved = name == from || IsBelow(name, from);
    renamed.insert(moved ? to + name.substr(from.size()) : name);
  }
  directories_ = std::move(renamed);
  return absl::OkStatus();
}

absl::Status SimDisk::SyncDirectory(const std::string& raw) {
  const std::string path = Normal(raw);
  if (!directories_.contains(path)) return NotFound(path);
  if (!Change()) return Gone();
  if (faults_.lying_syncs) return absl::OkStatus();
  // The journal is written in order: all changes up to the last one in this directory.
  size_t count = 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (Parent(pending_[i].path) == path || Parent(pending_[i].to) == path) count = i + 1;
  }
  for (size_t i = 0; i < count; ++i) Apply(pending_[i], &durable_);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(count));
  ++syncs_;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> SimDisk::Lock(const std::string& raw) {
  const std::string path = Normal(raw);
  if (locks_.contains(path)) {
    return absl::FailedPreconditionError(path + ": another process holds the lock");
  }
  absl::StatusOr<std::shared_ptr<File>> file = Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(*this, path));
}

absl::Status SimFileSystem::Alive() const {
  return disk_.IsGone(process_) ? Gone() : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<File>> SimFileSystem::Open(const std::string& path, OpenMode mode) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.Open(path, mode);
}

absl::Status SimFileSystem::CreateDirectories(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.CreateDirectories(path);
}

absl::StatusOr<std::vector<std::string>> SimFileSystem::List(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.List(path);
}

bool SimFileSystem::Exists(const std::string& path) { return disk_.Exists(path); }

bool SimFileSystem::IsDirectory(const std::string& path) { return disk_.IsDirectory(path); }

absl::Status SimFileSystem::Remove(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.Remove(path);
}

absl::Status SimFileSystem::RemoveTree(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.RemoveTree(path);
}

absl::Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.Rename(from, to);
}

absl::Status SimFileSystem::SyncDirectory(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.SyncDirectory(path);
}

absl::StatusOr<std::unique_ptr<FileLock>> SimFileSystem::Lock(const std::string& path) {
  Q_RETURN_IF_ERROR(Alive());
  return disk_.Lock(path);
}

}  // namespace quorate::sim
