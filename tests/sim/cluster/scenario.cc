#include "tests/sim/cluster/scenario.h"

#include <algorithm>

#include "base/random.h"

namespace quorate::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

void AddOsTopic(Random& random, Scenario* scenario) {
  TopicPlan os;
  os.name = "os";
  os.partitions = static_cast<int32_t>(random.Between(1, 2));
  os.durability = "os";
  scenario->topics.push_back(os);
  scenario->has_os_topic = true;
}

void DecideTopics(Random& random, Scenario* scenario) {
  TopicPlan flush;
  flush.name = "flush";
  flush.partitions = static_cast<int32_t>(random.Between(1, 3));
  flush.durability = "flush-before-ack";
  if (random.Chance(0.5)) flush.segment_ms = random.Between(1000, 10'000);
  scenario->topics.push_back(flush);
  if (random.Chance(0.4)) AddOsTopic(random, scenario);
}

void DecideWeather(Random& random, Scenario* scenario) {
  scenario->links.low = Micros(random.Between(50, 300));
  scenario->links.high = Micros(random.Between(500, 5000));
  if (random.Chance(0.3)) scenario->links.stall = 0.002;
  if (random.Chance(0.3)) scenario->links.reset = 0.0005;
  scenario->pool.low = Micros(20);
  scenario->pool.high = Micros(random.Between(500, 20'000));
  if (random.Chance(0.3)) scenario->wall_skew_high = minutes(29);
  scenario->replica_lag_ms = random.Between(1500, 8000);
  scenario->image_store_delay = Micros(random.Chance(0.5) ? 0 : random.Between(1000, 500'000));
  scenario->lost_store = random.Chance(0.5) ? 0 : 0.1;
  // Some runs are busy; the others leave time for more of them.
  scenario->producer.pause_high =
      Micros(random.Chance(0.3) ? random.Between(10'000, 60'000) : random.Between(60'000, 300'000));
  scenario->producer.max_filler = random.Chance(0.3) ? 2000 : 200;
}

// The promise for `os` topics does not cover a loss of more than a minority's page cache.
bool IsCovered(FaultKind kind, bool has_os_topic) {
  return !has_os_topic || (kind != FaultKind::kAllCrash && kind != FaultKind::kFailedSync);
}

void DecideFaults(Random& random, const ScenarioOptions& options, Scenario* scenario) {
  FaultPlan& plan = scenario->faults;
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    const auto fault = static_cast<FaultKind>(kind);
    bool chosen = random.Chance(0.5);
    if (options.kinds) {
      chosen =
          std::find(options.kinds->begin(), options.kinds->end(), fault) != options.kinds->end();
    }
    if ((chosen || options.all_kinds) && IsCovered(fault, scenario->has_os_topic)) {
      plan.kinds.push_back(fault);
    }
  }
  scenario->dynamic_voters = plan.Has(FaultKind::kVoters);
  scenario->two_disks =
      plan.Has(FaultKind::kWipe) || plan.Has(FaultKind::kOldDirectory) || scenario->dynamic_voters;
  if (plan.Has(FaultKind::kClockDrift)) scenario->clock_drift_ppm = 50'000;
  scenario->producer.corrupt_frames = plan.Has(FaultKind::kCorruptFrame);
  // Some runs stay as real nodes are.
  scenario->points_share = !options.points || random.Chance(0.2) ? 0.0 : 0.25;
  plan.without = options.without;
  plan.skipped = options.skipped;
  plan.pause_mean = Micros(random.Between(300'000, 1'100'000));
  plan.aimed = random.Chance(0.8) ? 0.7 : 0.0;
  plan.restart_high = Micros(random.Chance(0.5) ? milliseconds(1500) : milliseconds(8000));
  plan.cut_high = Micros(random.Chance(0.5) ? milliseconds(1500) : milliseconds(10'000));
}

// Long runs with little to do: most of the time nothing happens at all.
void MakeSparse(Random& random, Scenario* scenario) {
  scenario->faults.pause_mean = Micros(random.Between(60'000'000, 180'000'000));
  scenario->points_rate = 0.02;
  scenario->fetch_wait_ms = scenario->replica_lag_ms / 2;
  scenario->heartbeat_ms = 2000;
  if (random.Chance(0.5)) scenario->faults.restart_high = seconds(60);
  if (random.Chance(0.5)) scenario->faults.cut_high = seconds(60);
  scenario->group_members = 0;  // heartbeats leave no time idle
  scenario->producers = 1;
  scenario->producer.pause_low = Micros(seconds(1));
  scenario->producer.pause_high = Micros(seconds(60));
  scenario->consumers = 1;
  scenario->consumer.pause = Micros(seconds(20));
  scenario->rewind_pause = Micros(minutes(30));
}

// One excess, among few faults.
void MakeBeyond(Random& random, Scenario* scenario) {
  FaultPlan& plan = scenario->faults;
  plan.excess = static_cast<ExcessKind>(scenario->seed % kExcessKinds);
  const int64_t end = scenario->duration.count();
  plan.excess_at = Micros(random.Between(end / 3, end * 3 / 4));
  plan.pause_mean *= 3;
  scenario->two_disks = true;
  scenario->group_members = 0;
  if (plan.excess == ExcessKind::kPowerCut && !scenario->has_os_topic) {
    AddOsTopic(random, scenario);
    std::erase_if(plan.kinds, [](FaultKind kind) { return !IsCovered(kind, true); });
  }
}

// From 20 to 200 records or so between snapshots, in pieces of one to a few batches.
void DecideSnapshots(Scenario* scenario) {
  SeededRandom random(scenario->seed ^ 0x5a4954u);  // of its own: recorded seeds stay what they are
  if (random.Chance(0.5)) return;
  scenario->snapshot_bytes = random.Between(2'000, 20'000);
  scenario->snapshot_piece_bytes = random.Between(256, 4'000);
}

// Consumers that are always there for the next record, or look now and then and find several.
void DecideConsumers(Scenario* scenario) {
  SeededRandom random(scenario->seed ^ 0x434f4eu);
  if (random.Chance(0.3)) return;
  scenario->consumer.pause = Micros(random.Between(20'000, 300'000));
}

}  // namespace

const char* ProfileName(Profile profile) {
  switch (profile) {
    case Profile::kDense:
      return "dense";
    case Profile::kSparse:
      return "sparse";
    case Profile::kElections:
      return "elections";
    case Profile::kBeyond:
      return "beyond";
  }
  return "?";
}

const char* ExcessName(ExcessKind kind) {
  switch (kind) {
    case ExcessKind::kWipedVoters:
      return "majority of voters wiped";
    case ExcessKind::kReplacedDisks:
      return "all data disks replaced";
    case ExcessKind::kRot:
      return "rot in all replicas";
    case ExcessKind::kLyingSyncs:
      return "lying syncs";
    case ExcessKind::kPowerCut:
      return "power cut of all";
  }
  return "?";
}

std::optional<Profile> ProfileFromName(std::string_view name) {
  for (const Profile profile :
       {Profile::kDense, Profile::kSparse, Profile::kElections, Profile::kBeyond}) {
    if (name == ProfileName(profile)) return profile;
  }
  return std::nullopt;
}

const char* FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kProcessCrash:
      return "process crash";
    case FaultKind::kMachineCrash:
      return "machine crash";
    case FaultKind::kCrashInWrite:
      return "crash in a write";
    case FaultKind::kAllCrash:
      return "all machines crash";
    case FaultKind::kCleanRestart:
      return "clean restart";
    case FaultKind::kIsolate:
      return "isolation";
    case FaultKind::kCutLink:
      return "cut link";
    case FaultKind::kStorm:
      return "storm";
    case FaultKind::kSlowDisk:
      return "slow disk";
    case FaultKind::kFailedSync:
      return "failed sync";
    case FaultKind::kPause:
      return "pause";
    case FaultKind::kClockJump:
      return "clock jump";
    case FaultKind::kFullDisk:
      return "full disk";
    case FaultKind::kRing:
      return "ring";
    case FaultKind::kLateCalls:
      return "late calls";
    case FaultKind::kWipe:
      return "wipe";
    case FaultKind::kCrashAtPoint:
      return "crash at a point";
    case FaultKind::kCrashLoop:
      return "crash loop";
    case FaultKind::kOldDirectory:
      return "old directory";
    case FaultKind::kSwap:
      return "swapped directories";
    case FaultKind::kClockDrift:
      return "clock drift";
    case FaultKind::kReadError:
      return "read error";
    case FaultKind::kFlippedBit:
      return "flipped bit";
    case FaultKind::kTwice:
      return "call twice";
    case FaultKind::kHalfOpen:
      return "half-open stream";
    case FaultKind::kCutFrame:
      return "cut frame";
    case FaultKind::kCorruptFrame:
      return "corrupt frame";
    case FaultKind::kAdminStorm:
      return "admin storm";
    case FaultKind::kZombie:
      return "zombie producer";
    case FaultKind::kVoters:
      return "voters";
  }
  return "?";
}

std::string FaultOption(FaultKind kind) {
  std::string option = FaultName(kind);
  std::replace(option.begin(), option.end(), ' ', '-');
  return option;
}

std::optional<FaultKind> FaultFromOption(std::string_view option) {
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    if (FaultOption(static_cast<FaultKind>(kind)) == option) return static_cast<FaultKind>(kind);
  }
  return std::nullopt;
}

ScenarioOptions DefaultsOf(Profile profile) {
  ScenarioOptions options;
  options.profile = profile;
  if (profile == Profile::kSparse) options.duration = std::chrono::hours(2);
  if (profile == Profile::kElections) options.duration = seconds(20);
  if (profile == Profile::kBeyond) options.duration = seconds(30);
  return options;
}

Scenario MakeScenario(uint64_t seed, const ScenarioOptions& options) {
  SeededRandom random(seed * 0x9e3779b97f4a7c15u + 1);
  Scenario scenario;
  scenario.seed = seed;
  scenario.profile = options.profile;
  scenario.duration = options.duration;
  scenario.nodes = options.nodes;
  scenario.abort_at = options.abort_at;
  scenario.rewind_pause = Micros(seconds(10));
  DecideTopics(random, &scenario);
  DecideWeather(random, &scenario);
  DecideFaults(random, options, &scenario);
  if (random.Chance(0.4)) scenario.group_members = static_cast<int>(random.Between(1, 3));
  DecideConsumers(&scenario);
  if (options.profile == Profile::kSparse) MakeSparse(random, &scenario);
  if (options.profile == Profile::kBeyond) MakeBeyond(random, &scenario);
  DecideSnapshots(&scenario);
  return scenario;
}

}  // namespace quorate::sim
