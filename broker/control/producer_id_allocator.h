// broker/control/producer_id_allocator.h
//
// ProducerIdAllocator hands out producer ids from blocks that the controller gives this broker. A
// new block is asked for before the current one runs out.
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "broker/control/controller_channel.h"

namespace quorate {

class ProducerIdAllocator {
 public:
  // Names the caller of AllocateProducerIds.
  struct Identity {
    std::string cluster_id;
    NodeId node_id{0};
  };

  ProducerIdAllocator(EventLoop* loop, ControllerChannel* channel, Identity identity,
                      std::function<BrokerEpoch()> broker_epoch);
  ~ProducerIdAllocator();
  ProducerIdAllocator(const ProducerIdAllocator&) = delete;
  ProducerIdAllocator& operator=(const ProducerIdAllocator&) = delete;

  // Gives an id that no other call on any broker ever gets. Runs `done` at once while the block
  // lasts, else when the next block is there.
  // ERRORS to `done`: kUnavailable if no block came within 5 s.
  using Done = absl::AnyInvocable<void(absl::StatusOr<ProducerId>)>;
  void Allocate(Done done);

 private:
  static constexpr int64_t kPrefetchBelow = 100;
  static constexpr Micros kTimeout = std::chrono::seconds(5);
  static constexpr size_t kMaxWaiting = 10000;

  void RequestBlock();
  void OnBlock(int64_t first, int64_t count);

  EventLoop* const loop_;
  ControllerChannel* const channel_;
  const Identity identity_;
  const std::function<BrokerEpoch()> broker_epoch_;
  int64_t next_ = 0;
  int64_t end_ = 0;  // exclusive
  // The block after the current one, if it came already.
  int64_t reserve_next_ = 0;
  int64_t reserve_end_ = 0;
  ControllerCallId request_ = ControllerCallId::kNone;
  std::deque<Done> waiting_;
};

}  // namespace quorate
