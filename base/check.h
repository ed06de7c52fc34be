// base/check.h
//
// QCHECK: an invariant that, once broken, makes going on unsafe. On in every build. A failure
// prints the condition, both values for the comparing forms, and aborts the process.
//
// Bytes from a peer or a disk are never checked with these: they are operating errors and get a
// Status (style guide, "Errors").
#pragma once

#include <sstream>
#include <string>

namespace quorate::internal {

// Prints `file:line: CHECK failed: what` with `detail` to stderr, runs the hook of
// SetCheckFailureHook, aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* what,
                              const std::string& detail);

template <typename A, typename B>
[[noreturn]] void CheckOpFailed(const char* file, int line, const char* what, const A& a,
                                const B& b) {
  std::ostringstream detail;
  detail << " (" << a << " vs. " << b << ")";
  CheckFailed(file, line, what, detail.str());
}

}  // namespace quorate::internal

namespace quorate {

// Registers a function that runs once before the abort, e.g. to dump a trace. Not thread-safe:
// call it from main, before threads start.
void SetCheckFailureHook(void (*hook)());

}  // namespace quorate

#define QCHECK(condition)                                                              \
  do {                                                                                 \
    if (__builtin_expect(!(condition), 0))                                             \
      ::quorate::internal::CheckFailed(__FILE__, __LINE__, #condition, std::string()); \
  } while (0)

#define QUORATE_CHECK_OP(a, op, b)                                                               \
  do {                                                                                           \
    const auto& quorate_check_a = (a);                                                           \
    const auto& quorate_check_b = (b);                                                           \
    if (__builtin_expect(!(quorate_check_a op quorate_check_b), 0))                              \
      ::quorate::internal::CheckOpFailed(__FILE__, __LINE__, #a " " #op " " #b, quorate_check_a, \
                                         quorate_check_b);                                       \
  } while (0)

#define QCHECK_EQ(a, b) QUORATE_CHECK_OP(a, ==, b)
#define QCHECK_NE(a, b) QUORATE_CHECK_OP(a, !=, b)
#define QCHECK_LT(a, b) QUORATE_CHECK_OP(a, <, b)
#define QCHECK_LE(a, b) QUORATE_CHECK_OP(a, <=, b)
#define QCHECK_GT(a, b) QUORATE_CHECK_OP(a, >, b)
#define QCHECK_GE(a, b) QUORATE_CHECK_OP(a, >=, b)
