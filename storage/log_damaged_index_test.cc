// Indexes with flipped bits (scenario G10): the segment is right, and they are made anew.
#include <gtest/gtest.h>

#include "storage/log.h"
#include "storage/log_test_util.h"

namespace quorate {
namespace {

// An entry of an index: offset (4 bytes), position (4). Of a time index: timestamp (8), offset (4).
constexpr size_t kEntry = 8;
constexpr size_t kTimeEntry = 12;

class LogDamagedIndexTest : public testing::Test {
 protected:
  // Twelve batches of 76 bytes, one record each, timestamps 100 to 111, an entry for every second.
  void SetUp() override {
    options_.topic_id = Uuid::FromBytes("0123456789abcdef");
    options_.config.index_interval_bytes = 100;
    Reopen();
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(AppendAt(*log_, BatchOf({"abcdefgh"}, 100 + i)).ok());
    }
  }
  void Reopen() {
    options_.clean_shutdown = true;
    log_.reset();
    auto log = Log::Open(&files_, "data/t-0", options_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  // The first segment becomes a sealed one.
  void Seal() {
    ASSERT_TRUE(log_->Roll(0).ok());
    ASSERT_TRUE(AppendAt(*log_, BatchOf({"last"}, 500)).ok());
  }
  // Flips bits of byte `at` of every entry, or of those between the first and the last only, which
  // tell whether an index can be right at all; and reopens.
  enum class Entries { kAll, kInner };
  void Damage(const std::string& suffix, size_t entry_bytes, size_t at, char bits,
              Entries which = Entries::kInner) {
    ASSERT_TRUE(log_->Close(true).ok());
    const std::string path = "data/t-0/00000000000000000000" + suffix;
    const std::string bytes = *files_.ReadFile(path);
    const size_t spared = which == Entries::kInner ? entry_bytes : 0;
    ASSERT_GE(bytes.size(), 3 * entry_bytes);
    for (size_t i = spared; i < bytes.size() - spared; i += entry_bytes) {
      files_.CorruptByte(path, static_cast<int64_t>(i + at),
                         static_cast<char>(bytes[i + at] ^ bits));
    }
    Reopen();
  }

  MemoryFileSystem files_;
  LogOpenOptions options_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogDamagedIndexTest, ATruncationBehindATimeEntryThatDoesNotFitScansAgain) {
  Damage(".timeindex", kTimeEntry, 7, '\x01', Entries::kAll);
  ASSERT_TRUE(log_->TruncateTo(Offset(9)).ok());
  EXPECT_EQ(log_->end_offset(), Offset(9));
  EXPECT_EQ(RecordsOf(*log_, Offset(0)).size(), 9u);
}

TEST_F(LogDamagedIndexTest, ATruncationBehindAnEntryBeforeTheFilesBeginScansAgain) {
  Damage(".index", kEntry, 4, '\x80');  // the sign of a position
  ASSERT_TRUE(log_->TruncateTo(Offset(9)).ok());
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"new"})).ok());
  EXPECT_EQ(RecordsOf(*log_, Offset(0)).size(), 10u);
}

TEST_F(LogDamagedIndexTest, ALastEntryBehindTheFilesEndIsScannedAgain) {
  Damage(".index", kEntry, 4, '\x01', Entries::kAll);
  EXPECT_EQ(log_->end_offset(), Offset(12));
  ASSERT_TRUE(AppendAt(*log_, BatchOf({"new"})).ok());
  EXPECT_EQ(RecordsOf(*log_, Offset(0)).size(), 13u);
}

TEST_F(LogDamagedIndexTest, AReadPastAnEntryThatDoesNotFitRebuildsTheIndex) {
  Seal();
  Damage(".index", kEntry, 7, '\x01');
  for (int64_t bytes = 100; bytes < 900; bytes += 76) {
    const auto read = log_->Read(Offset(0), Offset(13), bytes, true);
    ASSERT_TRUE(read.ok()) << bytes << ": " << read.status();
    EXPECT_EQ(read->next_offset, Offset(bytes / 76));
  }
}

TEST_F(LogDamagedIndexTest, AReadFromAnEntryBeforeTheFilesBeginRebuildsTheIndex) {
  Seal();
  Damage(".index", kEntry, 4, '\x80');
  for (int64_t offset = 0; offset < 12; ++offset) {
    const auto read = log_->Read(Offset(offset), Offset(12), 76, true);
    ASSERT_TRUE(read.ok()) << offset << ": " << read.status();
    EXPECT_EQ(read->next_offset, Offset(offset + 1));
  }
}

// The largest timestamp of a segment decides about lookups by time and about retention.
TEST_F(LogDamagedIndexTest, TimeEntriesThatTheBatchesDoNotBearOutAreMadeAnew) {
  Seal();
  for (const Entries which : {Entries::kInner, Entries::kAll}) {
    Damage(".timeindex", kTimeEntry, 7, '\x40', which);  // 64 less
    for (int64_t t = 100; t < 112; ++t) {
      const auto found = log_->OffsetForTimestamp(t, Offset(13));
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ((*found)->offset, Offset(t - 100)) << t;
    }
  }
}

}  // namespace
}  // namespace quorate
