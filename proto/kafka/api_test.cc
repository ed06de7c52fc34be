#include "proto/kafka/api.h"

#include <map>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "proto/kafka/header.h"
#include "proto/kafka/testing/all_messages.h"

namespace quorate::kafka {
namespace {

// Level 4.3.1: key, name, advertised range, first decoded version, first flexible version.
constexpr char kExpected[] =
    "0 Produce 0-13 3 9\n"
    "1 Fetch 4-18 4 12\n"
    "2 ListOffsets 1-11 1 6\n"
    "3 Metadata 0-13 0 9\n"
    "8 OffsetCommit 2-10 2 8\n"
    "9 OffsetFetch 1-10 1 6\n"
    "10 FindCoordinator 0-6 0 3\n"
    "11 JoinGroup 0-9 0 6\n"
    "12 Heartbeat 0-4 0 4\n"
    "13 LeaveGroup 0-5 0 4\n"
    "14 SyncGroup 0-5 0 4\n"
    "15 DescribeGroups 0-6 0 5\n"
    "16 ListGroups 0-5 0 3\n"
    "18 ApiVersions 0-4 0 3\n"
    "19 CreateTopics 2-7 2 5\n"
    "20 DeleteTopics 1-6 1 4\n"
    "22 InitProducerId 0-5 0 2\n"
    "23 OffsetForLeaderEpoch 2-4 2 4\n"
    "32 DescribeConfigs 1-4 1 4\n"
    "37 CreatePartitions 0-3 0 2\n"
    "42 DeleteGroups 0-2 0 2\n"
    "44 IncrementalAlterConfigs 0-1 0 1\n"
    "55 DescribeQuorum 0-2 0 0\n"
    "60 DescribeCluster 0-2 0 0\n"
    "75 DescribeTopicPartitions 0-0 0 0\n"
    "80 AddRaftVoter 0-1 0 0\n"
    "81 RemoveRaftVoter 0-0 0 0\n";

TEST(ApiTableTest, IsTheExpectedOne) {
  std::ostringstream actual;
  for (const ApiVersionRange& row : ApiTable()) {
    actual << static_cast<int>(row.key) << ' ' << row.name << ' ' << row.min_version << '-'
           << row.max_version << ' ' << row.codec_min_version << ' ' << row.first_flexible_version
           << '\n';
  }
  EXPECT_EQ(actual.str(), kExpected);
}

TEST(ApiTableTest, AgreesWithTheMessages) {
  std::map<int16_t, int> seen;
  for (const MessageKind& kind : AllMessages()) {
    if (kind.role != MessageRole::kRequest && kind.role != MessageRole::kResponse) continue;
    const ApiVersionRange* row = FindApi(kind.key);
    ASSERT_NE(row, nullptr) << kind.name;
    EXPECT_EQ(row->codec_min_version, kind.min_version) << kind.name;
    EXPECT_EQ(row->max_version, kind.max_version) << kind.name;
    EXPECT_EQ(row->first_flexible_version, kind.first_flexible_version) << kind.name;
    ++seen[kind.key];
  }
  EXPECT_EQ(seen.size(), ApiTable().size());
  for (const auto& [key, count] : seen) EXPECT_EQ(count, 2) << key;
}

TEST(ApiTableTest, UnknownKeysAreNotFound) {
  for (const int16_t key : {-1, 4, 7, 58, 93, 32767}) EXPECT_EQ(FindApi(key), nullptr) << key;
}

// Trap 2: clients pick old record formats unless Produce looks complete.
TEST(ApiTableTest, ProduceIsAdvertisedFromZeroAndDecodedFromThree) {
  const ApiVersionRange& produce = ApiFor(ApiKey::kProduce);
  EXPECT_EQ(produce.min_version, 0);
  EXPECT_FALSE(produce.Decodes(2));
  EXPECT_TRUE(produce.Decodes(3));
  EXPECT_FALSE(produce.Decodes(14));
}

TEST(HeaderVersionTest, FollowsTheFirstFlexibleVersion) {
  EXPECT_EQ(RequestHeaderVersion(ApiKey::kMetadata, 8), 1);
  EXPECT_EQ(RequestHeaderVersion(ApiKey::kMetadata, 9), 2);
  EXPECT_EQ(ResponseHeaderVersion(ApiKey::kMetadata, 8), 0);
  EXPECT_EQ(ResponseHeaderVersion(ApiKey::kMetadata, 9), 1);
}

// Trap 1.
TEST(HeaderVersionTest, ApiVersionsAnswersWithHeaderZeroAlways) {
  for (int16_t version = 0; version <= 5; ++version) {
    EXPECT_EQ(ResponseHeaderVersion(ApiKey::kApiVersions, version), 0);
  }
  EXPECT_EQ(RequestHeaderVersion(ApiKey::kApiVersions, 3), 2);
}

TEST(RequestHeaderTest, SurvivesTheRoundTrip) {
  for (const ApiVersionRange& api : ApiTable()) {
    for (int16_t version = api.min_version; version <= api.max_version; ++version) {
      for (const auto& client : {std::optional<std::string>(), std::optional<std::string>("me")}) {
        const RequestHeader header{static_cast<int16_t>(api.key), version, 77, client};
        Writer out;
        EncodeRequestHeader(out, header);
        Reader in(SharedBytes::FromString(out.ToString()));
        const auto decoded = DecodeRequestHeader(in);
        ASSERT_TRUE(decoded.ok()) << decoded.status();
        EXPECT_EQ(*decoded, header);
        EXPECT_EQ(in.remaining(), 0u);
      }
    }
  }
}

TEST(RequestHeaderTest, AnUnknownKeyIsUnimplemented) {
  Reader in(SharedBytes::FromString(std::string("\x00\x04\x00\x00\x00\x00\x00\x01\xff\xff", 10)));
  EXPECT_EQ(DecodeRequestHeader(in).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(RequestHeaderTest, ApiVersionsOfAnyVersionIsRead) {
  Reader in(
      SharedBytes::FromString(std::string("\x00\x12\x00\x63\x00\x00\x00\x01\x00\x01x\x00", 12)));
  const auto header = DecodeRequestHeader(in);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->api_version, 99);
  EXPECT_EQ(header->client_id, "x");
}

TEST(RequestHeaderTest, ACutHeaderIsAnError) {
  const std::string whole("\x00\x03\x00\x09\x00\x00\x00\x01\x00\x01x\x00", 12);
  for (size_t length = 0; length < whole.size(); ++length) {
    Reader in(SharedBytes::Copy({whole.data(), length}));
    EXPECT_EQ(DecodeRequestHeader(in).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ResponseHeaderTest, SurvivesTheRoundTrip) {
  for (const int16_t version : {8, 9}) {
    Writer out;
    EncodeResponseHeader(out, ApiKey::kMetadata, version, 5);
    EXPECT_EQ(out.size(), version == 8 ? 4u : 5u);
    Reader in(SharedBytes::FromString(out.ToString()));
    const auto correlation_id = DecodeResponseHeader(in, ApiKey::kMetadata, version);
    ASSERT_TRUE(correlation_id.ok());
    EXPECT_EQ(*correlation_id, 5);
  }
}

}  // namespace
}  // namespace quorate::kafka
