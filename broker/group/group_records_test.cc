#include "broker/group/group_records.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "broker/group/group_placement.h"

namespace quorate {
namespace {

using std::chrono::seconds;

std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (const int b : bytes) out.push_back(static_cast<char>(b));
  return out;
}

OffsetRecord AnOffset() {
  OffsetRecord record{"g", {"t", 3}, CommittedOffset()};
  record.value->offset = 42;
  record.value->leader_epoch = 5;
  record.value->metadata = "m";
  record.value->commit_time = 1000;
  return record;
}

TEST(GroupRecords, OffsetKeyHasKafkasBytes) {
  EXPECT_EQ(EncodeRecord(AnOffset()).key, Bytes({0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3}));
}

TEST(GroupRecords, OffsetsComeBackInEveryVersionWritten) {
  OffsetRecord plain = AnOffset();
  OffsetRecord with_id = AnOffset();
  with_id.value->topic_id = *Uuid::Parse("AAAAAAAAAAAAAAAAAAAAew");
  OffsetRecord expiring = AnOffset();
  expiring.value->leader_epoch = -1;  // version 1 has none
  expiring.value->expire_time = 5000;
  for (const OffsetRecord& record : {plain, with_id, expiring}) {
    const auto decoded = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& back = std::get<OffsetRecord>(*decoded);
    EXPECT_EQ(back.group_id, "g");
    EXPECT_EQ(back.key, record.key);
    EXPECT_EQ(back.value, record.value);
  }
  EXPECT_EQ(EncodeRecord(plain).value->substr(0, 2), Bytes({0, 3}));
  EXPECT_EQ(EncodeRecord(with_id).value->substr(0, 2), Bytes({0, 4}));
  EXPECT_EQ(EncodeRecord(expiring).value->substr(0, 2), Bytes({0, 1}));
}

TEST(GroupRecords, GroupsComeBack) {
  GroupSnapshot snapshot;
  snapshot.protocol_type = "consumer";
  snapshot.generation = 7;
  snapshot.protocol = "range";
  snapshot.leader = "m";
  snapshot.state_time = 123;
  snapshot.members.push_back({"m", "instance", "client", "/host", seconds(10), seconds(60),
                              SharedBytes::Copy("sub"), SharedBytes::Copy("assigned")});
  const LogRecord record = EncodeRecord(GroupRecord{"g", snapshot});
  EXPECT_EQ(record.key, Bytes({0, 2, 0, 1, 'g'}));
  const auto decoded = DecodeRecord(record);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<GroupRecord>(*decoded).value, snapshot);
}

TEST(GroupRecords, TombstonesHaveNoValue) {
  const LogRecord offset = EncodeRecord(OffsetRecord{"g", {"t", 0}, std::nullopt});
  EXPECT_FALSE(offset.value.has_value());
  EXPECT_FALSE(std::get<OffsetRecord>(*DecodeRecord(offset)).value.has_value());
  const LogRecord group = EncodeRecord(GroupRecord{"g", std::nullopt});
  EXPECT_FALSE(group.value.has_value());
  EXPECT_FALSE(std::get<GroupRecord>(*DecodeRecord(group)).value.has_value());
}

TEST(GroupRecords, UnknownTypesAndVersionsAreErrorsNotMisread) {
  LogRecord record = EncodeRecord(AnOffset());
  record.key[1] = 9;
  EXPECT_EQ(DecodeRecord(record).status().code(), absl::StatusCode::kUnimplemented);
  record = EncodeRecord(AnOffset());
  (*record.value)[1] = 77;
  EXPECT_EQ(DecodeRecord(record).status().code(), absl::StatusCode::kUnimplemented);
  record = EncodeRecord(AnOffset());
  record.value->pop_back();
  EXPECT_EQ(DecodeRecord(record).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(DecodeRecord(LogRecord{"", std::nullopt}).ok());
}

TEST(GroupPlacement, HashesAsJavaDoes) {
  EXPECT_EQ(JavaStringHash(""), 0);
  EXPECT_EQ(JavaStringHash("abc"), 96354);
  EXPECT_EQ(JavaStringHash("hello world"), 1794106052);
  EXPECT_EQ(JavaStringHash("\xC3\xA9"), 233);              // e with acute accent
  EXPECT_EQ(JavaStringHash("\xF0\x9F\x98\x80"), 1772899);  // a surrogate pair in UTF-16
  EXPECT_EQ(JavaStringHash("polygenelubricants"), INT32_MIN);
}

TEST(GroupPlacement, IsTheAbsoluteHashModuloPartitions) {
  EXPECT_EQ(PartitionForGroup("abc", 50), PartitionIndex(4));
  EXPECT_EQ(PartitionForGroup("polygenelubricants", 50), PartitionIndex(0));
}

TEST(GroupPlacement, BytesThatAreNoUtf8AreHashedAllTheSame) {
  EXPECT_EQ(JavaStringHash("\xFF"), 0xfffd);
  EXPECT_EQ(JavaStringHash("\xC3"), 0xfffd);
}

}  // namespace
}  // namespace quorate
