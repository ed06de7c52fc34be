// broker/replica/bug_switches.h
//
// Known bugs of replication that the simulator can switch on, to show that its checkers find them
// (scenarios.md, "Mutants"). All are off in a real node.
//
// A value.
#pragma once

namespace quorate {

struct BugSwitches {
  // A1: a new follower cuts its log to its own high watermark instead of asking the leader.
  bool truncate_to_own_high_watermark = false;
  // acks=all is answered at the append, before any follower has the records.
  bool ack_before_isr = false;
  // A12: the answer to a fetch made in an older leader epoch is acted on.
  bool accept_stale_fetch_answer = false;
};

}  // namespace quorate
