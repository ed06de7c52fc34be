// Crashes at every operation of random histories, crashes during recovery, restarts: the log
// against a list of batches (invariants I22 and I23).
#include <gtest/gtest.h>

#include <cstdlib>

#include "storage/log.h"
#include "storage/log_test_util.h"

namespace quorate {
namespace {

constexpr char kDir[] = "data/t-0";

class CrashHistory {
 public:
  explicit CrashHistory(uint64_t seed) : seed_(seed), random_(seed) {
    QCHECK(files_.CreateDirectories("data").ok() && files_.SyncDirectory(".").ok());
    options_.topic_id = Uuid::FromBytes("0123456789abcdef");
    options_.config.segment_bytes = random_.Between(1000, 4000);
    options_.config.index_interval_bytes = static_cast<int32_t>(random_.Below(400));
    options_.config.preallocate_bytes = random_.Chance(0.5) ? 0 : 4096;
    options_.config.flush_mark = random_.Chance(0.5);
  }

  // Runs steps until operation `crash_at` of the file system fails, and everything after it.
  // Returns false if the history ended before.
  bool Run(int64_t crash_at, int steps) {
    Open(true);
    crashed_ = false;
    files_.set_hook([this, crash_at](MemoryFileSystem::Op, const std::string&) -> absl::Status {
      if (files_.operations() < crash_at) return absl::OkStatus();
      crashed_ = true;
      return absl::InternalError("crashed");
    });
    for (int i = 0; i < steps && !crashed_; ++i) Step();
    return crashed_;
  }

  void CrashAndCheck() {
    const bool power = random_.Chance(0.8);
    Crash(power);
    if (random_.Chance(0.3)) {  // again, during recovery
      const int64_t at = files_.operations() + static_cast<int64_t>(random_.Below(15)) + 1;
      files_.set_hook([this, at](MemoryFileSystem::Op, const std::string&) -> absl::Status {
        return files_.operations() < at ? absl::OkStatus() : absl::InternalError("crashed");
      });
      options_.clean_shutdown = false;
      options_.recovery_point = checkpointed_;
      options_.log_start_offset = checkpointed_start_;
      static_cast<void>(Log::Open(&files_, kDir, options_).status().ok());
      Crash(power);
    }
    Open(false);
    if (testing::Test::HasFailure()) return;
    EXPECT_GE(log_->end_offset(), must_survive_) << "flushed records are gone, seed " << seed_;
    CheckContents();
    if (testing::Test::HasFailure()) return;
    // The log goes on as if nothing had happened.
    batches_ = recovered_;
    pending_.clear();
    for (int i = 0; i < 3; ++i) Append();
    EXPECT_TRUE(log_->Close(true).ok());
    Open(true);
    CheckContents();
    EXPECT_EQ(log_->recovery().segments_scanned, 0);
  }

 private:
  struct Stored {
    Offset base;
    Offset next;
    std::string bytes;  // as stored
  };

  void Open(bool clean) {
    log_.reset();
    options_.clean_shutdown = clean;
    options_.recovery_point = checkpointed_;
    options_.log_start_offset = checkpointed_start_;
    auto log = Log::Open(&files_, kDir, options_);
    ASSERT_TRUE(log.ok()) << log.status() << " seed " << seed_;
    log_ = *std::move(log);
  }

  void Crash(bool power) {
    log_.reset();
    if (power) {
      files_.Crash(random_);
    } else {
      files_.Kill();
    }
  }

  void Step() {
    const uint64_t dice = random_.Below(100);
    if (dice < 60) {
      Append();
    } else if (dice < 80) {
      if (log_->Flush().ok()) must_survive_ = log_->flushed_end_offset();
    } else if (dice < 87) {
      Truncate();
    } else if (dice < 89) {
      TruncateFully();
    } else if (dice < 94) {
      if (log_->end_offset() > log_->log_start_offset()) {
        const Offset flushed = log_->flushed_end_offset();
        if (flushed > log_->log_start_offset()) {
          const Offset to(random_.Between(log_->log_start_offset().value(), flushed.value()));
          EXPECT_TRUE(log_->IncrementLogStartOffset(to).ok());
        }
      }
      const auto removal = log_->DeleteOldSegments(
          {-1, random_.Chance(0.5) ? 1000 : -1, log_->flushed_end_offset()}, 0);
      if (removal.ok()) static_cast<void>(removal->Run().ok());
    } else if (dice < 98) {
      if (!crashed_) {
        checkpointed_ = log_->flushed_end_offset();
        checkpointed_start_ = log_->checkpointable_log_start();
        log_->RecoveryPointCheckpointed(log_->truncation_count());
      }
    } else {
      static_cast<void>(log_->Roll(0).ok());
    }
  }

  void Append() {
    if (random_.Chance(0.2)) ++epoch_;
    const Offset base = log_->end_offset();
    const int count = static_cast<int>(random_.Between(1, 4));
    std::string bytes;
    AppendOrigin origin = AppendOrigin::kClient;
    const int64_t id = random_.Between(1, 3);
    const ProducerEntry* known = log_->producers().Find(ProducerId(id));
    const uint64_t kind = random_.Below(3);
    if (kind == 0) {
      std::vector<std::string> values(static_cast<size_t>(count));
      for (std::string& v : values)
        v = std::string(random_.Below(200), static_cast<char>('a' + random_.Below(26)));
      bytes = BatchOf(values, ++clock_);
    } else if (kind == 1 || known == nullptr || known->transaction_first_offset == kNoOffset) {
      const int32_t sequence = known == nullptr ? 0 : known->last_sequence() + 1;
      bytes = ProducerBatchOf(id, 0, sequence, count, id == 3, ++clock_);
    } else {
      bytes = BuildEndTransactionMarker(ProducerId(id), ProducerEpoch(0), random_.Chance(0.5), 0,
                                        ++clock_);
      origin = AppendOrigin::kCoordinator;
    }
    const auto result = AppendAt(*log_, bytes, epoch_, origin, 0);
    PatchBatchHeader(bytes.data(), base, LeaderEpoch(epoch_));
    const auto batch = RecordBatchView::Parse(bytes);
    const Stored stored{base, base + batch->last_offset_delta() + 1, bytes};
    if (result.ok()) {
      ASSERT_EQ(result->verdict, ProducerVerdict::kAccept);
      batches_.push_back(stored);
    } else {
      ASSERT_TRUE(crashed_) << result.status();
      pending_.push_back(stored);
    }
  }

  void Truncate() {
    if (log_->empty()) return;
    const Offset to(random_.Between(log_->log_start_offset().value(), log_->end_offset().value()));
    const std::vector<Stored> before = batches_;
    std::erase_if(batches_, [&](const Stored& s) { return s.next > to; });
    must_survive_ = std::min(must_survive_, batches_.empty() ? Offset(0) : batches_.back().next);
    if (!log_->TruncateTo(to).ok()) batches_ = before;  // either may be found
    // The next leader's epoch is a later one.
    ++epoch_;
  }

  void TruncateFully() {
    const Offset at(random_.Between(0, log_->end_offset().value() + 20));
    must_survive_ = Offset(0);
    if (log_->TruncateFullyAndStartAt(at).ok()) {
      batches_.clear();
      must_survive_ = at;
    } else {
      maybe_emptied_at_ = at;
    }
    ++epoch_;
  }

  // The log holds a run of the model's batches, and all it derives from them is as computed anew.
  void CheckContents() {
    recovered_.clear();
    if (maybe_emptied_at_ == log_->end_offset() && log_->empty()) return;
    std::vector<Stored> all = batches_;
    all.insert(all.end(), pending_.begin(), pending_.end());
    ProducerStateTable producers;
    LeaderEpochCache epochs;
    for (const Stored& stored : all) {
      if (stored.next > log_->end_offset()) break;
      recovered_.push_back(stored);
      const auto batch = RecordBatchView::Parse(stored.bytes);
      producers.Update(*batch, stored.base, batch->max_timestamp());
      epochs.Assign(batch->leader_epoch(), stored.base);
    }
    if (recovered_.empty()) {
      EXPECT_TRUE(log_->empty()) << "seed " << seed_;
      return;
    }
    ASSERT_EQ(recovered_.back().next, log_->end_offset()) << "seed " << seed_;
    for (const Stored& stored : recovered_) {
      if (stored.next <= log_->log_start_offset()) continue;
      const Offset from = std::max(stored.base, log_->log_start_offset());
      const auto read = log_->Read(from, log_->end_offset(), 1, true);
      ASSERT_TRUE(read.ok()) << read.status() << " seed " << seed_;
      ASSERT_EQ(*read->ToBytes(), stored.bytes) << "at " << stored.base << " seed " << seed_;
      const auto time = RecordBatchView::Parse(stored.bytes)->base_timestamp();
      const auto found = log_->OffsetForTimestamp(time, log_->end_offset());
      ASSERT_TRUE(found.ok()) << found.status() << " seed " << seed_;
      ASSERT_TRUE(found->has_value())
          << "time " << time << " of batch [" << stored.base << ", " << stored.next << "), log ["
          << log_->log_start_offset() << ", " << log_->end_offset() << ") seed " << seed_;
      ASSERT_GE((*found)->timestamp, time);
    }
    epochs.TruncateFromStart(log_->log_start_offset());
    // A log without records may have forgotten the epoch of the last one.
    if (!log_->empty() || !log_->epochs().empty()) {
      EXPECT_EQ(log_->epochs().entries(), epochs.entries())
          << "start " << log_->log_start_offset() << " of " << log_->segment_count()
          << " segments, cut " << log_->recovery().cut_reason << ", scanned "
          << log_->recovery().segments_scanned << ", checkpoint " << checkpointed_start_ << " seed "
          << seed_;
    }
    EXPECT_EQ(log_->producers().Serialize(), producers.Serialize()) << "seed " << seed_;
  }

  const uint64_t seed_;
  SeededRandom random_;
  MemoryFileSystem files_;
  LogOpenOptions options_;
  std::unique_ptr<Log> log_;
  bool crashed_ = false;
  int32_t epoch_ = 0;
  WallMillis clock_ = 1000;
  std::vector<Stored> batches_;          // the log as it should be, from the first record ever
  std::vector<Stored> pending_;          // appends under way at the crash
  std::vector<Stored> recovered_;        // what the check found
  Offset maybe_emptied_at_ = kNoOffset;  // a full truncation was under way at the crash
  Offset must_survive_{0};               // exclusive end of what was flushed
  Offset checkpointed_{0};
  Offset checkpointed_start_{0};
};

TEST(LogCrashTest, EveryOperationOfAHistory) {
  for (int64_t at = 1;; ++at) {
    CrashHistory history(17);
    if (!history.Run(at, 120)) break;
    history.CrashAndCheck();
    ASSERT_FALSE(testing::Test::HasFailure()) << "crash at operation " << at;
  }
}

TEST(LogCrashTest, RandomHistories) {
  const char* more = std::getenv("CRASH_HISTORIES");
  const uint64_t histories = more == nullptr ? 500 : std::strtoull(more, nullptr, 10);
  const char* only = std::getenv("CRASH_SEED");
  const uint64_t first = only == nullptr ? 1 : std::strtoull(only, nullptr, 10);
  for (uint64_t seed = first; seed <= (only == nullptr ? histories : first); ++seed) {
    SeededRandom random(seed * 7919);
    CrashHistory history(seed);
    history.Run(random.Between(1, 600), 150);
    history.CrashAndCheck();
    ASSERT_FALSE(testing::Test::HasFailure()) << "reproduce: seed " << seed;
  }
}

}  // namespace
}  // namespace quorate
