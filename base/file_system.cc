#include "base/file_system.h"

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "base/status_macros.h"

namespace quorate {

absl::StatusOr<std::string> FileSystem::ReadFile(const std::string& path, int64_t max_bytes) {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, Open(path, OpenMode::kRead));
  Q_ASSIGN_OR_RETURN(int64_t size, file->Size());
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%s: %d bytes, at most %d expected", path, size, max_bytes));
  }
  std::string contents(static_cast<size_t>(size), '\0');
  Q_ASSIGN_OR_RETURN(size_t got, file->ReadAt(0, contents.data(), contents.size()));
  contents.resize(got);
  return contents;
}

absl::Status FileSystem::WriteFileAtomically(const std::string& path, std::string_view contents) {
  const std::string temporary = path + ".tmp";
  {
    Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, Open(temporary, OpenMode::kCreateFresh));
    FAILPOINT("file.before_write");
    Q_RETURN_IF_ERROR(file->WriteAt(0, {&contents, 1}));
    FAILPOINT("file.before_sync");
    Q_RETURN_IF_ERROR(file->Sync());
  }
  FAILPOINT("file.before_rename");
  Q_RETURN_IF_ERROR(Rename(temporary, path));
  FAILPOINT("file.after_rename");
  const size_t slash = path.rfind('/');
  return SyncDirectory(slash == std::string::npos ? "." : path.substr(0, slash));
}

}  // namespace quorate
