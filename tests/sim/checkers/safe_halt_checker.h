// tests/sim/checkers/safe_halt_checker.h
//
// SafeHaltChecker judges, after a fault that the promise does not cover, what a fresh consumer was
// told of each partition: all of it is there, or it is refused, or withheld: the leader has it and
// waits for other replicas before it shows it, and takes nothing meanwhile. What is none of these,
// and a log that is served as if all were well without records that were acknowledged, are
// violations.
#pragma once

#include <cstdint>

#include "tests/sim/checkers/records_checker.h"
#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class SafeHaltChecker {
 public:
  // How far a consumer came that read from the start and gave up in the end.
  struct ReadOut {
    int64_t position = 0;         // next offset to read
    int64_t high_watermark = -1;  // of the last answer, -1 if there was none
    int64_t log_end = -1;         // of the leader's log, -1 if unknown
    // The last answer was an error, what lies at `position` has a bad CRC, or there is no leader.
    bool told = false;
  };

  SafeHaltChecker(Verdict& verdict, RecordsChecker& records)
      : verdict_(verdict), records_(records) {}

  // `tail` as in RecordsChecker::FinishPartition.
  void OnPartition(const PartitionName& partition, const ReadOut& read, int64_t tail);

  // Partitions of each kind.
  uint64_t whole() const { return whole_; }
  uint64_t refused() const { return refused_; }
  uint64_t withheld() const { return withheld_; }

 private:
  Verdict& verdict_;
  RecordsChecker& records_;
  uint64_t whole_ = 0;
  uint64_t refused_ = 0;
  uint64_t withheld_ = 0;
};

}  // namespace quorate::sim
