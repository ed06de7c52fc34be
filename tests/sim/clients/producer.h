// tests/sim/clients/producer.h
//
// SimProducer: an idempotent producer with acks=all that never gives up on a batch: it sends each
// again, with the same sequence number, until it is acknowledged. Up to three batches of a
// partition are under way at once. What a broker may never answer to that is an outrage.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/clients/history.h"
#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

struct ProducerOptions {
  Micros pause_low{2'000};  // between new batches, all partitions together
  Micros pause_high{40'000};
  size_t max_records = 5;       // of a batch
  size_t max_filler = 300;      // bytes of a record
  size_t max_queued = 10;       // batches of a partition; beyond it nothing new is made
  bool corrupt_frames = false;  // batches may be damaged on their way
  Micros id_pause{3'000'000};   // about this often another producer id is asked for
};

class SimProducer {
 public:
  SimProducer(int32_t id, SimClient& client, std::vector<PartitionName> partitions,
              const ProducerOptions& options, History& history);

  void Start();
  // Makes no more records; those made are still sent.
  void Stop() { stopped_ = true; }
  // Makes no records for a while.
  void Pause(bool paused) { paused_ = paused; }
  // Every record made was acknowledged.
  bool Idle() const;
  uint64_t acked() const { return acked_; }
  uint64_t retries() const { return retries_; }
  // What is not acknowledged, for messages.
  std::string Describe() const;

 private:
  struct Batch {
    int64_t first_number = 0;
    int32_t base_sequence = 0;
    int32_t count = 0;
    std::string bytes;  // a whole record batch
    bool acked = false;
  };
  // One partition. Batches are sent in order; those answered leave at the front.
  struct Lane {
    PartitionName partition;
    std::deque<std::shared_ptr<Batch>> batches;
    size_t sent = 0;         // of `batches`, from the front
    size_t outstanding = 0;  // requests under way
    int32_t target = -1;     // the broker they went to
    bool rewind = false;     // something failed: once nothing is outstanding, all over again
    MonoTime not_before;
    int64_t next_number = 0;
    int32_t next_sequence = 0;
    int16_t last_error = 0;
  };
  // One batch in a request.
  struct Sent {
    size_t lane;
    std::shared_ptr<Batch> batch;
    int32_t broker;  // it went to
    bool alone;      // nothing of its partition was under way, and all before it is acknowledged
  };

  void AskForId();
  void AskAgainLater();
  void MakeOne();
  void Pump();
  void PumpSoon(Micros delay);
  void SendTo(int32_t broker, const std::vector<size_t>& lanes);
  void OnAnswer(const Sent& sent, int16_t error, int64_t base_offset);
  void Retry(Lane& lane);

  const int32_t id_;
  SimClient& client_;
  const ProducerOptions options_;
  History& history_;
  const int16_t version_;
  std::vector<Lane> lanes_;
  int64_t producer_id_ = -1;
  int16_t producer_epoch_ = -1;
  bool stopped_ = false;
  bool paused_ = false;
  bool pump_posted_ = false;
  uint64_t acked_ = 0;
  uint64_t retries_ = 0;
};

}  // namespace quorate::sim
