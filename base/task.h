// base/task.h
//
// Task: a move-only function without arguments, run at most once.
#pragma once

#include "absl/functional/any_invocable.h"

namespace quorate {

using Task = absl::AnyInvocable<void()>;

}  // namespace quorate
