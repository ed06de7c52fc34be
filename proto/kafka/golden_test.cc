// Messages whose bytes were written down by hand from the protocol's documentation.
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages/api_versions.h"
#include "proto/kafka/messages/describe_quorum.h"
#include "proto/kafka/messages/describe_topic_partitions.h"
#include "proto/kafka/messages/fetch.h"
#include "proto/kafka/messages/find_coordinator.h"
#include "proto/kafka/messages/group_metadata_record.h"
#include "proto/kafka/messages/metadata.h"
#include "proto/kafka/messages/offset_commit_record.h"
#include "proto/kafka/messages/produce.h"
#include "proto/kafka/records.h"

namespace quorate::kafka {
namespace {

int HexDigit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// Bytes from hexadecimal text with blanks; 'x' stands for the byte x.
std::string Bytes(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
    } else if (text[i] == '\'') {
      for (++i; text[i] != '\''; ++i) bytes += text[i];
      ++i;
    } else {
      bytes += static_cast<char>(HexDigit(text[i]) * 16 + HexDigit(text[i + 1]));
      i += 2;
    }
  }
  return bytes;
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

std::string Joined(const std::vector<OutPiece>& pieces) {
  std::string joined;
  for (const OutPiece& piece : pieces) joined += std::get<SharedBytes>(piece).view();
  return joined;
}

// `message` encodes to `expected` and the other way round.
template <typename Message>
void ExpectBytes(const Message& message, int16_t version, std::string_view expected) {
  Writer out;
  message.Encode(out, version);
  EXPECT_EQ(Hex(out.ToString()), Hex(Bytes(expected))) << Message::kName << " v" << version;
  Reader in(SharedBytes::FromString(Bytes(expected)));
  const auto decoded = DecodeMessage<Message>(in, version);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == message) << Message::kName << " v" << version;
}

constexpr std::string_view kZeroId = "00000000 00000000 00000000 00000000";

Uuid OneId() {
  std::array<uint8_t, 16> bytes{};
  bytes[15] = 1;
  return Uuid(bytes);
}

TEST(GoldenTest, ApiVersionsRequest) {
  ApiVersionsRequest request;
  ExpectBytes(request, 0, "");
  ExpectBytes(request, 2, "");
  request.client_software_name = "kcat";
  request.client_software_version = "1.7";
  ExpectBytes(request, 3, "05 'kcat' 04 '1.7' 00");
  ExpectBytes(request, 4, "05 'kcat' 04 '1.7' 00");
}

TEST(GoldenTest, ApiVersionsResponse) {
  ApiVersionsResponse response;
  response.api_keys.push_back({18, 0, 4});
  ExpectBytes(response, 0, "0000 00000001 0012 0000 0004");
  response.throttle_time_ms = 9;
  ExpectBytes(response, 1, "0000 00000001 0012 0000 0004 00000009");
  ExpectBytes(response, 3, "0000 02 0012 0000 0004 00 00000009 00");
  response.supported_features.push_back({"k", 1, 2});
  response.finalized_features_epoch = 5;
  response.finalized_features.push_back({"k", 2, 1});
  ExpectBytes(response, 4,
              "0000 02 0012 0000 0004 00 00000009 03"
              "00 08 02 02 'k' 0001 0002 00"
              "01 08 0000000000000005"
              "02 08 02 02 'k' 0002 0001 00");
}

TEST(GoldenTest, ApiVersionsResponseFrameHasHeaderZeroInEveryVersion) {
  ApiVersionsResponse response;
  EXPECT_EQ(Hex(Joined(ResponseFrame(7, 0, response))),
            Hex(Bytes("0000000a 00000007 0000 00000000")));
  EXPECT_EQ(Hex(Joined(ResponseFrame(7, 3, response))),
            Hex(Bytes("0000000c 00000007 0000 01 00000000 00")));
}

TEST(GoldenTest, RequestFrames) {
  EXPECT_EQ(Hex(Joined(RequestFrame({0, 0, 7, "me"}, ApiVersionsRequest()))),
            Hex(Bytes("0000000c 0012 0000 00000007 0002 'me'")));
  MetadataRequest request;
  request.topics.reset();
  EXPECT_EQ(Hex(Joined(RequestFrame({0, 9, 7, std::nullopt}, request))),
            Hex(Bytes("00000010 0003 0009 00000007 ffff 00  00 01 00 00 00")));
}

TEST(GoldenTest, MetadataRequest) {
  MetadataRequest request;
  request.topics.emplace().emplace_back().name = "t";
  ExpectBytes(request, 0, "00000001 0001 't'");
  ExpectBytes(request, 4, "00000001 0001 't' 01");
  ExpectBytes(request, 8, "00000001 0001 't' 01 00 00");
  ExpectBytes(request, 9, "02 02 't' 00 01 00 00 00");
  ExpectBytes(request, 12, "02" + std::string(kZeroId) + "02 't' 00 01 00 00");
  request.topics->front().name.reset();
  request.topics->front().topic_id = OneId();
  ExpectBytes(request, 12, "02 00000000 00000000 00000000 00000001 00 00 01 00 00");
}

// No topics are none from version 1 on; null asks for all.
TEST(GoldenTest, MetadataRequestForAllOrNoTopics) {
  MetadataRequest request;
  ExpectBytes(request, 0, "00000000");
  ExpectBytes(request, 1, "00000000");
  request.topics.reset();
  ExpectBytes(request, 1, "ffffffff");
  ExpectBytes(request, 12, "00 01 00 00");
}

TEST(GoldenTest, MetadataResponse) {
  MetadataResponse response;
  response.brokers.push_back({1, "h", 9092, std::nullopt});
  response.cluster_id = "c";
  response.controller_id = 1;
  auto& topic = response.topics.emplace_back();
  topic.name = "t";
  topic.topic_id = OneId();
  topic.partitions.push_back({0, 0, 1, 5, {1, 2}, {1}, {}});
  ExpectBytes(response, 12,
              "00000000"
              "02 00000001 02 'h' 00002384 00 00"
              "02 'c' 00000001"
              "02 0000 02 't' 00000000 00000000 00000000 00000001 00"
              "02 0000 00000000 00000001 00000005 03 00000001 00000002 02 00000001 01 00"
              "80000000 00 00");
  ExpectBytes(response, 13,
              "00000000"
              "02 00000001 02 'h' 00002384 00 00"
              "02 'c' 00000001"
              "02 0000 02 't' 00000000 00000000 00000000 00000001 00"
              "02 0000 00000000 00000001 00000005 03 00000001 00000002 02 00000001 01 00"
              "80000000 00 0000 00");
}

TEST(GoldenTest, ProduceRequest) {
  ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 1500;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "t";
  topic.partition_data.push_back({3, Records(SharedBytes::Copy("abc"))});
  ExpectBytes(request, 3, "ffff ffff 000005dc 00000001 0001 't' 00000001 00000003 00000003 'abc'");
  ExpectBytes(request, 9, "00 ffff 000005dc 02 02 't' 02 00000003 04 'abc' 00 00 00");
}

TEST(GoldenTest, NullRecordsOfAProduceRequestAreEmpty) {
  Reader in(SharedBytes::FromString(Bytes("00 ffff 000005dc 02 02 't' 02 00000003 00 00 00 00")));
  const auto request = DecodeMessage<ProduceRequest>(in, 9);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->topic_data[0].partition_data[0].records.empty());
}

// Trap 13: librdkafka cannot read null records.
TEST(GoldenTest, FetchResponseWithoutRecordsHasALengthOfZero) {
  FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.error_code = 6;
  partition.last_stable_offset = 0;
  partition.aborted_transactions.reset();
  ExpectBytes(response, 4,
              "00000000 00000001 0001 't' 00000001"
              "00000000 0006 0000000000000000 0000000000000000 ffffffff 00000000");
  ExpectBytes(response, 12,
              "00000000 0000 00000000 02 02 't' 02"
              "00000000 0006 0000000000000000 0000000000000000 ffffffffffffffff 00 ffffffff 01"
              "00 00 00");
}

TEST(GoldenTest, FetchResponseTellsTheLeaderInTags) {
  FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic_id = OneId();
  auto& partition = topic.partitions.emplace_back();
  partition.aborted_transactions.reset();
  partition.current_leader = {2, 7};
  response.node_endpoints.push_back({2, "h", 9092, "r"});
  ExpectBytes(response, 16,
              "00000000 0000 00000000 02 00000000 00000000 00000000 00000001 02"
              "00000000 0000 0000000000000000 ffffffffffffffff ffffffffffffffff 00 ffffffff 01"
              "01 01 09 00000002 00000007 00"
              "00 01 00 0e 02 00000002 02 'h' 00002384 02 'r' 00");
}

// What a follower sends: its id and epoch, its directory and its high watermark, all in tags.
TEST(GoldenTest, FetchRequestOfAFollower) {
  FetchRequest request;
  request.replica_state = {2, 9};
  request.max_wait_ms = 500;
  request.min_bytes = 1;
  auto& topic = request.topics.emplace_back();
  topic.topic_id = OneId();
  auto& partition = topic.partitions.emplace_back();
  partition.fetch_offset = 4;
  partition.partition_max_bytes = 16;
  partition.replica_directory_id = OneId();
  partition.high_watermark = 3;
  ExpectBytes(request, 18,
              "000001f4 00000001 7fffffff 00 00000000 ffffffff"
              "02 00000000 00000000 00000000 00000001 02"
              "00000000 ffffffff 0000000000000004 ffffffff ffffffffffffffff 00000010"
              "02 00 10 00000000 00000000 00000000 00000001 01 08 0000000000000003"
              "00 01 01 01 01 0d 00000002 0000000000000009 00");
}

TEST(GoldenTest, FindCoordinatorRequest) {
  FindCoordinatorRequest request;
  request.key = "g";
  ExpectBytes(request, 0, "0001 'g'");
  ExpectBytes(request, 3, "02 'g' 00 00");
  FindCoordinatorRequest many;
  many.coordinator_keys = {"g", "h"};
  ExpectBytes(many, 4, "00 03 02 'g' 02 'h' 00");
}

TEST(GoldenTest, DescribeTopicPartitionsCursorMayBeNull) {
  DescribeTopicPartitionsRequest request;
  request.topics.push_back({"t"});
  ExpectBytes(request, 0, "02 02 't' 00 000007d0 ff 00");
  request.cursor.emplace() = {"t", 1};
  ExpectBytes(request, 0, "02 02 't' 00 000007d0 01 02 't' 00000001 00 00");
}

TEST(GoldenTest, DescribeQuorumRequest) {
  DescribeQuorumRequest request;
  request.topics.push_back({"t", {{0}}});
  for (int16_t version = 0; version <= 2; ++version) {
    ExpectBytes(request, version, "02 02 't' 02 00000000 00 00 00");
  }
}

TEST(GoldenTest, DescribeQuorumResponse) {
  DescribeQuorumResponse response;
  auto& topic = response.topics.emplace_back();
  topic.topic_name = "t";
  auto& partition = topic.partitions.emplace_back();
  partition.leader_id = 1;
  partition.leader_epoch = 5;
  partition.high_watermark = 9;
  auto& voter = partition.current_voters.emplace_back();
  voter.replica_id = 1;
  voter.log_end_offset = 10;
  ExpectBytes(response, 0,
              "0000 02 02 't' 02 00000000 0000 00000001 00000005 0000000000000009"
              "02 00000001 000000000000000a 00 01 00 00 00");
  voter.last_fetch_timestamp = 2;
  voter.last_caught_up_timestamp = 3;
  ExpectBytes(response, 1,
              "0000 02 02 't' 02 00000000 0000 00000001 00000005 0000000000000009"
              "02 00000001 000000000000000a 0000000000000002 0000000000000003 00 01 00 00 00");
  response.error_message.reset();
  partition.error_message = "m";
  partition.observers.push_back(voter);
  partition.observers[0].replica_directory_id = OneId();
  response.nodes.push_back({1, {{"C", "h", 9093}}});
  ExpectBytes(response, 2,
              "0000 00 02 02 't' 02 00000000 0000 02 'm' 00000001 00000005 0000000000000009"
              "02 00000001" +
                  std::string(kZeroId) +
                  "000000000000000a 0000000000000002 0000000000000003 00"
                  "02 00000001 00000000 00000000 00000000 00000001"
                  "000000000000000a 0000000000000002 0000000000000003 00"
                  "00 00 02 00000001 02 02 'C' 02 'h' 2385 00 00 00");
}

TEST(GoldenTest, OffsetCommitRecord) {
  const OffsetCommitKey key{"g", "t", 3};
  EXPECT_EQ(Hex(key.ToBytes()), Hex(Bytes("0001 0001 'g' 0001 't' 00000003")));
  for (const char* type : {"0000", "0001"}) {
    const auto decoded = OffsetCommitKey::FromBytes(
        SharedBytes::FromString(Bytes(std::string(type) + "0001 'g' 0001 't' 00000003")));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_TRUE(*decoded == key);
  }
  OffsetCommitValue value;
  value.offset = 7;
  value.leader_epoch = 2;
  value.metadata = "m";
  value.commit_timestamp = 1;
  const std::string bytes = Bytes("0003 0000000000000007 00000002 0001 'm' 0000000000000001");
  EXPECT_EQ(Hex(value.ToBytes(3)), Hex(bytes));
  const auto decoded = OffsetCommitValue::FromBytes(SharedBytes::FromString(bytes));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == value);
}

TEST(GoldenTest, GroupMetadataRecord) {
  const GroupMetadataKey key{"g"};
  EXPECT_EQ(Hex(key.ToBytes()), Hex(Bytes("0002 0001 'g'")));
  GroupMetadataValue value;
  value.protocol_type = "consumer";
  value.generation = 1;
  value.protocol = "range";
  value.leader.reset();
  value.current_state_timestamp = 5;
  auto& member = value.members.emplace_back();
  member.member_id = "m";
  member.rebalance_timeout = 2;
  member.session_timeout = 3;
  member.subscription = SharedBytes::Copy("s");
  EXPECT_EQ(Hex(value.ToBytes(3)),
            Hex(Bytes("0003 0008 'consumer' 00000001 0005 'range' ffff 0000000000000005 00000001"
                      "0001 'm' ffff 0000 0000 00000002 00000003 00000001 's' 00000000")));
}

TEST(GoldenTest, ARecordKeyOfAnotherTypeIsRefused) {
  const std::string offset_key = OffsetCommitKey{"g", "t", 3}.ToBytes();
  EXPECT_EQ(GroupMetadataKey::FromBytes(SharedBytes::Copy(offset_key)).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(GroupMetadataKey::FromBytes(SharedBytes::Copy("\x01")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quorate::kafka
