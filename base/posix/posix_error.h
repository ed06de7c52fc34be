// base/posix/posix_error.h
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace quorate {

// The text of errno value `error`, e.g. "No space left on device".
std::string ErrnoText(int error);

// "<path>: <operation>: <errno text>" with the code that base/file_system.h names for `error`.
absl::Status FileError(int error, std::string_view operation, std::string_view path);

}  // namespace quorate
