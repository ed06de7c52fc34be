#include "base/posix/posix_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/posix/posix_error.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

// Calls `call` again as long as a signal interrupts it.
template <typename Call>
auto Retrying(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// An owned descriptor. Thread-compatible.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::StatusOr<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = Retrying([&] { return open(path.c_str(), flags | O_CLOEXEC, 0644); });
  if (fd < 0) return FileError(errno, "open", path);
  return Descriptor(fd);
}

class PosixMapping final : public FileMapping {
 public:
  PosixMapping(void* start, size_t length) : start_(start), length_(length) {}
  ~PosixMapping() override {
    if (length_ > 0) munmap(start_, length_);
  }
  PosixMapping(const PosixMapping&) = delete;
  PosixMapping& operator=(const PosixMapping&) = delete;
  std::string_view bytes() const override {
    return std::string_view(static_cast<const char*>(start_), length_);
  }

 private:
  void* const start_;  // null when empty
  const size_t length_;
};

// Thread-safe, as the kernel's calls are.
class PosixFile final : public File {
 public:
  PosixFile(std::string path, Descriptor descriptor)
      : path_(std::move(path)), fd_(std::move(descriptor)) {}

  absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const override {
    QCHECK_GE(offset, 0);
    size_t done = 0;
    while (done < length) {
      const ssize_t got = Retrying([&] {
        return pread(fd_.get(), out + done, length - done, offset + static_cast<off_t>(done));
      });
      if (got < 0) return FileError(errno, "read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  absl::Status WriteAt(int64_t offset, std::span<const std::string_view> pieces) override;

  absl::Status Preallocate(int64_t offset, int64_t length) override {
    QCHECK_GE(offset, 0);
    QCHECK_GE(length, 0);
    if (length == 0) return absl::OkStatus();
    const int result =
        Retrying([&] { return fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, offset, length); });
    // Without support writes still work; they only find out later that space is short.
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return absl::OkStatus();
    return FileError(errno, "fallocate", path_);
  }

  absl::Status Sync() override {
    // Not retried, EINTR included: after a failure the kernel may have dropped the dirty pages.
    if (fdatasync(fd_.get()) == 0) return absl::OkStatus();
    return FileError(errno, "fdatasync", path_);
  }

  absl::Status Truncate(int64_t size) override {
    QCHECK_GE(size, 0);
    if (Retrying([&] { return ftruncate(fd_.get(), size); }) == 0) return absl::OkStatus();
    return FileError(errno, "truncate", path_);
  }

  absl::StatusOr<int64_t> Size() const override {
    struct stat attributes;
    if (fstat(fd_.get(), &attributes) != 0) return FileError(errno, "stat", path_);
    return int64_t{attributes.st_size};
  }

  absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const override {
    Q_ASSIGN_OR_RETURN(const int64_t size, Size());
    if (size == 0) return std::make_shared<PosixMapping>(nullptr, 0);
    void* start = mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (start == MAP_FAILED) return FileError(errno, "mmap", path_);
    return std::make_shared<PosixMapping>(start, static_cast<size_t>(size));
  }

  const std::string& path() const override { return path_; }
  int descriptor() const override { return fd_.get(); }

 private:
  const std::string path_;
  const Descriptor fd_;
};

absl::Status PosixFile::WriteAt(int64_t offset, std::span<const std::string_view> pieces) {
  QCHECK_GE(offset, 0);
  constexpr size_t kPerCall = 256;  // below IOV_MAX (1024)
  std::array<iovec, kPerCall> vectors;
  size_t next = 0;     // pieces before this one are written
  size_t skipped = 0;  // bytes of pieces[next] already written
  while (next < pieces.size()) {
    size_t count = 0;
    size_t wanted = 0;
    for (size_t i = next; i < pieces.size() && count < kPerCall; ++i) {
      const std::string_view piece = pieces[i].substr(i == next ? skipped : 0);
      vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
      wanted += piece.size();
    }
    ssize_t written = 0;
    if (wanted > 0) {
      written = Retrying(
          [&] { return pwritev(fd_.get(), vectors.data(), static_cast<int>(count), offset); });
      if (written < 0) return FileError(errno, "write", path_);
      if (written == 0) return FileError(EIO, "write of nothing", path_);
    }
    offset += written;
    size_t left = static_cast<size_t>(written);
    // Empty pieces behind the written bytes are passed too.
    while (next < pieces.size() && pieces[next].size() - skipped <= left) {
      left -= pieces[next].size() - skipped;
      skipped = 0;
      ++next;
      if (--count == 0) break;
    }
    skipped += left;
  }
  return absl::OkStatus();
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : fd_(std::move(descriptor)) {}

 private:
  const Descriptor fd_;  // Closing it releases the lock.
};

int OpenFlags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateFresh:
      return O_RDWR | O_CREAT | O_TRUNC;
  }
  QCHECK(false);
  return 0;
}

}  // namespace

absl::StatusOr<std::shared_ptr<File>> PosixFileSystem::Open(const std::string& path,
                                                            OpenMode mode) {
  Q_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDescriptor(path, OpenFlags(mode)));
  return std::make_shared<PosixFile>(path, std::move(descriptor));
}

absl::Status PosixFileSystem::CreateDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? FileError(error.value(), "mkdir", path) : absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> PosixFileSystem::List(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return FileError(errno, "list", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  closedir(directory);
  if (error != 0) return FileError(error, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

bool PosixFileSystem::Exists(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0;
}

bool PosixFileSystem::IsDirectory(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISDIR(attributes.st_mode);
}

absl::Status PosixFileSystem::Remove(const std::string& path) {
  if (unlink(path.c_str()) == 0) return absl::OkStatus();
  return FileError(errno, "remove", path);
}

absl::Status PosixFileSystem::RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? FileError(error.value(), "remove tree", path) : absl::OkStatus();
}

absl::Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return FileError(errno, absl::StrFormat("rename to %s", to), from);
}

absl::Status PosixFileSystem::SyncDirectory(const std::string& path) {
  Q_ASSIGN_OR_RETURN(Descriptor directory, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
  if (fsync(directory.get()) == 0) return absl::OkStatus();
  return FileError(errno, "fsync directory", path);
}

absl::StatusOr<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  Q_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDescriptor(path, O_RDWR | O_CREAT));
  if (Retrying([&] { return flock(descriptor.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", path);
    return absl::FailedPreconditionError(absl::StrFormat("%s: locked by another process", path));
  }
  return std::make_unique<PosixFileLock>(std::move(descriptor));
}

}  // namespace quorate
