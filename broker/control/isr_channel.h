// broker/control/isr_channel.h
//
// IsrChannel sends the ISR proposals of all partitions to the controller: one AlterPartition call
// at a time, which carries whatever was proposed while the previous one was under way.
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/ids.h"
#include "broker/control/controller_channel.h"
#include "broker/replica/isr_updater.h"

namespace quorate {

class IsrChannel final : public IsrUpdater {
 public:
  IsrChannel(EventLoop* loop, ControllerChannel* channel, std::string cluster_id, NodeId node_id,
             std::function<BrokerEpoch()> broker_epoch);
  ~IsrChannel() override;

  void Submit(IsrProposal proposal, Done done) override;

 private:
  static constexpr Micros kTimeout = std::chrono::seconds(2);
  static constexpr size_t kMaxBatch = 2000;

  struct Item {
    IsrProposal proposal;
    Done done;
  };
  void ScheduleSend();
  void Send();

  EventLoop* const loop_;
  ControllerChannel* const channel_;
  const std::string cluster_id_;
  const NodeId node_id_;
  const std::function<BrokerEpoch()> broker_epoch_;
  std::deque<Item> waiting_;
  bool send_posted_ = false;
  ControllerCallId call_ = ControllerCallId::kNone;
  int64_t last_sequence_ = 0;  // of a request
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
