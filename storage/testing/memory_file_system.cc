#include "storage/testing/memory_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

constexpr size_t kPage = 512;

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status NotFound(const std::string& path) {
  return absl::NotFoundError(absl::StrFormat("%s: no such file", path));
}

}  // namespace

struct MemoryFileSystem::Inode {
  struct State {
    std::string live;
    std::string durable;
    std::set<size_t> dirty;                          // pages written since the last sync
    std::shared_ptr<const State> before_truncation;  // null: none unsynced
  };
  bool directory = false;
  State state;
  int64_t allocated = 0;  // bytes counted against the capacity
};

class MemoryFile final : public File {
 public:
  using Op = MemoryFileSystem::Op;
  MemoryFile(MemoryFileSystem* owner, std::shared_ptr<MemoryFileSystem::Inode> inode,
             std::string path, bool writable)
      : owner_(owner),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        generation_(owner->generation_) {}

  absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const override {
    QCHECK_GE(offset, 0);
    Q_RETURN_IF_ERROR(Alive());
    if (owner_->unreadable_.contains(path_)) {
      return absl::DataLossError(absl::StrFormat("%s: input/output error", path_));
    }
    const std::string& live = inode_->state.live;
    if (static_cast<size_t>(offset) >= live.size()) return 0;
    const size_t got = std::min(length, live.size() - static_cast<size_t>(offset));
    std::memcpy(out, live.data() + offset, got);
    return got;
  }

  absl::Status WriteAt(int64_t offset, std::span<const std::string_view> pieces) override {
    Q_RETURN_IF_ERROR(Alive());
    std::string bytes;
    for (std::string_view piece : pieces) bytes.append(piece);
    absl::Status status = owner_->Begin(Op::kWrite, path_);
    if (status.ok() && !writable_) status = absl::PermissionDeniedError(path_);
    const int64_t end = offset + static_cast<int64_t>(bytes.size());
    if (status.ok()) status = owner_->ReserveSpace(inode_.get(), end);
    if (!status.ok()) bytes.resize(bytes.size() / 2);
    MemoryFileSystem::Inode::State& state = inode_->state;
    const auto at = static_cast<size_t>(offset);
    if (bytes.empty()) return status;
    if (state.live.size() < at + bytes.size()) state.live.resize(at + bytes.size(), '\0');
    state.live.replace(at, bytes.size(), bytes);
    for (size_t page = at / kPage; page <= (at + bytes.size() - 1) / kPage; ++page) {
      state.dirty.insert(page);
    }
    return status;
  }

  absl::Status Preallocate(int64_t offset, int64_t length) override {
    Q_RETURN_IF_ERROR(Alive());
    Q_RETURN_IF_ERROR(owner_->Begin(Op::kPreallocate, path_));
    return owner_->ReserveSpace(inode_.get(), offset + length);
  }

  absl::Status Sync() override {
    Q_RETURN_IF_ERROR(Alive());
    Q_RETURN_IF_ERROR(owner_->Begin(Op::kSync, path_));
    inode_->state.durable = inode_->state.live;
    inode_->state.dirty.clear();
    inode_->state.before_truncation.reset();
    return absl::OkStatus();
  }

  absl::Status Truncate(int64_t size) override {
    Q_RETURN_IF_ERROR(Alive());
    Q_RETURN_IF_ERROR(owner_->Begin(Op::kTruncate, path_));
    MemoryFileSystem::Inode::State& state = inode_->state;
    const auto new_size = static_cast<size_t>(size);
    if (new_size < state.live.size()) {
      state.before_truncation = std::make_shared<MemoryFileSystem::Inode::State>(state);
      if (state.durable.size() > new_size) state.durable.resize(new_size);
      std::erase_if(state.dirty, [&](size_t page) { return page * kPage >= new_size; });
    }
    state.live.resize(new_size, '\0');
    owner_->allocated_ -= inode_->allocated - size;
    inode_->allocated = size;
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> Size() const override {
    Q_RETURN_IF_ERROR(Alive());
    return static_cast<int64_t>(inode_->state.live.size());
  }

  absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const override {
    class Mapping final : public FileMapping {
     public:
      explicit Mapping(std::string bytes) : bytes_(std::move(bytes)) {}
      std::string_view bytes() const override { return bytes_; }

     private:
      std::string bytes_;
    };
    Q_RETURN_IF_ERROR(Alive());
    return std::make_shared<const Mapping>(inode_->state.live);
  }

  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  absl::Status Alive() const {
    if (generation_ == owner_->generation_) return absl::OkStatus();
    return absl::InternalError(absl::StrFormat("%s: opened before the crash", path_));
  }

  MemoryFileSystem* owner_;
  std::shared_ptr<MemoryFileSystem::Inode> inode_;
  std::string path_;
  bool writable_;
  uint64_t generation_;
};

MemoryFileSystem::MemoryFileSystem() = default;
MemoryFileSystem::~MemoryFileSystem() = default;

absl::Status MemoryFileSystem::Begin(Op op, const std::string& path) {
  ++operations_;
  return hook_ ? hook_(op, path) : absl::OkStatus();
}

absl::Status MemoryFileSystem::ReserveSpace(Inode* inode, int64_t end) {
  if (end <= inode->allocated) return absl::OkStatus();
  if (end - inode->allocated > capacity_ - allocated_) {
    return absl::ResourceExhaustedError("no space left on device");
  }
  allocated_ += end - inode->allocated;
  inode->allocated = end;
  return absl::OkStatus();
}

void MemoryFileSystem::Change(const std::string& directory, std::vector<NameChange> step) {
  for (const NameChange& change : step) {
    if (change.inode != nullptr) {
      names_[change.path] = change.inode;
    } else {
      names_.erase(change.path);
    }
  }
  unsynced_[directory].push_back(std::move(step));
}

void MemoryFileSystem::Kill() {
  ++generation_;
  locks_.clear();
  hook_ = nullptr;
}

void MemoryFileSystem::Crash(Random& random) {
  Kill();
  for (auto& [directory, steps] : unsynced_) {
    const uint64_t kept = random.Below(steps.size() + 1);
    for (uint64_t i = 0; i < kept; ++i) {
      for (const NameChange& change : steps[i]) {
        if (change.inode != nullptr) {
          durable_[change.path] = change.inode;
        } else {
          durable_.erase(change.path);
        }
      }
    }
  }
  unsynced_.clear();
  // A name survives only if its directories do.
  std::erase_if(durable_, [this](const auto& item) {
    const std::string parent = ParentOf(item.first);
    return parent != "." && parent != "/" && !durable_.contains(parent);
  });
  names_ = durable_;
  allocated_ = 0;
  std::set<Inode*> seen;
  for (const auto& [path, inode] : names_) {
    if (inode->directory || !seen.insert(inode.get()).second) continue;
    Inode::State& state = inode->state;
    while (state.before_truncation != nullptr && random.Chance(0.5)) {
      const std::shared_ptr<const Inode::State> before = state.before_truncation;
      state = *before;
    }
    std::string after = state.durable;
    if (state.live.size() > after.size()) {
      after.resize(after.size() + random.Below(state.live.size() - after.size() + 1), '\0');
    }
    const bool all = random.Chance(0.2);
    for (size_t page : state.dirty) {
      const size_t begin = page * kPage;
      if (begin >= after.size() || (!all && random.Chance(0.5))) continue;
      const size_t length = std::min({kPage, after.size() - begin, state.live.size() - begin});
      after.replace(begin, length, state.live, begin, length);
    }
    state.live = after;
    state.durable = after;
    state.dirty.clear();
    state.before_truncation.reset();
    inode->allocated = static_cast<int64_t>(after.size());
    allocated_ += inode->allocated;
  }
}

void MemoryFileSystem::CorruptByte(const std::string& path, int64_t position, char value) {
  Inode::State& state = names_.at(path)->state;
  const auto at = static_cast<size_t>(position);
  state.live.at(at) = value;
  if (at < state.durable.size()) state.durable[at] = value;
}

absl::StatusOr<std::shared_ptr<File>> MemoryFileSystem::Open(const std::string& path,
                                                             OpenMode mode) {
  auto it = names_.find(path);
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateFresh;
  if (it == names_.end()) {
    if (!creates) return NotFound(path);
    const std::string parent = ParentOf(path);
    if (parent != "." && parent != "/" && !IsDirectory(parent)) return NotFound(path);
    Q_RETURN_IF_ERROR(Begin(Op::kOpenNew, path));
    Change(parent, {{path, std::make_shared<Inode>()}});
    it = names_.find(path);
  }
  if (it->second->directory) return absl::InternalError(path + ": is a directory");
  auto file = std::make_shared<MemoryFile>(this, it->second, path, mode != OpenMode::kRead);
  if (mode == OpenMode::kCreateFresh) Q_RETURN_IF_ERROR(file->Truncate(0));
  return std::shared_ptr<File>(std::move(file));
}

absl::Status MemoryFileSystem::CreateDirectories(const std::string& path) {
  if (path.empty() || path == "." || path == "/" || IsDirectory(path)) return absl::OkStatus();
  if (names_.contains(path)) return absl::AlreadyExistsError(path);
  Q_RETURN_IF_ERROR(CreateDirectories(ParentOf(path)));
  Q_RETURN_IF_ERROR(Begin(Op::kMkdir, path));
  auto inode = std::make_shared<Inode>();
  inode->directory = true;
  Change(ParentOf(path), {{path, inode}});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MemoryFileSystem::List(const std::string& path) {
  if (!IsDirectory(path)) return NotFound(path);
  std::vector<std::string> found;
  for (const auto& [name, inode] : names_) {
    if (ParentOf(name) == path) found.push_back(name.substr(path.size() + 1));
  }
  return found;
}

bool MemoryFileSystem::Exists(const std::string& path) { return names_.contains(path); }

bool MemoryFileSystem::IsDirectory(const std::string& path) {
  const auto it = names_.find(path);
  return it != names_.end() && it->second->directory;
}

absl::Status MemoryFileSystem::Remove(const std::string& path) {
  if (!names_.contains(path)) return NotFound(path);
  Q_RETURN_IF_ERROR(Begin(Op::kRemove, path));
  Change(ParentOf(path), {{path, nullptr}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RemoveTree(const std::string& path) {
  std::vector<std::string> doomed;
  for (const auto& [name, inode] : names_) {
    if (name == path || name.starts_with(path + "/")) doomed.push_back(name);
  }
  for (auto it = doomed.rbegin(); it != doomed.rend(); ++it) Q_RETURN_IF_ERROR(Remove(*it));
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  const auto it = names_.find(from);
  if (it == names_.end()) return NotFound(from);
  Q_RETURN_IF_ERROR(Begin(Op::kRename, from));
  Change(ParentOf(to), {{to, it->second}, {from, nullptr}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  Q_RETURN_IF_ERROR(Begin(Op::kSyncDir, path));
  for (const std::vector<NameChange>& step : unsynced_[path]) {
    for (const NameChange& change : step) {
      if (change.inode != nullptr) {
        durable_[change.path] = change.inode;
      } else {
        durable_.erase(change.path);
      }
    }
  }
  unsynced_.erase(path);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> MemoryFileSystem::Lock(const std::string& path) {
  class HeldLock final : public FileLock {
   public:
    HeldLock(MemoryFileSystem* owner, std::string path) : owner_(owner), path_(std::move(path)) {}
    ~HeldLock() override { owner_->locks_.erase(path_); }

   private:
    MemoryFileSystem* owner_;
    std::string path_;
  };
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, Open(path, OpenMode::kCreate));
  if (!locks_.insert(path).second) return absl::FailedPreconditionError(path + ": locked");
  return std::make_unique<HeldLock>(this, path);
}

}  // namespace quorate
