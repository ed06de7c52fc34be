// raft/term_table.h
//
// The term table of a metadata log, as the core starts with it: at which index the records of each
// term begin.
#pragma once

#include "absl/status/statusor.h"
#include "raft/core/term_starts.h"
#include "storage/log.h"

namespace quorate {

// Reads the terms off `log`. Only terms with records are in it: a vote rests on the term of the
// last record (dissertation 3.6.1), while the log's epoch cache may know an epoch that has none
// (storage/log.h, AssignEpoch). ENSURES: last_term() is the term of the record before the log's
// end; 0 if the log is empty.
// `before_start`: the term of the record before the log's start; 0 if it starts at 0.
// ERRORS: kDataLoss with directory and index: records of no term, or terms that go back. The term
// lies outside a batch's checksum.
absl::StatusOr<raft::TermStarts> TermTableOf(const Log& log, Term before_start = Term(0));

}  // namespace quorate
