#include "base/posix/posix_error.h"

#include <errno.h>

#include <system_error>

#include "absl/strings/str_format.h"

namespace quorate {
namespace {

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

std::string ErrnoText(int error) { return std::generic_category().message(error); }

absl::Status FileError(int error, std::string_view operation, std::string_view path) {
  return absl::Status(CodeOf(error),
                      absl::StrFormat("%s: %s: %s", path, operation, ErrnoText(error)));
}

}  // namespace quorate
