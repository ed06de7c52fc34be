#include "broker/control/producer_id_allocator.h"

#include <glog/logging.h>

#include <utility>

#include "base/fault_point.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {

ProducerIdAllocator::ProducerIdAllocator(EventLoop* loop, ControllerChannel* channel,
                                         Identity identity,
                                         std::function<BrokerEpoch()> broker_epoch)
    : loop_(loop),
      channel_(channel),
      identity_(std::move(identity)),
      broker_epoch_(std::move(broker_epoch)) {}

ProducerIdAllocator::~ProducerIdAllocator() { channel_->Cancel(request_); }

void ProducerIdAllocator::Allocate(Done done) {
  if (next_ == end_ && reserve_next_ < reserve_end_) {
    next_ = std::exchange(reserve_next_, 0);
    end_ = std::exchange(reserve_end_, 0);
  }
  if (next_ < end_) {
    const ProducerId id{next_++};
    if ((end_ - next_ < kPrefetchBelow || BUGGIFY("broker.fetch_producer_ids_early", 0.3)) &&
        reserve_next_ == reserve_end_)
      RequestBlock();
    done(id);
    return;
  }
  if (waiting_.size() >= kMaxWaiting || BUGGIFY("broker.refuse_producer_id", 0.05)) {
    done(absl::UnavailableError("too many requests wait for producer ids"));
    return;
  }
  waiting_.push_back(std::move(done));
  RequestBlock();
}

void ProducerIdAllocator::RequestBlock() {
  if (request_ != ControllerCallId::kNone) return;
  pb::AllocateProducerIdsRequest request;
  request.mutable_caller()->set_cluster_id(identity_.cluster_id);
  request.mutable_caller()->set_broker_id(identity_.node_id.value());
  request.mutable_caller()->set_broker_epoch(broker_epoch_().value());
  ControllerChannel::Options options;
  options.deadline = loop_->Now() + kTimeout;
  request_ = channel_->CallFor<pb::AllocateProducerIdsResponse>(
      "Controller.AllocateProducerIds", request, options,
      [this](absl::StatusOr<pb::AllocateProducerIdsResponse> response) {
        request_ = ControllerCallId::kNone;
        if (response.ok() && response->header().error() == 0 && response->count() > 0) {
          OnBlock(response->first(), response->count());
          return;
        }
        const std::string why = !response.ok() ? std::string(response.status().message())
                                               : response->header().error_message();
        LOG(WARNING) << "no block of producer ids: " << why;
        std::deque<Done> failed = std::exchange(waiting_, {});
        for (Done& done : failed) {
          done(absl::UnavailableError("no producer ids from the controller: " + why));
        }
      });
}

void ProducerIdAllocator::OnBlock(int64_t first, int64_t count) {
  if (next_ == end_) {
    next_ = first;
    end_ = first + count;
  } else {
    reserve_next_ = first;
    reserve_end_ = first + count;
  }
  std::deque<Done> waiting = std::exchange(waiting_, {});
  for (Done& done : waiting) Allocate(std::move(done));
}

}  // namespace quorate
