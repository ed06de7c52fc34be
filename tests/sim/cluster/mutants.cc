#include "tests/sim/cluster/mutants.h"

namespace quorate::sim {
namespace {

constexpr char kDense[] = "";
constexpr char kElections[] = "--profile elections";
// Leaders change while answers are on their way.
constexpr char kStorms[] = "--minutes 0.4 --faults storm,isolation,slow-disk,pause";
// Voters come, go and lose their disks, while leaders fall.
constexpr char kVoters[] = "--minutes 0.6 --faults voters,isolation,process-crash,machine-crash";

}  // namespace

const std::vector<Mutant>& Mutants() {
  using S = Scenario*;
  static const auto* mutants = new std::vector<Mutant>{
      {"A1", "truncate-to-own-high-watermark", kDense,
       [](S s) { s->broker_bugs.truncate_to_own_high_watermark = true; }},
      {"A2", "leader-ignores-epochs", kDense,
       [](S s) { s->broker_bugs.leader_ignores_epochs = true; }},
      {"A5", "skip-check-of-same-leader", kDense,
       [](S s) { s->broker_bugs.skip_check_of_same_leader = true; }},
      {"A6", "epoch-begins-at-high-watermark", kDense,
       [](S s) { s->broker_bugs.epoch_begins_at_high_watermark = true; }},
      {"A7", "keep-conflicting-epochs", kDense,
       [](S s) { s->broker_bugs.storage.keep_conflicting_epochs = true; }},
      {"A10", "believe-high-watermark-of-diverging-answer", kDense,
       [](S s) { s->broker_bugs.believe_high_watermark_of_diverging_answer = true; }},
      {"A11", "accept-answer-after-leaving", kStorms,
       [](S s) { s->broker_bugs.accept_answer_after_leaving = true; }},
      {"A12", "accept-stale-fetch-answer", "--scenario A12",
       [](S s) { s->broker_bugs.accept_stale_fetch_answer = true; }},
      {"A14", "forget-epoch-after-empty-answer", kDense,
       [](S s) { s->broker_bugs.forget_epoch_after_empty_answer = true; }},
      {"A17", "read-above-high-watermark", kDense,
       [](S s) { s->broker_bugs.read_above_high_watermark = true; }},
      {"A20", "active-before-first-commit", kDense,
       [](S s) { s->raft_bugs.active_before_first_commit = true; }},
      {"A21", "trust-unverified-fetch", kElections,
       [](S s) { s->raft_bugs.trust_unverified_fetch = true; }},
      {"A23", "reuse-offsets-of-emptied-log", "--scenario A23",
       [](S s) { s->broker_bugs.storage.reuse_offsets_of_emptied_log = true; }},
      {"B1", "forget-eligible-replicas", "--scenario B1",
       [](S s) { s->controller_bugs.forget_eligible_replicas = true; }},
      {"B2", "ignore-min-isr", kDense, [](S s) { s->broker_bugs.ignore_min_isr = true; }},
      {"B3", "join-before-epoch-start", kDense,
       [](S s) { s->broker_bugs.join_before_epoch_start = true; }},
      {"B4", "admit-fenced-members", "--scenario B4",
       [](S s) {
         s->controller_bugs.admit_fenced_members = true;
         s->broker_bugs.propose_fenced_members = true;
       }},
      {"B5", "ignore-broker-epochs", "--minutes 0.4 --faults wipe,process-crash,isolation",
       [](S s) {
         s->broker_bugs.ignore_broker_epochs = true;
         s->controller_bugs.ignore_broker_epochs = true;
       }},
      {"B6", "answer-isr-before-commit", kDense,
       [](S s) { s->controller_bugs.answer_isr_before_commit = true; }},
      {"C1", "commit-earlier-terms-by-counting", kElections,
       [](S s) { s->raft_bugs.commit_earlier_terms_by_counting = true; }},
      {"C3", "forget-vote-on-step-down", kElections,
       [](S s) { s->raft_bugs.forget_vote_on_step_down = true; }},
      {"C4", "vote-without-persisting", kElections,
       [](S s) { s->raft_bugs.vote_without_persisting = true; }},
      {"C6", "restart-as-leader", kElections, [](S s) { s->raft_bugs.restart_as_leader = true; }},
      {"C8", "vote-ignores-log", kElections, [](S s) { s->raft_bugs.vote_ignores_log = true; }},
      {"C12", "trust-stale-flush", kElections, [](S s) { s->raft_bugs.trust_stale_flush = true; }},
      {"C15", "commit-before-own-fsync", kElections,
       [](S s) { s->raft_bugs.commit_before_own_fsync = true; }},
      {"C16", "match-unknown-terms", kElections,
       [](S s) { s->raft_bugs.match_unknown_terms = true; }},
      {"C17", "confirm-reads-alone", kElections,
       [](S s) { s->raft_bugs.confirm_reads_alone = true; }},
      {"D2", "count-committed-voters", kVoters,
       [](S s) { s->raft_bugs.count_committed_voters = true; }},
      {"D11", "ignore-directories", kVoters, [](S s) { s->raft_bugs.ignore_directories = true; }},
      {"D12", "keep-truncated-voters", kVoters,
       [](S s) { s->raft_bugs.keep_truncated_voters = true; }},
      {"E1", "snapshot-names-last-record", kElections,
       [](S s) { s->raft_bugs.snapshot_names_last_record = true; }},
      {"E9", "store-index-before-image", kDense,
       [](S s) { s->controller_bugs.store_index_before_image = true; }},
      {"F4", "answer-producer-ids-before-commit", kDense,
       [](S s) { s->controller_bugs.answer_producer_ids_before_commit = true; }},
      {"G1", "trust-torn-tail", kDense, [](S s) { s->broker_bugs.storage.trust_torn_tail = true; }},
      {"G1", "cut-flushed-damage", "--profile beyond",
       [](S s) { s->broker_bugs.storage.cut_flushed_damage = true; }},
      {"G2", "leave-what-lies-behind", "--minutes 1 --faults clean-restart,machine-crash",
       [](S s) { s->broker_bugs.storage.leave_what_lies_behind = true; }},
      {"G11", "keep-clean-mark",
       "--minutes 0.4 --faults clean-restart,machine-crash,crash-in-a-write",
       [](S s) { s->broker_bugs.keep_clean_mark = true; }},
      {"H1", "retry-failed-sync", kDense,
       [](S s) { s->broker_bugs.storage.retry_failed_sync = true; }},
      {"I17", "ack-before-isr", kDense, [](S s) { s->broker_bugs.ack_before_isr = true; }},
      {"J2", "producers-not-replicated", kDense,
       [](S s) { s->broker_bugs.storage.producers_not_replicated = true; }},
      {"K1", "keep-groups-when-deposed", "--scenario K1",
       [](S s) { s->broker_bugs.keep_groups_when_deposed = true; }},
  };
  return *mutants;
}

bool ApplyMutant(const std::string& name, Scenario* scenario) {
  for (const Mutant& mutant : Mutants()) {
    if (mutant.name != name) continue;
    mutant.apply(scenario);
    return true;
  }
  return false;
}

}  // namespace quorate::sim
