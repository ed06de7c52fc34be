// raft/voter_table.h
//
// The voters of a metadata log, as the core starts with them: which set each voters record brings.
#pragma once

#include "absl/status/statusor.h"
#include "raft/core/voter_history.h"
#include "storage/log.h"

namespace quorate {

// Appends to `history` the voters records of `log`. Reads the log once, up to its end.
// BLOCKS. ERRORS: kDataLoss with directory and index: a batch that cannot be read.
absl::StatusOr<raft::VoterHistory> VoterTableOf(const Log& log, raft::VoterHistory history);

}  // namespace quorate
