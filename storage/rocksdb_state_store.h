// storage/rocksdb_state_store.h
//
// The StateStore in a RocksDB database, tuned for little state that changes seldom and is read
// whole at start-up: about 3 MB of memory and three idle threads per process.
//
//   Open          reads only: no file is written, nothing synced, about 1 ms if there is little
//   first Write   opens for writing, with some fsyncs; so do it on the BlockingPool
//   Write         goes to the write-ahead log without an fsync: the process may be killed
//
// RocksDB syncs what it moves from the write-ahead log (1 MiB) to a table file, so a machine crash
// costs at most the last megabyte of changes. A torn end of the write-ahead log is cut at the first
// damaged record, which leaves a prefix of the batches. Nothing runs in the background but a flush
// or a compaction that a Write set off.
// On disk: the directory belongs to RocksDB.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/state_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace quorate {

class RocksDbStateStores final : public StateStores {
 public:
  // `env` is RocksDB's way to files; null = the system's. Not owned.
  explicit RocksDbStateStores(rocksdb::Env* env = nullptr) : env_(env) {}

  absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory) override;

 private:
  rocksdb::Env* const env_;
};

}  // namespace quorate
