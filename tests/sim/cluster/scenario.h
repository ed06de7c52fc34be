// tests/sim/cluster/scenario.h
//
// Scenario: all that a seed decides before a run begins: topics, clients, which kinds of faults
// come and how often, how slow disks and links are.
//
// A value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "broker/replica/bug_switches.h"
#include "controller/bug_switches.h"
#include "raft/core/bug_switches.h"
#include "tests/sim/clients/consumer.h"
#include "tests/sim/clients/producer.h"
#include "tests/sim/clients/topic_maker.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/sim_pool.h"

namespace quorate::sim {

enum class FaultKind {
  kProcessCrash,  // what is in the page cache survives
  kMachineCrash,  // what is not synced may be lost
  kCrashInWrite,  // a machine crash between two changes of its disk
  kAllCrash,      // all machines at once
  kCleanRestart,  // a shutdown in order
  kIsolate,       // one node from the other nodes, in one direction or both
  kCutLink,       // one link between two nodes, in one direction
  kStorm,         // slow links, retransmissions, resets
  kSlowDisk,      // one node's
  kFailedSync,    // one fsync fails, its pages are lost
  kPause,         // a process stands still while time goes on
  kClockJump,     // a wall clock is set, for a while or for good
  kFullDisk,      // one node's, for a while
  kRing,          // partitions in which nobody reaches all: a ring, or one node as a bridge
  kLateCalls,     // calls arrive seconds later, after their repetitions or their sender's death
  kWipe,          // the disk of one node's partitions is replaced; the metadata log has its own
  kCrashAtPoint,  // a process or machine ends at a named failpoint (base/fault_point.h)
  kCrashLoop,     // a process ends again and again soon after its start
  kOldDirectory,  // one node's partitions are put back as they were some time ago (G26)
  kSwap,          // two nodes are started on each other's directories: they must refuse (G27)
  kClockDrift,    // a monotonic clock runs up to 5 % fast or slow
  kReadError,     // reads of one node's files fail, once or for a while
  kFlippedBit,    // one bit of an index, a producer snapshot or a batch of one node
  kTwice,         // calls are delivered twice
  kHalfOpen,      // a stream is dead and one of its ends does not learn it (L3, C27)
  kCutFrame,      // a part of a frame arrives, then a reset
  kCorruptFrame,  // a bit of a record flips on its way
  kAdminStorm,    // topics are made, changed and deleted by several clients at once
  kZombie,        // a producer stands still for long, then goes on
  kVoters,        // a voter is removed or added, or loses the disk of its metadata log
};
inline constexpr int kFaultKinds = 30;
const char* FaultName(FaultKind kind);
// As the command line has it: the name with '-' for ' '.
std::string FaultOption(FaultKind kind);
std::optional<FaultKind> FaultFromOption(std::string_view option);

// What the promise does not cover, once in a run of Profile::kBeyond; excess.h says how each has to
// end.
enum class ExcessKind {
  kWipedVoters,    // a majority of the voters loses the metadata log and the vote
  kReplacedDisks,  // the disks of all partitions are empty
  kRot,            // bits flip in the same batches of all replicas
  kLyingSyncs,     // syncs return and nothing is on disk, then all machines lose power
  kPowerCut,       // all machines lose power while a topic trusts the page cache
};
inline constexpr int kExcessKinds = 5;
const char* ExcessName(ExcessKind kind);

// Busy clients and a fault about every second or two; quiet ones and minutes between faults; the
// metadata quorum alone, with elections all the time; or as the first and, once, what exceeds the
// promise.
enum class Profile { kDense, kSparse, kElections, kBeyond };
// As the command line has it.
const char* ProfileName(Profile profile);
std::optional<Profile> ProfileFromName(std::string_view name);

// What a person chooses; the seed decides the rest.
struct ScenarioOptions {
  Profile profile = Profile::kDense;
  int nodes = 3;
  Millis duration{60'000};
  // BUGGIFY points: as the seed decides, or none.
  bool points = true;
  // The run dies of a signal then; zero = never. For tests of the runner.
  Millis abort_at{0};
  // Kinds of faults: as the seed decides, or all, or exactly these.
  bool all_kinds = false;
  std::optional<std::vector<FaultKind>> kinds;
  // Planned faults that do not happen: all of a kind, or single ones by their number from 1 on,
  // as ranges [first, last].
  std::set<FaultKind> without;
  std::vector<std::pair<int, int>> skipped;
};

struct FaultPlan {
  std::vector<FaultKind> kinds;  // those of this run
  std::set<FaultKind> without;   // as ScenarioOptions
  std::vector<std::pair<int, int>> skipped;
  std::optional<ExcessKind> excess;  // in runs of Profile::kBeyond ...
  Micros excess_at{0};               // ... and when
  Micros pause_mean{0};              // between faults
  // The chance that a crash hits a partition leader or the active controller, and not just anyone.
  double aimed = 0.7;
  bool Has(FaultKind kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
  Micros restart_high{0};  // longest time that a node stays down
  Micros cut_high{0};      // longest time that a link stays cut
};

class Stage;

struct Scenario {
  uint64_t seed = 0;
  Profile profile = Profile::kDense;
  Micros duration{0};  // until all is healed
  int nodes = 3;
  std::vector<TopicPlan> topics;
  bool has_os_topic = false;
  int producers = 2;
  ProducerOptions producer;
  int consumers = 2;
  // Simple consumers, each the only one that commits under its group's name.
  int committers = 0;
  ConsumerOptions consumer;
  int group_members = 0;   // of one consumer group
  Micros rewind_pause{0};  // a consumer begins anew this often
  LinkBehaviour links;
  PoolLatency pool;
  // The metadata log has a disk of its own, so that the partitions' disk can be replaced.
  bool two_disks = false;
  // The voters were named at formatting and can be changed; else they are configured.
  bool dynamic_voters = false;
  Millis wall_skew_high{0};
  // How soon a node stores its metadata image, and the chance that the store is gone at a start.
  Micros image_store_delay{0};
  double lost_store = 0;
  int64_t clock_drift_ppm = 0;  // the most that a process' monotonic clock is off
  Micros abort_at{0};           // ScenarioOptions::abort_at
  double points_share = 0;      // chance of each BUGGIFY point to be on
  double points_rate = 1;       // what the chances of those that are on are multiplied with
  int64_t replica_lag_ms = 0;
  int64_t fetch_wait_ms = 500;  // of a follower that is caught up
  int64_t heartbeat_ms = 500;   // between two of a broker; its session lasts three
  // Bytes of the metadata log between two snapshots, and how many bytes of one go into an answer;
  // 0: as by default, which no run reaches.
  int64_t snapshot_bytes = 0;
  int64_t snapshot_piece_bytes = 0;
  FaultPlan faults;
  raft::BugSwitches raft_bugs;
  BugSwitches broker_bugs;
  ControllerBugSwitches controller_bugs;
  // A directed run: what happens instead of the plan of faults.
  std::function<void(Stage&)> script;
};

// What a run takes if nothing else is chosen.
ScenarioOptions DefaultsOf(Profile profile);

// What `seed` decides. REQUIRES: 3 <= options.nodes <= 9.
Scenario MakeScenario(uint64_t seed, const ScenarioOptions& options);

}  // namespace quorate::sim
