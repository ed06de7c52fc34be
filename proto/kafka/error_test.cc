#include "proto/kafka/error.h"

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "proto/kafka/status_to_error.h"

namespace quorate::kafka {
namespace {

TEST(KafkaErrorTest, KnownCodesHaveTheirNames) {
  EXPECT_EQ(Name(static_cast<KafkaError>(-1)), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(Name(static_cast<KafkaError>(0)), "NONE");
  EXPECT_EQ(Name(static_cast<KafkaError>(6)), "NOT_LEADER_OR_FOLLOWER");
  EXPECT_EQ(Name(static_cast<KafkaError>(35)), "UNSUPPORTED_VERSION");
  EXPECT_EQ(Name(static_cast<KafkaError>(74)), "FENCED_LEADER_EPOCH");
  EXPECT_EQ(Name(static_cast<KafkaError>(89)), "THROTTLING_QUOTA_EXCEEDED");
  EXPECT_EQ(Name(static_cast<KafkaError>(100)), "UNKNOWN_TOPIC_ID");
  EXPECT_EQ(Name(static_cast<KafkaError>(133)), "SHARE_SESSION_LIMIT_REACHED");
}

TEST(KafkaErrorTest, EveryCodeHasAnOwnNameAndAMessage) {
  std::set<std::string_view> names;
  for (int16_t code = -1; code <= kMaxErrorCode; ++code) {
    const KafkaError error = ErrorFromCode(code);
    EXPECT_EQ(Code(error), code);
    EXPECT_TRUE(names.insert(Name(error)).second) << code;
    EXPECT_FALSE(Message(error).empty()) << code;
  }
  EXPECT_EQ(names.size(), 135u);
}

TEST(KafkaErrorTest, UnknownCodesAreUnknownServerError) {
  EXPECT_EQ(ErrorFromCode(-2), KafkaError::kUnknownServerError);
  EXPECT_EQ(ErrorFromCode(134), KafkaError::kUnknownServerError);
  EXPECT_EQ(Name(static_cast<KafkaError>(999)), "UNKNOWN_SERVER_ERROR");
}

TEST(KafkaErrorTest, RetriabilityFollowsTheProtocolGuide) {
  EXPECT_TRUE(IsRetriable(KafkaError::kNotLeaderOrFollower));
  EXPECT_TRUE(IsRetriable(KafkaError::kUnknownTopicOrPartition));
  EXPECT_TRUE(IsRetriable(KafkaError::kKafkaStorageError));
  EXPECT_FALSE(IsRetriable(KafkaError::kNone));
  EXPECT_FALSE(IsRetriable(KafkaError::kOffsetOutOfRange));
  EXPECT_FALSE(IsRetriable(KafkaError::kRebalanceInProgress));
}

TEST(StatusToErrorTest, EveryErrorSurvivesTheTripThroughAStatus) {
  for (int16_t code = -1; code <= kMaxErrorCode; ++code) {
    const KafkaError error = ErrorFromCode(code);
    const absl::Status status = KafkaStatus(error, "why");
    EXPECT_EQ(status.ok(), error == KafkaError::kNone) << code;
    EXPECT_EQ(ErrorFor(status), error);
    if (!status.ok()) {
      EXPECT_EQ(std::string(status.message()), "why");
    }
  }
}

TEST(StatusToErrorTest, WithoutAMessageTheErrorsOwnIsUsed) {
  const absl::Status status = KafkaStatus(KafkaError::kNonEmptyGroup);
  EXPECT_EQ(std::string(status.message()), std::string(Message(KafkaError::kNonEmptyGroup)));
}

TEST(StatusToErrorTest, PlainStatusMapsByItsCanonicalCode) {
  EXPECT_EQ(ErrorFor(absl::OkStatus()), KafkaError::kNone);
  EXPECT_EQ(ErrorFor(absl::InvalidArgumentError("")), KafkaError::kInvalidRequest);
  EXPECT_EQ(ErrorFor(absl::NotFoundError("")), KafkaError::kUnknownTopicOrPartition);
  EXPECT_EQ(ErrorFor(absl::UnimplementedError("")), KafkaError::kUnsupportedVersion);
  EXPECT_EQ(ErrorFor(absl::DeadlineExceededError("")), KafkaError::kRequestTimedOut);
  EXPECT_EQ(ErrorFor(absl::OutOfRangeError("")), KafkaError::kOffsetOutOfRange);
  EXPECT_EQ(ErrorFor(absl::InternalError("")), KafkaError::kUnknownServerError);
}

// A full disk refuses produce with an error after which clients try again.
TEST(StatusToErrorTest, ExhaustedStorageIsRetriable) {
  EXPECT_TRUE(IsRetriable(ErrorFor(absl::ResourceExhaustedError("disk full"))));
}

TEST(StatusToErrorTest, ADamagedPayloadFallsBackToTheCanonicalCode) {
  absl::Status status = absl::NotFoundError("x");
  status.SetPayload("quorate/kafka_error", absl::Cord("12x"));
  EXPECT_EQ(ErrorFor(status), KafkaError::kUnknownTopicOrPartition);
}

}  // namespace
}  // namespace quorate::kafka
