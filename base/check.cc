#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace quorate {
namespace {

void (*failure_hook)() = nullptr;

}  // namespace

void SetCheckFailureHook(void (*hook)()) { failure_hook = hook; }

namespace internal {

void CheckFailed(const char* file, int line, const char* what, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s%s\n", file, line, what, detail.c_str());
  std::fflush(stderr);
  if (failure_hook != nullptr) {
    auto* hook = failure_hook;
    failure_hook = nullptr;
    hook();
  }
  std::abort();
}

}  // namespace internal
}  // namespace quorate
