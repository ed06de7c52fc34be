#include "base/posix/posix_random.h"

#include <errno.h>
#include <sys/random.h>

#include <bit>

#include "base/check.h"

namespace quorate {

PosixRandom::PosixRandom() {
  // Up to 256 bytes come whole or not at all, but a signal may interrupt the wait at boot.
  ssize_t got;
  do {
    got = getrandom(state_.data(), sizeof(state_), 0);
  } while (got < 0 && errno == EINTR);
  QCHECK_EQ(got, static_cast<ssize_t>(sizeof(state_)));
  state_[0] |= 1;  // The all-zero state is the only bad one.
}

uint64_t PosixRandom::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace quorate
