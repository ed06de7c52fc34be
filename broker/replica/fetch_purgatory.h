// broker/replica/fetch_purgatory.h
//
// FetchPurgatory answers fetches: at once where it can, else it parks them until one of exactly
// their partitions has news or their time is up. Nothing is polled and nothing swept; a wake-up
// costs what the woken partition costs, not what the fetch's other partitions would.
//
// Wake-ups of one loop round are gathered: the woken fetches are looked at in one posted task.
//
// Thread-compatible: owned by the data loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/event_loop.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_requests.h"

namespace quorate {

class FetchPurgatory {
 public:
  // The partition, or null with the error's fields set in `*error`.
  using Resolver = std::function<std::shared_ptr<Partition>(const TopicPartition& partition,
                                                            FetchPartitionResult* error)>;

  FetchPurgatory(EventLoop* loop, Resolver resolver);
  ~FetchPurgatory();

  // See ReplicaManager::Fetch. A fetch of a follower has its older parked one answered at once: it
  // sends another only to add partitions, and answers come in order.
  FetchId Fetch(FetchSpec spec, FetchDone done);
  // See ReplicaManager::CancelFetch.
  void Cancel(FetchId id);
  // The partition watched under `key` has news.
  void Wake(WatchKey key);
  // Answers all with what there is.
  void AnswerAll();

  int64_t parked_count() const { return static_cast<int64_t>(parked_.size()); }

 private:
  struct Parked {
    FetchSpec spec;
    FetchDone done;
    std::vector<std::shared_ptr<Partition>> partitions;  // null: an error
    FetchResult result;
    int64_t bytes = 0;  // of records in result
    bool answer_now = false;
    std::vector<uint32_t> woken;  // indexes to read again
    TimerId timer = TimerId::kNone;
  };

  // Reads entry `index` again.
  static void Evaluate(Parked* fetch, uint32_t index);
  static bool IsReady(const Parked& fetch) {
    return fetch.answer_now || fetch.bytes >= fetch.spec.min_bytes;
  }
  void Drain();
  // Takes the fetch out and answers it.
  void Answer(FetchId id);
  std::unique_ptr<Parked> Take(FetchId id);

  EventLoop* const loop_;
  const Resolver resolver_;
  std::map<FetchId, std::unique_ptr<Parked>> parked_;
  std::map<NodeId, FetchId> by_follower_;  // a follower's latest parked fetch
  std::vector<FetchId> woken_;
  bool drain_posted_ = false;
  uint64_t last_id_ = 0;
  std::shared_ptr<bool> alive_;  // false once destroyed, for tasks still queued
};

}  // namespace quorate
