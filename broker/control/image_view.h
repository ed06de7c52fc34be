// broker/control/image_view.h
//
// ImageView is the broker loop's newest metadata image, with those who wait for an index of it.
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/event_loop.h"
#include "controller/image/metadata_image.h"

namespace quorate {

class ImageView {
 public:
  explicit ImageView(EventLoop* loop)
      : loop_(loop), image_(std::make_shared<const MetadataImage>()) {}
  ~ImageView();
  ImageView(const ImageView&) = delete;
  ImageView& operator=(const ImageView&) = delete;

  // Never null; keep a copy while using what it points to.
  const ImagePtr& image() const { return image_; }

  // Takes a newer image and runs those who waited for it.
  void Update(ImagePtr image);

  // Runs `done(true)` once image()->index() >= `index`, at once if it is, or `done(false)` at
  // `deadline`.
  using Done = absl::AnyInvocable<void(bool reached)>;
  void WaitFor(LogIndex index, MonoTime deadline, Done done);

 private:
  struct Waiter {
    Done done;
    TimerId timer = TimerId::kNone;
  };
  void Expire(LogIndex index, uint64_t id);

  EventLoop* const loop_;
  ImagePtr image_;
  std::map<std::pair<LogIndex, uint64_t>, Waiter> waiters_;
  uint64_t last_id_ = 0;
};

}  // namespace quorate
