#include "broker/replica/fetch_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/testing/test_loop.h"
#include "controller/image/testing/records.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::ErrorFor;
using kafka::KafkaError;
using ::quorate::testing::TestUuid;

TopicPartition Id(int n) { return {TestUuid(1), PartitionIndex(n)}; }

class FetchSessionTest : public ::testing::Test {
 protected:
  static FetchSessionRequest Request(int32_t id, int32_t epoch, std::vector<int> partitions) {
    FetchSessionRequest request;
    request.session_id = id;
    request.session_epoch = epoch;
    for (int n : partitions) request.partitions.emplace_back().partition = Id(n);
    return request;
  }
  static FetchResult Result(const FetchSessionContext& context, int64_t high_watermark,
                            std::vector<int> with_records = {}) {
    FetchResult result;
    for (const FetchPartition& fetch : context.partitions) {
      FetchPartitionResult& answer = result.partitions.emplace_back();
      answer.partition = fetch.partition;
      answer.high_watermark = Offset(high_watermark);
      answer.log_start_offset = Offset(0);
      for (int n : with_records) {
        if (Id(n) == fetch.partition) answer.record_bytes = 100;
      }
    }
    return result;
  }
  static std::vector<int> Numbers(const FetchResult& result) {
    std::vector<int> numbers;
    for (const auto& one : result.partitions) numbers.push_back(one.partition.partition.value());
    return numbers;
  }
  static std::vector<int> Numbers(const FetchSessionContext& context) {
    std::vector<int> numbers;
    for (const auto& one : context.partitions) numbers.push_back(one.partition.partition.value());
    return numbers;
  }
  // A session with these partitions, all answered once.
  int32_t Open(uint64_t connection, std::vector<int> partitions) {
    FetchSessionContext context = cache_.Begin(connection, Request(0, 0, std::move(partitions)));
    FetchResult result = Result(context, 5);
    cache_.Finish(context, &result);
    return context.session_id;
  }

  TestLoop loop_;
  SeededRandom random_{1};
  FetchSessionCache cache_{&loop_.clock(), &random_, 4};
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(FetchSessionTest, AFullRequestOpensASessionAndAnswersEverything) {
  FetchSessionContext context = cache_.Begin(1, Request(0, 0, {0, 1}));
  EXPECT_NE(context.session_id, 0);
  FetchResult result = Result(context, 5);
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), ElementsAre(0, 1));
}

TEST_F(FetchSessionTest, AnIncrementalRequestReadsAllAndAnswersNews) {
  const int32_t id = Open(1, {0, 1, 2});
  FetchSessionContext context = cache_.Begin(1, Request(id, 1, {}));
  EXPECT_THAT(Numbers(context), ElementsAre(0, 1, 2));
  FetchResult result = Result(context, 5, {1});
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), ElementsAre(1));
}

TEST_F(FetchSessionTest, AMovedHighWatermarkIsNews) {
  const int32_t id = Open(1, {0});
  FetchSessionContext context = cache_.Begin(1, Request(id, 1, {}));
  FetchResult result = Result(context, 6);
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), ElementsAre(0));
}

// A follower may have dropped an answer, as one to a question that it does not ask any more.
TEST_F(FetchSessionTest, AHighWatermarkThatTheFollowerDoesNotKnowIsNewsAgain) {
  FetchSessionRequest request = Request(0, 0, {0});
  request.partitions[0].fetch_offset = Offset(5);
  request.partitions[0].high_watermark = Offset(4);
  FetchSessionContext context = cache_.Begin(1, std::move(request));
  FetchResult result = Result(context, 5);
  cache_.Finish(context, &result);
  const int32_t id = context.session_id;
  context = cache_.Begin(1, Request(id, 1, {}));
  result = Result(context, 5);
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), ElementsAre(0));
  request = Request(id, 2, {0});
  request.partitions[0].fetch_offset = Offset(5);
  request.partitions[0].high_watermark = Offset(5);
  context = cache_.Begin(1, std::move(request));
  result = Result(context, 5);
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), IsEmpty());
}

TEST_F(FetchSessionTest, AnErrorIsNewsEachTimeAndSoIsItsEnd) {
  const int32_t id = Open(1, {0});
  for (int epoch : {1, 2}) {
    FetchSessionContext context = cache_.Begin(1, Request(id, epoch, {}));
    FetchResult result = Result(context, 5);
    result.partitions[0].status = kafka::KafkaStatus(KafkaError::kNotLeaderOrFollower);
    cache_.Finish(context, &result);
    EXPECT_THAT(Numbers(result), ElementsAre(0));
  }
  FetchSessionContext context = cache_.Begin(1, Request(id, 3, {}));
  FetchResult result = Result(context, 5);
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(result), ElementsAre(0));
}

TEST_F(FetchSessionTest, ARequestChangesAddsAndForgets) {
  const int32_t id = Open(1, {0, 1});
  FetchSessionRequest request = Request(id, 1, {1, 2});
  request.partitions[0].fetch_offset = Offset(42);
  request.forgotten = {Id(0)};
  const FetchSessionContext context = cache_.Begin(1, request);
  EXPECT_THAT(Numbers(context), ElementsAre(1, 2));
  EXPECT_EQ(context.partitions[0].fetch_offset, Offset(42));
}

TEST_F(FetchSessionTest, PartitionsWithRecordsGoToTheEndOfTheOrder) {
  const int32_t id = Open(1, {0, 1, 2});
  FetchSessionContext context = cache_.Begin(1, Request(id, 1, {}));
  FetchResult result = Result(context, 5, {0});
  cache_.Finish(context, &result);
  EXPECT_THAT(Numbers(cache_.Begin(1, Request(id, 2, {}))), ElementsAre(1, 2, 0));
}

TEST_F(FetchSessionTest, AnUnknownSessionIsAnError) {
  EXPECT_EQ(ErrorFor(cache_.Begin(1, Request(77, 1, {})).error),
            KafkaError::kFetchSessionIdNotFound);
}

TEST_F(FetchSessionTest, ASessionBelongsToItsConnection) {
  const int32_t id = Open(1, {0});
  EXPECT_EQ(ErrorFor(cache_.Begin(2, Request(id, 1, {})).error),
            KafkaError::kFetchSessionIdNotFound);
}

TEST_F(FetchSessionTest, AWrongEpochIsAnErrorAndChangesNothing) {
  const int32_t id = Open(1, {0});
  EXPECT_EQ(ErrorFor(cache_.Begin(1, Request(id, 2, {})).error),
            KafkaError::kInvalidFetchSessionEpoch);
  EXPECT_TRUE(cache_.Begin(1, Request(id, 1, {})).error.ok());
}

TEST_F(FetchSessionTest, EpochMinusOneEndsTheSession) {
  const int32_t id = Open(1, {0});
  const FetchSessionContext context = cache_.Begin(1, Request(id, -1, {0}));
  EXPECT_EQ(context.session_id, 0);
  EXPECT_THAT(Numbers(context), ElementsAre(0));
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(FetchSessionTest, ForgettingTheLastPartitionEndsTheSession) {
  const int32_t id = Open(1, {0});
  FetchSessionRequest request = Request(id, 1, {});
  request.forgotten = {Id(0)};
  const FetchSessionContext context = cache_.Begin(1, request);
  EXPECT_EQ(context.session_id, 0);
  EXPECT_THAT(Numbers(context), IsEmpty());
}

// protocol.md, trap 9.
TEST_F(FetchSessionTest, AConnectionThatAlwaysOpensEvictsOnlyItsOwn) {
  const int32_t other = Open(2, {0});
  for (int i = 0; i < 10; ++i) Open(1, {0});
  EXPECT_EQ(cache_.size(), 1 + FetchSessionCache::kPerConnection);
  EXPECT_TRUE(cache_.Begin(2, Request(other, 1, {})).error.ok());
}

TEST_F(FetchSessionTest, AFullCacheGivesNoSessionUntilOneIsOld) {
  for (uint64_t connection = 1; connection <= 4; ++connection) Open(connection, {0});
  EXPECT_EQ(Open(5, {0}), 0);
  loop_.Advance(FetchSessionCache::kEvictionAge);
  EXPECT_NE(Open(5, {0}), 0);
}

TEST_F(FetchSessionTest, AFollowerTakesTheOldestConsumersPlace) {
  for (uint64_t connection = 1; connection <= 4; ++connection) Open(connection, {0});
  FetchSessionRequest request = Request(0, 0, {0});
  request.follower = true;
  EXPECT_NE(cache_.Begin(9, request).session_id, 0);
  EXPECT_EQ(cache_.size(), 4u);
}

TEST_F(FetchSessionTest, AClosedConnectionsSessionsGo) {
  Open(1, {0});
  Open(2, {0});
  cache_.OnConnectionClosed(1);
  EXPECT_EQ(cache_.size(), 1u);
}

TEST_F(FetchSessionTest, TwoRequestsOnTheirWayAreAnsweredEachForItself) {
  const int32_t id = Open(1, {0});
  FetchSessionContext first = cache_.Begin(1, Request(id, 1, {}));
  FetchSessionContext second = cache_.Begin(1, Request(id, 2, {1}));
  FetchResult a = Result(first, 6);
  cache_.Finish(first, &a);
  EXPECT_THAT(Numbers(a), ElementsAre(0));
  FetchResult b = Result(second, 6);
  cache_.Finish(second, &b);
  EXPECT_THAT(Numbers(b), ElementsAre(1));
}

}  // namespace
}  // namespace quorate
