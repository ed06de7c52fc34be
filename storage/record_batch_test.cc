#include "storage/record_batch.h"

#include <gtest/gtest.h>

#include "base/status_macros.h"
#include "storage/compression.h"
#include "storage/crc32c.h"
#include "storage/log_test_util.h"

namespace quorate {
namespace {

absl::StatusCode CodeOf(std::string_view bytes, const BatchLimits& limits = {},
                        BatchOrigin origin = {}) {
  return ValidateBatches(bytes, limits, origin).status().code();
}

TEST(Crc32cTest, HasTheKnownVector) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32cExtend(Crc32c("1234"), "56789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(RecordBatchTest, BuilderAndViewAgree) {
  BatchOptions options;
  options.base_offset = Offset(42);
  options.leader_epoch = LeaderEpoch(7);
  options.producer_id = ProducerId(9);
  options.producer_epoch = ProducerEpoch(3);
  options.base_sequence = INT32_MAX;
  options.transactional = true;
  const std::string bytes = BatchOf({"a", "b", "c"}, 500, options);
  const auto batch = RecordBatchView::Parse(bytes);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->size_bytes(), static_cast<int64_t>(bytes.size()));
  EXPECT_EQ(batch->base_offset(), Offset(42));
  EXPECT_EQ(batch->last_offset(), Offset(44));
  EXPECT_EQ(batch->leader_epoch(), LeaderEpoch(7));
  EXPECT_EQ(batch->base_timestamp(), 500);
  EXPECT_EQ(batch->max_timestamp(), 502);
  EXPECT_EQ(batch->producer_id(), ProducerId(9));
  EXPECT_EQ(batch->last_sequence(), 1) << "sequences wrap at 2^31";
  EXPECT_EQ(batch->record_count(), 3);
  EXPECT_TRUE(batch->is_transactional());
  EXPECT_FALSE(batch->is_control());
  EXPECT_TRUE(batch->VerifyCrc());
}

TEST(RecordBatchTest, PatchingLeavesTheCrcValid) {
  std::string bytes = BatchOf({"a"});
  PatchBatchHeader(bytes.data(), Offset(1234567890123), LeaderEpoch(5));
  const auto batch = RecordBatchView::Parse(bytes);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->base_offset(), Offset(1234567890123));
  EXPECT_EQ(batch->leader_epoch(), LeaderEpoch(5));
  EXPECT_TRUE(batch->VerifyCrc());
}

TEST(RecordBatchTest, StampingSetsTypeTimestampAndCrc) {
  std::string bytes = BatchOf({"a", "b"});
  StampLogAppendTime(bytes.data(), std::string_view(bytes).substr(kBatchHeaderBytes), 77777);
  const auto batch = RecordBatchView::Parse(bytes);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->VerifyCrc());
  EXPECT_EQ(batch->timestamp_type(), TimestampType::kLogAppendTime);
  auto records = RecordIterator::Open(*batch);
  ASSERT_TRUE(records.ok());
  EXPECT_EQ((*records->Next())->timestamp, 77777);
}

TEST(ValidateBatchesTest, EpochAndSequenceMeanNothingWithoutAProducerId) {
  BatchOptions options;
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  EXPECT_EQ(CodeOf(BatchOf({"a"}, 0, options)), absl::StatusCode::kOk);
}

TEST(ValidateBatchesTest, TakesSeveralWholeBatches) {
  const std::string two = BatchOf({"a"}) + BatchOf({"b", "c"});
  const auto batches = ValidateBatches(two, BatchLimits{}, BatchOrigin{});
  ASSERT_TRUE(batches.ok());
  EXPECT_EQ(batches->size(), 2u);
  BatchLimits one;
  one.max_batches = 1;
  EXPECT_EQ(CodeOf(two, one), absl::StatusCode::kInvalidArgument);
}

TEST(ValidateBatchesTest, RefusesWhatIsCutShortOrMalformed) {
  const std::string good = BatchOf({"abc"});
  EXPECT_EQ(CodeOf(""), absl::StatusCode::kInvalidArgument);
  for (size_t length : {size_t{1}, size_t{60}, good.size() - 1}) {
    EXPECT_EQ(CodeOf(good.substr(0, length)), absl::StatusCode::kInvalidArgument) << length;
  }
  EXPECT_EQ(CodeOf(good + "x"), absl::StatusCode::kInvalidArgument);
  std::string magic = good;
  magic[16] = 1;
  EXPECT_EQ(CodeOf(magic), absl::StatusCode::kInvalidArgument);
  std::string length = good;
  length[8] = '\xff';
  EXPECT_EQ(CodeOf(length), absl::StatusCode::kInvalidArgument);
}

TEST(ValidateBatchesTest, EveryFlippedByteOfTheCoveredPartIsDataLoss) {
  const std::string good = BatchOf({"abc"});
  for (size_t i = 17; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_EQ(CodeOf(bad), absl::StatusCode::kDataLoss) << i;
  }
}

TEST(ValidateBatchesTest, RefusesTooLargeAndControlBatchesOnRequest) {
  BatchLimits limits;
  limits.max_batch_bytes = 70;
  EXPECT_EQ(CodeOf(BatchOf({std::string(100, 'x')}), limits), absl::StatusCode::kResourceExhausted);
  limits = {};
  limits.control_allowed = false;
  const std::string marker =
      BuildEndTransactionMarker(ProducerId(1), ProducerEpoch(0), true, 0, 1000);
  EXPECT_EQ(CodeOf(marker, limits), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(marker), absl::StatusCode::kOk);
}

TEST(ValidateBatchesTest, CountsMustFitUnlessCompacted) {
  RecordBatchBuilder builder;
  builder.Add(1, "k", "v");
  builder.SkipOffsets(3);
  const std::string gaps = builder.Build();
  EXPECT_EQ(CodeOf(gaps), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(gaps, {}, BatchOrigin{true}), absl::StatusCode::kOk);
}

TEST(RecordIteratorTest, YieldsKeysValuesHeadersThroughEveryCodec) {
  for (int codec = 0; codec <= 4; ++codec) {
    BatchOptions options;
    options.base_offset = Offset(10);
    options.codec = static_cast<CompressionCodec>(codec);
    RecordBatchBuilder builder(options);
    const std::string big(200'000, 'z');
    const std::vector<RecordHeader> headers = {{"h1", "x"}, {"h2", std::nullopt}};
    builder.Add(100, "key", big, headers);
    builder.Add(90, std::nullopt, std::nullopt);
    const std::string bytes = builder.Build();
    const auto batches = ValidateBatches(bytes, BatchLimits{}, BatchOrigin{});
    ASSERT_TRUE(batches.ok()) << codec;
    auto records = RecordIterator::Open(batches->front());
    ASSERT_TRUE(records.ok()) << codec << records.status();
    auto first = records->Next();
    ASSERT_TRUE(first.ok() && first->has_value());
    EXPECT_EQ((*first)->offset, Offset(10));
    EXPECT_EQ((*first)->key, "key");
    EXPECT_EQ((*first)->value, big);
    ASSERT_EQ((*first)->headers.size(), 2u);
    EXPECT_EQ((*first)->headers[1].value, std::nullopt);
    auto second = records->Next();
    ASSERT_TRUE(second.ok() && second->has_value());
    EXPECT_EQ((*second)->timestamp, 90);
    EXPECT_EQ((*second)->value, std::nullopt);
    auto end = records->Next();
    ASSERT_TRUE(end.ok());
    EXPECT_FALSE(end->has_value());
  }
}

TEST(CompressionTest, OutputIsCapped) {
  for (int codec = 1; codec <= 4; ++codec) {
    const auto c = static_cast<CompressionCodec>(codec);
    const std::string packed = Compress(c, std::string(1 << 20, 'a'));
    EXPECT_EQ(Decompress(c, packed, 1000).status().code(), absl::StatusCode::kResourceExhausted)
        << codec;
    EXPECT_TRUE(Decompress(c, packed, 1 << 20).ok()) << codec;
  }
}

TEST(CompressionTest, DamageIsDataLossAndNeverACrash) {
  SeededRandom random(7);
  for (int codec = 1; codec <= 4; ++codec) {
    const auto c = static_cast<CompressionCodec>(codec);
    std::string plain;
    for (int i = 0; i < 3000; ++i) plain.push_back(static_cast<char>(random.Below(7)));
    const std::string packed = Compress(c, plain);
    for (size_t cut = 0; cut < packed.size(); cut += 7) {
      const auto result = Decompress(c, packed.substr(0, cut), 1 << 20);
      EXPECT_TRUE(!result.ok() || result->size() < plain.size()) << codec << " " << cut;
    }
    for (int i = 0; i < 300; ++i) {
      std::string bad = packed;
      bad[random.Below(bad.size())] = static_cast<char>(random.Next());
      IgnoreError(Decompress(c, bad, 1 << 20).status(), "must only not crash");
    }
  }
}

TEST(CompressionTest, RawSnappyAndSeveralGzipMembersAreRead) {
  const std::string two =
      Compress(CompressionCodec::kGzip, "abc") + Compress(CompressionCodec::kGzip, "def");
  EXPECT_EQ(*Decompress(CompressionCodec::kGzip, two, 100), "abcdef");
  const std::string framed = Compress(CompressionCodec::kSnappy, "abc");
  EXPECT_EQ(*Decompress(CompressionCodec::kSnappy, framed.substr(20), 100), "abc");
}

}  // namespace
}  // namespace quorate
