#include "controller/image/image_loader.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "controller/image/image_records.h"
#include "controller/image/replay.h"

namespace quorate {

MetadataDelta WholeAsDelta(const MetadataImage& image) {
  return DeltaBetween(std::make_shared<const MetadataImage>(), image);
}

ImageLoader::ImageLoader(EventLoop* loop, ImagePtr begin)
    : loop_(loop),
      published_(begin != nullptr ? std::move(begin) : std::make_shared<const MetadataImage>()),
      alive_(std::make_shared<bool>(true)) {
  next_ = *published_;
  delta_.previous = published_;
}

ImageLoader::~ImageLoader() { *alive_ = false; }

void ImageLoader::AddPublisher(ImagePublisher* publisher) {
  publishers_.push_back(publisher);
  if (published_->index() > LogIndex(0)) {
    publisher->OnImage(published_,
                       std::make_shared<const MetadataDelta>(WholeAsDelta(*published_)));
  }
}

absl::Status ImageLoader::Apply(const std::vector<std::shared_ptr<const CommittedBatch>>& batches) {
  for (const auto& batch : batches) {
    if (!failure_.ok()) break;
    failure_ = ApplyOne(*batch);
    if (failure_.ok() && BUGGIFY("image.publish_each_batch", 0.3)) Flush();
    if (!failure_.ok()) {
      LOG(ERROR) << "The metadata log cannot be followed beyond index " << next_.index() << ": "
                 << failure_.message();
    }
  }
  if (next_.index() > published_->index()) SchedulePublish();
  return failure_;
}

absl::Status ImageLoader::ApplyOne(const CommittedBatch& batch) {
  if (batch.first != next_.index()) {
    return absl::InternalError(absl::StrFormat("a batch begins at index %d, expected %d",
                                               batch.first.value(), next_.index().value()));
  }
  AppliedBatch applied{batch.first, batch.end(), batch.term, batch.append_time, {}};
  if (!batch.control) {
    // An unreadable cause is no reason to stop: it explains the state, it is not the state.
    auto cause = DecodeCause(batch.cause);
    if (cause.ok()) applied.cause = *std::move(cause);
    // A batch is applied as a whole or not at all.
    MetadataImage image = next_;
    MetadataDelta delta;
    LogIndex index = batch.first;
    for (const std::string& record : batch.records) {
      Q_RETURN_IF_ERROR(Replay(index, record, &image, &delta));
      ++index;
    }
    next_ = std::move(image);
    delta_.Append(std::move(delta));
  }
  AdvanceTo(batch.end(), batch.term, &next_);
  delta_.batches.push_back(std::move(applied));
  return absl::OkStatus();
}

void ImageLoader::LoadSnapshot(MetadataImage image) {
  QCHECK_GT(image.index(), next_.index());
  failure_ = absl::OkStatus();  // whatever could not be followed is behind us
  next_ = std::move(image);
  // Compared with what was published last: what was applied since has no part in it any more.
  delta_ = DeltaBetween(published_, next_);
  SchedulePublish();
}

void ImageLoader::SchedulePublish() {
  if (publish_posted_) return;
  publish_posted_ = true;
  const auto publish = [this, alive = alive_] {
    if (!*alive) return;
    FAILPOINT("image.before_publish");
    publish_posted_ = false;
    Flush();
  };
  if (BUGGIFY("image.publish_late", 0.05)) {
    loop_->RunAfter(Millis(50), publish);
  } else {
    loop_->Post(publish);
  }
}

void ImageLoader::Flush() {
  if (next_.index() == published_->index()) return;
  published_ = std::make_shared<const MetadataImage>(next_);
  auto delta = std::make_shared<const MetadataDelta>(std::exchange(delta_, MetadataDelta{}));
  delta_.previous = published_;
  for (ImagePublisher* publisher : publishers_) publisher->OnImage(published_, delta);
}

}  // namespace quorate
