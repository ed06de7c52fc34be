// raft/quorum_state_file.h
//
// The file quorum-state: the (term, vote) that a node must not forget, as one checksummed record
// that is replaced atomically (scenario C4). Format: raft/FORMAT.md#quorum-state.
//
// Pure but for the file system calls; thread-compatible.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "raft/core/messages.h"

namespace quorate {

// The file's bytes for `state`.
std::string EncodeQuorumState(const raft::HardState& state);

// ERRORS: kDataLoss if the bytes are torn, damaged or not of this format.
absl::StatusOr<raft::HardState> DecodeQuorumState(std::string_view bytes);

// nullopt if there is no such file.
// BLOCKS. ERRORS: kDataLoss with the path if it is damaged; else as FileSystem.
absl::StatusOr<std::optional<raft::HardState>> ReadQuorumState(FileSystem* file_system,
                                                               const std::string& path);

// BLOCKS: until it is durable; after a crash the old or the new state is there, whole.
absl::Status WriteQuorumState(FileSystem* file_system, const std::string& path,
                              const raft::HardState& state);

}  // namespace quorate
