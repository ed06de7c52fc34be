// controller/image/stored_image.h
//
// How a metadata image lies in a StateStore: a key per entry, whose value is the records that
// rebuild it, and one key that says what they are together.
//
//   key                                     value
//   !position                               StoredPosition as text, see stored_image.cc
//   A <name>                                feature
//   B <id:4>                                broker
//   C <topic id:16>                         topic
//   D <topic id:16> <partition:4>           partition
//   E <type:1> <length:2> <resource> <key>  one config
//   F                                       producer ids
//
// Numbers are big-endian; a value is a sequence of (length:4, record). Replayed in the order of
// the keys, the records give the image.
//
// Blocking, as the store is.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/state_store.h"
#include "controller/image/metadata_delta.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// What a store's entries are together.
struct StoredPosition {
  std::string cluster_id;
  LogIndex index;    // the image holds the effect of all before it
  Term term;         // of the last record before it
  std::string hash;  // StateHash of the image, as text
};

// Absent if the store holds no image.
// ERRORS: as StateStore; kFailedPrecondition if the image is of a format that this version does
// not know.
absl::StatusOr<std::optional<StoredPosition>> ReadPosition(StateStore& store);

// The image that is stored at `position`.
// ERRORS: as StateStore; kFailedPrecondition if the entries do not give the state whose hash
// `position` names.
// `trust`: its hash is not compared, as a simulated mistake.
absl::StatusOr<MetadataImage> ReadImage(StateStore& store, const StoredPosition& position,
                                        bool trust = false);

// Stores all of `image`, in several batches, the position in the last one.
// REQUIRES: the store is empty. ERRORS: as StateStore; the store then holds no image.
absl::Status WriteImage(StateStore& store, const std::string& cluster_id,
                        const MetadataImage& image);

// Makes the store, which holds `from`, hold `to`: one batch of what `delta`, from the one to the
// other, names. ERRORS: as StateStore.
absl::Status WriteChanges(StateStore& store, const std::string& cluster_id,
                          const MetadataImage& from, const MetadataImage& to,
                          const MetadataDelta& delta);

}  // namespace quorate
