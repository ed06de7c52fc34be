#include "controller/image/image_store.h"

#include <glog/logging.h>

#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/stored_image.h"

namespace quorate {

// Used by one piece of work at a time: Load, then one write after the other.
struct ImageStore::Core {
  FileSystem* files;
  StateStores* stores;
  const std::string directory;
  const std::string cluster_id;
  const bool index_before_image;
  std::unique_ptr<StateStore> store;  // null: not open

  // What Load found, with the image if it can be used and else the reason.
  struct Loaded {
    Found found;
    ImagePtr image;
    std::string why;
  };

  Loaded Load(Justify justify) {
    auto opened = stores->Open(directory);
    if (!opened.ok()) return {Found::kUnreadable, nullptr, opened.status().ToString()};
    store = *std::move(opened);
    const auto position = ReadPosition(*store);
    if (absl::IsFailedPrecondition(position.status())) {
      return {Found::kForeign, nullptr, std::string(position.status().message())};
    }
    if (!position.ok()) return {Found::kUnreadable, nullptr, position.status().ToString()};
    if (!*position) return {Found::kNothing, nullptr, ""};
    if ((*position)->cluster_id != cluster_id) {
      return {Found::kForeign, nullptr, "it is of the cluster " + (*position)->cluster_id};
    }
    const absl::Status justified = justify((*position)->index, (*position)->term);
    if (!justified.ok()) {
      return {Found::kUnjustified, nullptr, std::string(justified.message())};
    }
    auto image = ReadImage(*store, **position, /*trust=*/index_before_image);
    if (absl::IsFailedPrecondition(image.status())) {
      return {Found::kMismatch, nullptr, std::string(image.status().message())};
    }
    if (!image.ok()) return {Found::kUnreadable, nullptr, image.status().ToString()};
    return {Found::kImage, std::make_shared<const MetadataImage>(*std::move(image)), ""};
  }

  void SetAside() {
    const std::string aside = directory + ".damaged";
    absl::Status moved = files->RemoveTree(aside);
    if (moved.ok()) moved = files->Rename(directory, aside);
    if (moved.ok()) return;
    LOG(WARNING) << directory << " cannot be set aside, it is deleted: " << moved;
    Delete();
  }

  void Delete() {
    IgnoreError(files->RemoveTree(directory), "WriteAnew does it again before it writes");
  }

  absl::Status Write(const ImagePtr& from, const ImagePtr& to, const MetadataDelta& delta) {
    if (index_before_image && from != nullptr && store != nullptr) {
      Q_RETURN_IF_ERROR(WriteChanges(*store, cluster_id, *from, *to, MetadataDelta()));
    }
    absl::Status written = from == nullptr || store == nullptr
                               ? WriteAnew(*to)
                               : WriteChanges(*store, cluster_id, *from, *to, delta);
    if (!written.ok()) store.reset();
    return written;
  }

  absl::Status WriteAnew(const MetadataImage& image) {
    store.reset();
    Q_RETURN_IF_ERROR(files->RemoveTree(directory));
    Q_ASSIGN_OR_RETURN(store, stores->Open(directory));
    return WriteImage(*store, cluster_id, image);
  }
};

ImageStore::ImageStore(const ImageStoreEnv& env, ImageStoreOptions options)
    : env_(env),
      options_(std::move(options)),
      core_(std::make_shared<Core>(Core{env.files, env.stores, options_.directory,
                                        options_.cluster_id, options_.index_before_image,
                                        nullptr})) {}

ImageStore::~ImageStore() { env_.loop->Cancel(timer_); }

ImagePtr ImageStore::Load(Justify justify) {
  Core::Loaded loaded = core_->Load(justify);
  found_ = loaded.found;
  if (found_ == Found::kImage) {
    stored_ = loaded.image;
    latest_ = loaded.image;
    LOG(INFO) << options_.directory << ": the metadata image at index " << stored_->index();
    return loaded.image;
  }
  core_->store.reset();
  if (found_ == Found::kNothing) return nullptr;
  const bool damaged = found_ == Found::kUnreadable || found_ == Found::kMismatch;
  LOG(WARNING) << options_.directory << " cannot be used and is "
               << (damaged ? "set aside" : "deleted")
               << ", the metadata image is built from the log: " << loaded.why;
  damaged ? core_->SetAside() : core_->Delete();
  return nullptr;
}

std::string_view ImageStore::NameOf(Found found) {
  switch (found) {
    case Found::kNothing:
      return "none";
    case Found::kImage:
      return "loaded";
    case Found::kForeign:
      return "foreign";
    case Found::kUnjustified:
      return "ahead of the log";
    case Found::kUnreadable:
      return "damaged";
    case Found::kMismatch:
      return "wrong";
  }
  return "?";
}

LogIndex ImageStore::stored_index() const {
  return stored_ == nullptr ? LogIndex(0) : stored_->index();
}

void ImageStore::OnImage(const ImagePtr& image, const std::shared_ptr<const MetadataDelta>& delta) {
  env_.loop->AssertOnLoop();
  if (latest_ != nullptr && image->index() == latest_->index()) return;  // the loaded one
  latest_ = image;
  // If the next write is of all, it does not matter what changed.
  if (stored_ != nullptr || writing_) pending_.AppendChanges(*delta);
  if (!writing_ && timer_ == TimerId::kNone) Schedule(options_.delay);
}

void ImageStore::Finish(Task done) {
  env_.loop->AssertOnLoop();
  env_.loop->Cancel(std::exchange(timer_, TimerId::kNone));
  finished_ = std::move(done);
  if (!writing_) WriteTheRest();
}

void ImageStore::WriteTheRest() {
  if (latest_ != stored_) return StartWrite();
  env_.loop->Post(std::exchange(finished_, nullptr));
}

void ImageStore::Schedule(Micros delay) {
  timer_ = env_.loop->RunAfter(delay, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    timer_ = TimerId::kNone;
    StartWrite();
  });
}

void ImageStore::StartWrite() {
  writing_ = true;
  auto delta = std::make_shared<const MetadataDelta>(std::exchange(pending_, MetadataDelta{}));
  env_.pool->RunThen(
      env_.loop,
      [core = core_, from = stored_, to = latest_, delta] { return core->Write(from, to, *delta); },
      [this, alive = std::weak_ptr<bool>(alive_), to = latest_](const absl::Status& status) {
        if (!alive.expired()) OnWritten(to, status);
      });
}

void ImageStore::OnWritten(const ImagePtr& image, const absl::Status& status) {
  writing_ = false;
  if (!status.ok()) {
    // Stored or not: the next write begins anew.
    ++failures_;
    stored_ = nullptr;
    pending_ = MetadataDelta{};
    LOG(WARNING) << options_.directory << ": the metadata image is not stored, again in "
                 << options_.retry_delay / Millis(1)
                 << " ms; only a restart gets slower: " << status;
    if (finished_) return env_.loop->Post(std::exchange(finished_, nullptr));
    return Schedule(options_.retry_delay);
  }
  stored_ = image;
  if (finished_) return WriteTheRest();
  if (latest_ != stored_) Schedule(options_.delay);
}

}  // namespace quorate
