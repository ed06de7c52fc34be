// base/state_store.h
//
// StateStore keeps materialised state, and the log position it stands for, so that a restart costs
// the tail of a log and not its history (decision D16). The log stays the truth: a store may be
// deleted at any time, its owner rebuilds it. The real one is in storage/rocksdb_state_store.h;
// the simulated one loses and tears what was not flushed.
//
// Keys are ordered as unsigned bytes; keys and values are any bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quorate {

// Changes that take effect together. A later change of a key wins over an earlier one. A value.
class StateBatch {
 public:
  struct Change {
    std::string key;
    std::optional<std::string> value;  // absent = the key goes
  };

  void Put(std::string key, std::string value) {
    Add({std::move(key), std::optional<std::string>(std::move(value))});
  }
  void Delete(std::string key) { Add({std::move(key), std::nullopt}); }

  const std::vector<Change>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }
  // Keys and values together.
  size_t bytes() const { return bytes_; }

 private:
  void Add(Change change) {
    bytes_ += change.key.size() + (change.value ? change.value->size() : 0);
    changes_.push_back(std::move(change));
  }

  std::vector<Change> changes_;
  size_t bytes_ = 0;
};

// An open store. Thread-compatible: one call at a time, from any thread. All calls may block: on
// a loop only at start-up, else on the BlockingPool.
//
// ERRORS of all calls, each with the directory: kDataLoss (what is stored is damaged: delete it),
// kResourceExhausted (no space), kInternal (others). After a failed Write or Flush the store takes
// no more of them; the batch may be stored or not. Open it anew.
class StateStore {
 public:
  virtual ~StateStore() = default;

  // The value of `key`; absent if there is none.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) = 0;

  // Calls `visit` with every pair whose key begins with `prefix`, in the order of the keys, until
  // it returns false. The views are valid within the call, which must not use the store.
  virtual absl::Status Scan(
      std::string_view prefix,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) = 0;

  // Stores all changes of `batch` or none.
  // DURABLE: survives the death of the process when OK. A crash of the machine leaves the batches
  // up to some point, in the order they were written, and all that came before the last Flush.
  virtual absl::Status Write(const StateBatch& batch) = 0;

  // DURABLE: all that was written, when OK.
  // BLOCKS: up to seconds.
  virtual absl::Status Flush() = 0;
};

// Opens stores. Thread-safe.
class StateStores {
 public:
  virtual ~StateStores() = default;

  // Opens the store in `directory`, for which the caller holds a lock; made, with its parents, if
  // it is missing. At most one open store per directory. Nobody but the store touches the
  // directory while it is open; closed, it may be removed or renamed as a whole.
  // BLOCKS: milliseconds, and as long as reading what was written last.
  virtual absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory) = 0;
};

}  // namespace quorate
