// raft/core/term_starts.h
//
// TermStarts knows, for one replica of the metadata log, at which index each term begins. A leader
// finds with it where a follower's log leaves its own; all nodes compare logs with it.
//
// The log is  [start ... term 1 ...)[... term 3 ...)[... term 4 ... end).
// Of what lies before the log's start only the last record's term is known: a replica that has
// just that record continues the log.
// Thread-compatible: owned by a RaftCore (or by who builds it from a log).
// Invariant: terms and start indexes are both strictly increasing.
// Source: KIP-595, KIP-101.
#pragma once

#include <vector>

#include "base/ids.h"

namespace quorate::raft {

// A term and where its records end, exclusive.
struct TermEnd {
  Term term;
  LogIndex end;
  bool operator==(const TermEnd&) const = default;
};

class TermStarts {
 public:
  // Records of `term` begin at `index`, or go on there if `term` is the last one.
  // REQUIRES: term >= last_term(), term > 0; index beyond every earlier start.
  void Append(Term term, LogIndex index);

  // The log now ends at `end`: terms that began there or later are forgotten.
  void TruncateTo(LogIndex end);

  // The log is empty and starts at `start` > 0; the record before was of `term` > 0.
  void StartAt(LogIndex start, Term term);

  // The log now starts at `start`: all before the record at start - 1 is forgotten.
  // REQUIRES: start > 0; the term of the record at start - 1 is known.
  void TruncateFront(LogIndex start);

  // The last term with a record; 0 if there is none.
  Term last_term() const { return starts_.empty() ? Term(0) : starts_.back().term; }

  // The term of the record at `index`, which may be the one before the log's start; 0 if it
  // precedes all known records.
  Term TermAt(LogIndex index) const;

  // The largest known term <= `term` and its end in a log [log_start, log_end); if there is none,
  // (0, log_start).
  TermEnd EndFor(Term term, LogIndex log_start, LogIndex log_end) const;

  // Number of terms that have records.
  size_t size() const { return starts_.size(); }

 private:
  struct Start {
    Term term;
    LogIndex index;
  };
  std::vector<Start> starts_;
};

}  // namespace quorate::raft
