// tests/sim/clients/consumer.h
//
// SimConsumer: reads partitions from their leaders, from the start, and reports every record. It
// never sees a gap, what it had before, an offset that is gone, or bytes that nobody wrote, or else
// reports an outrage. Now and then it asks leaders for their latest offsets.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/kafka/messages/list_offsets.h"
#include "tests/sim/clients/history.h"
#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

struct ConsumerOptions {
  bool last = false;  // the final reader of a run
  Micros pause{0};    // between fetches, for those that look only now and then
};

class SimConsumer {
 public:
  SimConsumer(SimClient& client, std::vector<PartitionName> partitions,
              const ConsumerOptions& options, History& history);

  void Start();
  void Stop() { stopped_ = true; }
  // Begins anew at offset 0 everywhere.
  void Rewind();
  // Next offset to read.
  int64_t position(const PartitionName& partition) const { return lanes_.at(partition).position; }
  // As of the last answer; -1 before it.
  int64_t high_watermark(const PartitionName& partition) const {
    return lanes_.at(partition).high_watermark;
  }
  // The latest error, for messages.
  int16_t last_error(const PartitionName& partition) const {
    return lanes_.at(partition).last_error;
  }
  uint64_t records_read() const { return records_read_; }

 private:
  // What a fetch was sent with.
  struct Asked {
    uint64_t rewinds = 0;
    int32_t epoch = -1;  // of the leader, as the client knew it
    int64_t position = 0;
    int64_t floor = -1;  // History::LatestFloor
  };
  struct Lane {
    int64_t position = 0;
    int64_t high_watermark = -1;
    uint64_t rewinds = 0;       // tells answers to fetches before a rewind
    int32_t newest_epoch = -1;  // of the batches read
    int16_t last_error = 0;
  };

  void Pump();
  void PumpSoon(Micros delay);
  void FetchFrom(int32_t broker, const std::vector<PartitionName>& partitions);
  void AskForLatest(int32_t broker, const std::vector<PartitionName>& partitions);
  void OnLatest(const kafka::ListOffsetsResponse& response,
                const std::map<PartitionName, Asked>& asked);
  void OnRecords(const PartitionName& name, Lane& lane, int64_t asked, std::string_view bytes);

  SimClient& client_;
  const ConsumerOptions options_;
  History& history_;
  const int16_t version_;
  const bool sends_epoch_;
  std::map<PartitionName, Lane> lanes_;
  std::set<int32_t> busy_;  // brokers with a fetch under way
  bool stopped_ = false;
  bool pump_posted_ = false;
  uint64_t records_read_ = 0;
};

}  // namespace quorate::sim
