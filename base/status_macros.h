// base/status_macros.h
//
// Early returns for absl::Status and absl::StatusOr, and IgnoreError for the rare status that may
// be dropped.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quorate {

// Drops `status` on purpose; `why` is for the reader.
inline void IgnoreError(const absl::Status& status, const char* why) {
  static_cast<void>(status);
  static_cast<void>(why);
}

}  // namespace quorate

#define Q_RETURN_IF_ERROR(expr)                           \
  do {                                                    \
    if (absl::Status q_status = (expr); !q_status.ok()) { \
      return q_status;                                    \
    }                                                     \
  } while (0)

#define QUORATE_CONCAT_INNER(a, b) a##b
#define QUORATE_CONCAT(a, b) QUORATE_CONCAT_INNER(a, b)

// Q_ASSIGN_OR_RETURN(auto file, fs.Open(path));
#define Q_ASSIGN_OR_RETURN(lhs, expr) \
  QUORATE_ASSIGN_OR_RETURN_IMPL(QUORATE_CONCAT(q_statusor_, __LINE__), lhs, expr)
#define QUORATE_ASSIGN_OR_RETURN_IMPL(var, lhs, expr) \
  auto var = (expr);                                  \
  if (!var.ok()) return std::move(var).status();      \
  lhs = std::move(var).value()
