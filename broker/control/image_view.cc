#include "broker/control/image_view.h"

#include <algorithm>

#include "base/check.h"

namespace quorate {

ImageView::~ImageView() {
  for (auto& [key, waiter] : waiters_) loop_->Cancel(waiter.timer);
}

void ImageView::Update(ImagePtr image) {
  QCHECK(image != nullptr);
  image_ = std::move(image);
  while (!waiters_.empty() && waiters_.begin()->first.first <= image_->index()) {
    auto node = waiters_.extract(waiters_.begin());
    loop_->Cancel(node.mapped().timer);
    node.mapped().done(true);
  }
}

void ImageView::WaitFor(LogIndex index, MonoTime deadline, Done done) {
  if (image_->index() >= index) {
    done(true);
    return;
  }
  const uint64_t id = ++last_id_;
  const Micros wait = std::max(Micros(0), deadline - loop_->Now());
  const TimerId timer = loop_->RunAfter(wait, [this, index, id] { Expire(index, id); });
  waiters_.emplace(std::make_pair(index, id), Waiter{std::move(done), timer});
}

void ImageView::Expire(LogIndex index, uint64_t id) {
  auto node = waiters_.extract(std::make_pair(index, id));
  if (!node.empty()) node.mapped().done(false);
}

}  // namespace quorate
