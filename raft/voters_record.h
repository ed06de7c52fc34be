// raft/voters_record.h
//
// A voter set as bytes: the value of a voters record in the metadata log, and the file
// bootstrap-voters that `quorate format` leaves on the first controllers. Format: raft/FORMAT.md.
//
// Pure but for the file system calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "raft/core/voter_history.h"
#include "raft/core/voter_set.h"
#include "storage/record_batch.h"

namespace quorate {

// ENSURES: the same bytes for equal sets.
std::string EncodeVoters(const raft::VoterSet& voters);
// ERRORS: kDataLoss if `bytes` are no voters record, name nobody, or a voter without directory id.
absl::StatusOr<raft::VoterSet> DecodeVoters(std::string_view bytes);

// The control batch that brings `voters`.
std::string EncodeVotersBatch(const raft::VoterSet& voters, Term term, WallMillis now);

// The set that `batch` brings; null if it is no voters record.
// ERRORS: kDataLoss. The CRC is the caller's affair.
absl::StatusOr<std::shared_ptr<const raft::VoterSet>> VotersOf(const RecordBatchView& batch);

// The file `<log directory>/bootstrap-voters`: the voters before the log's first record. nullopt if
// there is none. BLOCKS. ERRORS: kDataLoss with the path if it is damaged; else as FileSystem.
absl::StatusOr<std::optional<raft::VoterSet>> ReadBootstrapVoters(FileSystem* file_system,
                                                                  const std::string& log_directory);
// BLOCKS: until it is durable. Creates the directory if need be.
absl::Status WriteBootstrapVoters(FileSystem* file_system, const std::string& log_directory,
                                  const raft::VoterSet& voters);

}  // namespace quorate
