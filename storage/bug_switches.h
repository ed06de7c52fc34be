// storage/bug_switches.h
//
// StorageBugSwitches turn single rules of the log off, one by one, so that tests can show that the
// simulation finds the damage ("mutants", tests/sim/mutants). All are off in a real node.
//
// A value.
#pragma once

namespace quorate {

struct StorageBugSwitches {
  // A7: epochs that begin at the end of the log, without records, outlive a truncation to there and
  // what a leader sends instead.
  bool keep_conflicting_epochs = false;
  // A23: retention that empties a log forgets where it ended; its offsets are given out again.
  bool reuse_offsets_of_emptied_log = false;
  // G1: recovery does not look at the CRC of what it finds.
  bool trust_torn_tail = false;
  // G2: recovery stops at the first bad batch and leaves what lies behind it in the file.
  bool leave_what_lies_behind = false;
  // G1: recovery takes damage of what was flushed for a torn tail.
  bool cut_flushed_damage = false;
  // H1: a failed fsync is tried again, and believed if it succeeds then.
  bool retry_failed_sync = false;
  // J2: a follower does not keep what its leader's batches say of producers.
  bool producers_not_replicated = false;
};

}  // namespace quorate
