#include "storage/rocksdb_state_store.h"

#include <glog/logging.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstdarg>
#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

absl::Status ToStatus(const std::string& directory, const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::StatusCode code = absl::StatusCode::kInternal;
  if (status.IsCorruption()) {
    code = absl::StatusCode::kDataLoss;
  } else if (status.IsNoSpace()) {
    code = absl::StatusCode::kResourceExhausted;
  }
  return absl::Status(code, absl::StrFormat("%s: %s", directory, status.ToString()));
}

// RocksDB's own log: warnings go to ours, the rest nowhere.
class GlogLogger final : public rocksdb::Logger {
 public:
  explicit GlogLogger(std::string directory)
      : Logger(rocksdb::WARN_LEVEL), directory_(std::move(directory)) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[512];
    std::vsnprintf(line, sizeof(line), format, arguments);
    LOG(WARNING) << directory_ << ": " << line;
  }

 private:
  const std::string directory_;
};

rocksdb::Options MakeOptions(const std::string& directory, rocksdb::Env* env) {
  rocksdb::Options options;
  if (env != nullptr) options.env = env;
  options.create_if_missing = true;
  options.info_log = std::make_shared<GlogLogger>(directory);
  options.info_log_level = rocksdb::WARN_LEVEL;
  // What was cut off at a crash is what came last: see the header.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.paranoid_checks = true;
  // Memory: two write buffers, no cache; what is read is read once.
  options.write_buffer_size = 1 << 20;
  options.arena_block_size = 64 << 10;
  options.max_write_buffer_number = 2;
  options.max_open_files = 64;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  table.block_size = 16 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  // Small files, compacted by one thread.
  options.target_file_size_base = 4 << 20;
  options.max_bytes_for_level_base = 16 << 20;
  options.max_manifest_file_size = 1 << 20;
  options.max_background_jobs = 1;
  // Nothing that runs by a clock, and nothing to do when opening or closing.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  options.avoid_flush_during_recovery = true;
  options.avoid_flush_during_shutdown = true;
  return options;
}

class RocksDbStateStore final : public StateStore {
 public:
  RocksDbStateStore(std::string directory, rocksdb::Env* env)
      : directory_(std::move(directory)), options_(MakeOptions(directory_, env)) {}

  absl::Status OpenForReading() {
    const rocksdb::Status there = options_.env->FileExists(directory_ + "/CURRENT");
    if (there.IsNotFound()) {
      // No database, or one whose making was interrupted: the first Write makes it.
      return MakeDirectory();
    }
    Q_RETURN_IF_ERROR(ToStatus(directory_, there));
    rocksdb::DB* db = nullptr;
    Q_RETURN_IF_ERROR(
        ToStatus(directory_, rocksdb::DB::OpenForReadOnly(options_, directory_, &db)));
    db_.reset(db);
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override {
    if (db_ == nullptr) return std::optional<std::string>();
    std::string value;
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    Q_RETURN_IF_ERROR(ToStatus(directory_, status));
    return std::optional<std::string>(std::move(value));
  }

  absl::Status Scan(
      std::string_view prefix,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) override {
    if (db_ == nullptr) return absl::OkStatus();
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    for (at->Seek(ToSlice(prefix)); at->Valid(); at->Next()) {
      if (!at->key().starts_with(ToSlice(prefix))) break;
      if (!visit(ToView(at->key()), ToView(at->value()))) break;
    }
    return ToStatus(directory_, at->status());
  }

  absl::Status Write(const StateBatch& batch) override {
    if (batch.empty()) return failure_;
    rocksdb::WriteBatch changes;
    rocksdb::Status status;
    for (const StateBatch::Change& change : batch.changes()) {
      status = change.value ? changes.Put(change.key, *change.value) : changes.Delete(change.key);
      if (!status.ok()) return ToStatus(directory_, status);
    }
    Q_RETURN_IF_ERROR(OpenForWriting());
    failure_ = ToStatus(directory_, db_->Write(rocksdb::WriteOptions(), &changes));
    return failure_;
  }

  absl::Status Flush() override {
    if (db_ == nullptr) return failure_;
    Q_RETURN_IF_ERROR(OpenForWriting());
    // Into a table file, which RocksDB syncs: this covers what an earlier process wrote, too.
    failure_ = ToStatus(directory_, db_->Flush(rocksdb::FlushOptions()));
    return failure_;
  }

 private:
  absl::Status MakeDirectory() {
    for (size_t end = directory_.find('/', 1);; end = directory_.find('/', end + 1)) {
      Q_RETURN_IF_ERROR(
          ToStatus(directory_, options_.env->CreateDirIfMissing(directory_.substr(0, end))));
      if (end == std::string::npos) return absl::OkStatus();
    }
  }

  absl::Status OpenForWriting() {
    if (!failure_.ok() || writable_) return failure_;
    db_.reset();
    rocksdb::DB* db = nullptr;
    failure_ = ToStatus(directory_, rocksdb::DB::Open(options_, directory_, &db));
    db_.reset(db);
    writable_ = failure_.ok();
    return failure_;
  }

  const std::string directory_;
  const rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;  // null: nothing is stored yet, or opening failed
  bool writable_ = false;
  absl::Status failure_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> RocksDbStateStores::Open(const std::string& directory) {
  auto store = std::make_unique<RocksDbStateStore>(directory, env_);
  Q_RETURN_IF_ERROR(store->OpenForReading());
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace quorate
