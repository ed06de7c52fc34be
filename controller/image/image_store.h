// controller/image/image_store.h
//
// ImageStore keeps the node's metadata image in a StateStore, so that a restart costs the tail of
// the metadata log and not its history (decision D16).
//
//   OnImage --changes gather--> one write at a time on the pool: changed entries + position
//
// One atomic batch holds the changed entries and the position they stand for (index, term, hash),
// so that what is stored is, after any crash, the fold of a prefix of the log (scenario E9).
// Writing follows what is published after a short while, costs what changed, and never holds
// anything up: the store may be behind, and may be deleted at any time.
//
// Thread-compatible: owned by the controller loop.
// On disk: <directory>, a StateStore; its keys are described in image_store.cc. What turns out to
// be damaged is kept as <directory>.damaged, the latest only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/blocking_pool.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/state_store.h"
#include "controller/image/image_loader.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// What an ImageStore stands on; all outlive it, `files` and `stores` also the work on the pool.
struct ImageStoreEnv {
  EventLoop* loop = nullptr;
  BlockingPool* pool = nullptr;
  FileSystem* files = nullptr;
  StateStores* stores = nullptr;
};

struct ImageStoreOptions {
  std::string directory;
  std::string cluster_id;
  // From the first change that is not stored to the write, which takes all that came until then.
  Micros delay = Millis(200);
  // After a failed write.
  Micros retry_delay = std::chrono::seconds(5);
  // A simulated mistake (ControllerBugSwitches, E9).
  bool index_before_image = false;
};

class ImageStore final : public ImagePublisher {
 public:
  // What Load found.
  enum class Found {
    kNothing,      // no store, or one without an image
    kImage,        // an image that can be used
    kForeign,      // of another format or cluster: deleted
    kUnjustified,  // the log does not vouch for it: deleted
    kUnreadable,   // cannot be opened, or says that it is damaged: set aside
    kMismatch,     // reads well but is not the state it says to be: set aside
  };

  // What follows "the image": "none", "loaded", ...
  static std::string_view NameOf(Found found);

  // Says whether the log holds, at the end of the prefix [0, index), a record of `term`: then that
  // prefix is the one the image was made of. The reason if not.
  using Justify = absl::FunctionRef<absl::Status(LogIndex index, Term term)>;

  ImageStore(const ImageStoreEnv& env, ImageStoreOptions options);
  ~ImageStore() override;

  // The stored image, or null if there is none that can be used; then the store begins anew with
  // the first image that is published. Never fails: the reason is logged. Call at most once, before
  // anything is published.
  // BLOCKS: O(size of the image).
  ImagePtr Load(Justify justify);

  // ImagePublisher. Nothing is to be stored if `image` is the loaded one.
  void OnImage(const ImagePtr& image, const std::shared_ptr<const MetadataDelta>& delta) override;

  // Stores what was published and is not stored yet, if it can; then `done` runs on the loop. Call
  // at most once, when nothing more is published.
  void Finish(Task done);

  Found found() const { return found_; }
  // All before this index is in the store, as far as this process knows.
  LogIndex stored_index() const;
  // Writes that failed so far.
  uint64_t failures() const { return failures_; }

 private:
  struct Core;  // what the work on the pool uses; it may outlive this

  void Schedule(Micros delay);
  void StartWrite();
  void WriteTheRest();
  void OnWritten(const ImagePtr& image, const absl::Status& status);

  const ImageStoreEnv env_;
  const ImageStoreOptions options_;
  const std::shared_ptr<Core> core_;
  Found found_ = Found::kNothing;
  ImagePtr latest_;        // published last
  ImagePtr stored_;        // what the store holds; null = not known to be anything, or nothing
  MetadataDelta pending_;  // what changed since the image that is stored, or being written
  bool writing_ = false;
  uint64_t failures_ = 0;
  TimerId timer_ = TimerId::kNone;
  Task finished_;  // set by Finish
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
