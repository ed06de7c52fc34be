#include "controller/image/record_json.h"

#include "controller/image/cause.h"
#include "controller/image/testing/records.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using namespace testing;  // NOLINT: record builders

TEST(RecordJsonTest, NamesTheTypeAndPrintsIdsAsKafkaDoes) {
  const Uuid id = TestUuid(1);
  EXPECT_EQ(RecordToJson(TopicRecord("a\"b", id)),
            "{\"type\":\"topic\",\"name\":\"a\\\"b\",\"topic_id\":\"" + id.ToString() + "\"}");
}

TEST(RecordJsonTest, ListsThatCanBeAbsentReadAsLists) {
  EXPECT_EQ(RecordToJson(IsrRecord(TestUuid(1), 3, {2, 1}, 2)),
            "{\"type\":\"partition_change\",\"topic_id\":\"" + TestUuid(1).ToString() +
                "\",\"partition\":3,\"leader\":2,\"isr\":[2,1]}");
}

TEST(RecordJsonTest, EnumsAreNames) {
  EXPECT_EQ(RecordToJson(TopicConfigRecord("a", "x", "1")),
            "{\"type\":\"config\",\"resource_type\":\"TOPIC\",\"resource_name\":\"a\","
            "\"name\":\"x\",\"value\":\"1\"}");
}

TEST(RecordJsonTest, BytesThatAreNoRecordGiveAnError) {
  EXPECT_EQ(RecordToJson("\xff\xff").find("{\"error\":"), 0u);
  EXPECT_EQ(RecordToJson(""), "{\"error\":\"an empty record\"}");
  EXPECT_NE(RecordToJson(std::string("\xfa\x06\x00", 3)).find("unknown type 111"),
            std::string::npos);
}

TEST(RecordJsonTest, ACauseHasItsFields) {
  EXPECT_EQ(CauseToJson(EncodeCause({.trigger = "CreateTopics", .principal = "User:a"})),
            "{\"trigger\":\"CreateTopics\",\"principal\":\"User:a\",\"broker_id\":-1}");
}

}  // namespace
}  // namespace quorate
