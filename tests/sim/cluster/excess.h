// tests/sim/cluster/excess.h
//
// Excess: what a run of Profile::kBeyond does, once, that the promise (architecture.md) does not
// cover. It must end in a safe halt: nothing acknowledged is missing without a word. For each
// partition either
//   whole    a fresh consumer reads up to the high watermark without an error, and every
//            acknowledged record is there, at the offset of its acknowledgement; or
//   refused  it is told: no leader, no answer, an error, or bytes whose CRC is wrong; or
//   withheld the leader has the records and shows none above a high watermark that cannot rise
//            while fewer than min.insync.replicas are in sync; it refuses new ones.
// Up to the high watermark of what the producers sent and nothing else, as always. In particular:
//   wiped voters    those wiped do not run on configured voters without having been formatted, and
//                   no voter is made of one that was; what is left of the quorum elects nobody.
//                   A leader that was deposed before and cannot hear of it any more serves the log
//                   up to its own high watermark.
//   replaced disks  no empty log is taken for the partition.
//   rot             in records that the node had noted as synced, in any byte of the batch but
//                   those of its base offset: they lie outside the CRC, and a stock client takes a
//                   gap for what compaction leaves (docs/bugs-found.md). The processes are killed
//                   meanwhile or go on. What was synced and not yet noted cannot be told from what
//                   a power cut tore; there a flip costs the records behind it without a word, if
//                   it hits all replicas.
//   lying syncs     no node can know that it was lied to. Records acknowledged before the lie began
//                   are there or refused; of those acknowledged since, a tail may be gone. Nothing
//                   is left behind a gap.
//   power cut       all is there that all replicas had synced; of what a topic that trusts the page
//                   cache (`os`) acknowledged beyond, a tail may be gone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/sim/checkers/records_checker.h"
#include "tests/sim/cluster/fault_injector.h"

namespace quorate::sim {

class Excess {
 public:
  // REQUIRES: targets.scenario.faults.excess.
  Excess(const FaultTargets& targets, const std::vector<PartitionName>& partitions);

  ExcessKind kind() const { return kind_; }
  // Acknowledged records may go: the clients must not write any more when it strikes.
  bool costs_tail() const {
    return kind_ == ExcessKind::kLyingSyncs || kind_ == ExcessKind::kPowerCut;
  }
  // The syncs lie from now on, if that is it.
  void Begin(const RecordsChecker& records);
  // The rest of it, at once; nodes that it ended start again a little later.
  void Strike();
  // Acknowledged records of `partition` below it must be there, or refused; INT64_MAX: all.
  int64_t TailOf(const PartitionName& partition) const;

 private:
  void WipeVoters();
  void ReplaceDisks();
  void Rot();
  void CutPower();
  // What all replicas have synced, as far as it can be known.
  int64_t SyncedByAll(const PartitionName& partition) const;
  void StartAgain(SimNode& node);
  void Log(std::string text);

  const FaultTargets targets_;
  const std::vector<PartitionName> partitions_;
  const ExcessKind kind_;
  SeededRandom draw_;
  std::map<PartitionName, int64_t> tails_;
};

}  // namespace quorate::sim
