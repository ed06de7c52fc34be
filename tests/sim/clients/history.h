#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/clients/record_name.h"

namespace quorate::sim {

// What clients saw; told to the checkers as it happens.
class History {
 public:
  virtual ~History() = default;
  virtual void OnSend(const PartitionName& partition, const RecordName& record) = 0;
  // `offset` is -1 if the broker did not know it any more.
  virtual void OnAck(const PartitionName& partition, const RecordName& record, int64_t offset) = 0;
  // `reader` names the consumer; `last` is the final read of a run, from the start.
  virtual void OnRead(const std::string& reader, bool last, const PartitionName& partition,
                      int64_t offset, const RecordName& record) = 0;
  // Something a client must never see, in one sentence.
  virtual void OnOutrage(const std::string& checker, const std::string& text,
                         const Subject& subject) = 0;
  // Whether `broker` leads the partition by what the nodes know by now.
  virtual bool Leads(const PartitionName& partition, int32_t broker) const = 0;
  // The leader of `epoch` told that all below `offset` is committed.
  virtual void OnCommittedUpTo(const PartitionName& partition, int32_t epoch, int64_t offset) = 0;
  // What a leader of `epoch` that is asked now for the latest offset must know of; -1 = nothing.
  virtual int64_t LatestFloor(const PartitionName& partition, int32_t epoch) const = 0;
  // It answered `offset`; `floor` is what LatestFloor was when it was asked.
  virtual void OnLatest(const PartitionName& partition, int32_t epoch, int64_t floor,
                        int64_t offset) = 0;
  // A producer was given an id.
  virtual void OnProducerId(int64_t id) = 0;
};

}  // namespace quorate::sim
