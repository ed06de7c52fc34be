// broker/replica/bug_switches.h
//
// Known bugs of replication that the simulator can switch on, to show that its checkers find them
// (scenarios.md, "Mutants"). All are off in a real node.
//
// A value.
#pragma once

#include "storage/bug_switches.h"

namespace quorate {

struct BugSwitches {
  // A1: a new follower cuts its log to its own high watermark instead of asking the leader.
  bool truncate_to_own_high_watermark = false;
  // A2: a leader compares a follower's log end with its own, but not the epochs of the records.
  bool leader_ignores_epochs = false;
  // A5: a follower whose next leader is the broker that led before does not compare logs again.
  bool skip_check_of_same_leader = false;
  // A6: a new leader's epoch begins, in its cache, at the high watermark instead of the log end.
  bool epoch_begins_at_high_watermark = false;
  // A10: the high watermark of an answer that says "diverging" is believed.
  bool believe_high_watermark_of_diverging_answer = false;
  // A11: an answer that comes after the partition left a fetcher is taken for one to its latest
  // fetch.
  bool accept_answer_after_leaving = false;
  // A12: the answer to a fetch made in an older leader epoch is acted on.
  bool accept_stale_fetch_answer = false;
  // A14: an answer without records makes the follower forget its latest epoch.
  bool forget_epoch_after_empty_answer = false;
  // A17: consumers are given what lies above the high watermark.
  bool read_above_high_watermark = false;
  // B2: the high watermark moves, and acks=all is answered, below min.insync.replicas.
  bool ignore_min_isr = false;
  // B3: a replica may join the ISR before it holds all that the leader had at its election.
  bool join_before_epoch_start = false;
  // B4: fenced and stopping brokers are proposed for the ISR.
  bool propose_fenced_members = false;
  // B5: fetches of a broker's earlier process count for its present one.
  bool ignore_broker_epochs = false;
  // G11: the mark of a clean shutdown stays when the next run begins.
  bool keep_clean_mark = false;
  // K1: a coordinator keeps what it knows of groups while another broker leads, and goes on with
  // it when it leads again.
  bool keep_groups_when_deposed = false;
  // acks=all is answered at the append, before any follower has the records.
  bool ack_before_isr = false;
  StorageBugSwitches storage;
};

}  // namespace quorate
