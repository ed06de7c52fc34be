// controller/image/image_loader.h
//
// ImageLoader follows the committed metadata log on every node: it builds the next image and
// publishes it, with the delta, to the parts of the node that act on it.
//
// `cli` joins it to the Raft node: committed batches come in as CommittedBatch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// One committed batch of the metadata log.
struct CommittedBatch {
  LogIndex first;
  Term term;
  WallMillis append_time = 0;        // leader's wall clock
  std::string cause;                 // serialised pb::Cause; may be empty
  bool control = false;              // takes its indexes, holds no metadata
  std::vector<std::string> records;  // serialised pb::MetadataRecord each

  LogIndex end() const { return first + static_cast<int64_t>(records.size()); }  // exclusive
};

// Hears of new images, on the loader's loop. One that lives on another loop posts what it needs.
class ImagePublisher {
 public:
  virtual ~ImagePublisher() = default;
  // `image` follows *delta->previous, which is the image of the call before. The first call after
  // AddPublisher has the image of that time as delta->previous and all of it in the delta.
  virtual void OnImage(const ImagePtr& image,
                       const std::shared_ptr<const MetadataDelta>& delta) = 0;
};

// Thread-compatible: owned by the controller loop.
class ImageLoader {
 public:
  // `begin` is the image that the first batch follows: one that was loaded from a store, or the
  // empty one (null).
  explicit ImageLoader(EventLoop* loop, ImagePtr begin = nullptr);
  ~ImageLoader();

  // From now on `publisher`, which outlives the loader, hears of every image. If there is a
  // non-empty image already, it hears of it within this call, with all of it in the delta.
  void AddPublisher(ImagePublisher* publisher);

  // Takes committed batches, in log order and without gaps; they are published as one image in a
  // task posted on the loop, together with whatever else comes until then.
  // ERRORS: what Replay returns for the first record that cannot be replayed. The loader then
  // stays at the batch before it for good (`failure()`), still publishes that, and refuses
  // whatever follows with the same status: an operator has to see it.
  absl::Status Apply(const std::vector<std::shared_ptr<const CommittedBatch>>& batches);

  // Takes a state that lies ahead of all that was applied, in place of it: what it lacks is in the
  // delta as removed. Published as the batches are, in one image with them.
  // REQUIRES: image is ahead of what was applied.
  void LoadSnapshot(MetadataImage image);

  // Publishes now what waits.
  void Flush();

  // The last published image, never null.
  const ImagePtr& image() const { return published_; }
  const absl::Status& failure() const { return failure_; }

 private:
  absl::Status ApplyOne(const CommittedBatch& batch);
  void SchedulePublish();

  EventLoop* const loop_;
  std::vector<ImagePublisher*> publishers_;
  MetadataImage next_;   // what `published_` will be after the next Flush
  MetadataDelta delta_;  // from published_ to next_
  ImagePtr published_;
  absl::Status failure_;
  bool publish_posted_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed, for tasks still queued
};

// All of `image` as a delta from the empty image.
MetadataDelta WholeAsDelta(const MetadataImage& image);

}  // namespace quorate
