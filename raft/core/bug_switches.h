// raft/core/bug_switches.h
//
// BugSwitches turn single rules of the protocol off, one by one, so that tests can show that the
// simulation finds the damage ("mutants", testing.md). All are off by default, and only code under
// tests/ and *_test.cc may set one.
#pragma once

namespace quorate::raft {

struct BugSwitches {
  // A vote is granted, but (term, vote) is not written first: two leaders in one term after a
  // crash (scenario C4).
  bool vote_without_persisting = false;
  // Entries of earlier terms are committed by counting replicas (scenario C1).
  bool commit_earlier_terms_by_counting = false;
  // A fetch counts as an acknowledgement before its (term, index) was compared (scenario A21).
  bool trust_unverified_fetch = false;
  // The leader counts its own log up to the end, not up to what is fsynced (scenario C15).
  bool commit_before_own_fsync = false;
  // Stepping down within a term forgets the vote (scenario C3).
  bool forget_vote_on_step_down = false;
  // A vote is granted to a candidate with a shorter log (scenario C8).
  bool vote_ignores_log = false;
  // A20: the leader serves before it has committed a record of its own term.
  bool active_before_first_commit = false;
  // C6: who led a term goes on leading it after a restart, whatever it lost.
  bool restart_as_leader = false;
  // A completed flush counts although the log was cut in between (scenario C12).
  bool trust_stale_flush = false;
  // C17: a leader answers readers without asking a majority whether it still leads.
  bool confirm_reads_alone = false;
  // E1: a snapshot is named by the last record in it, not by the index behind it.
  bool snapshot_names_last_record = false;
  // C16: a term that the leader cannot know any more counts as a match.
  bool match_unknown_terms = false;
  // D2: majorities are those of the last committed voters, not of the last ones in the log.
  bool count_committed_voters = false;
  // D11: a voter is a node; what disk it has does not matter.
  bool ignore_directories = false;
  // D12: voters whose record was truncated away go on to count.
  bool keep_truncated_voters = false;
};

}  // namespace quorate::raft
