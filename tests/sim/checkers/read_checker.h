// tests/sim/checkers/read_checker.h
//
// ReadChecker: an offset that a consumer read once has the same record for every reader for ever
// (ConsistentRead, I15), and the final reader finds it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/checkers/verdict.h"
#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

class ReadChecker {
 public:
  explicit ReadChecker(Verdict& verdict) : verdict_(verdict) {}

  void OnRead(const std::string& reader, bool last, const PartitionName& partition, int64_t offset,
              const RecordName& record);
  // The final reader is at the end.
  void Finish();

 private:
  struct Seen {
    bool read = false;
    RecordName record;
    std::string reader;  // the first
    bool at_last = false;
  };

  Verdict& verdict_;
  std::map<PartitionName, std::vector<Seen>> seen_;  // by offset
};

}  // namespace quorate::sim
