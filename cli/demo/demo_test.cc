#include "cli/demo/ack_clock.h"
#include "cli/demo/package_index.h"
#include "cli/demo/stream_check.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using std::chrono::milliseconds;

TEST(PackageIndexTest, SplitsAtEmptyLines) {
  const auto stanzas = SplitStanzas("Package: a\nSize: 1\n\nPackage: b\nSize: 2\n\n");
  ASSERT_TRUE(stanzas.ok());
  ASSERT_EQ(stanzas->size(), 2u);
  EXPECT_EQ((*stanzas)[0].name, "a");
  EXPECT_EQ((*stanzas)[0].text, "Package: a\nSize: 1");
  EXPECT_EQ((*stanzas)[1].name, "b");
}

TEST(PackageIndexTest, RefusesAStanzaWithoutAName) { EXPECT_FALSE(SplitStanzas("Size: 1\n").ok()); }

TEST(AckClockTest, GapsBetweenAcksAreMeasuredOverAllAndPerPartition) {
  const AckClock::Time start{};
  AckClock clock;
  clock.OnAck(0, start + milliseconds(5));
  clock.OnAck(1, start + milliseconds(10));
  clock.OnAck(0, start + milliseconds(12));
  clock.OnAck(1, start + milliseconds(50));
  EXPECT_EQ(clock.longest_gap_ms(), 38);
  EXPECT_EQ(clock.longest_partition_gap_ms(), 40);
}

const std::vector<PackageStanza>& Input() {
  static const auto* input =
      new std::vector<PackageStanza>{{"a", "a1"}, {"b", "b1"}, {"a", "a2"}, {"a", "a3"}};
  return *input;
}

TEST(StreamCheckTest, EqualStreamIsOk) {
  StreamCheck check(Input());
  check.OnRecord(0, 0, "a", "a1");
  check.OnRecord(1, 0, "b", "b1");
  check.OnRecord(0, 1, "a", "a2");
  check.OnRecord(0, 2, "a", "a3");
  EXPECT_TRUE(check.ok());
  EXPECT_TRUE(check.complete());
}

TEST(StreamCheckTest, FindsALostRecord) {
  StreamCheck check(Input());
  check.OnRecord(0, 0, "a", "a1");
  check.OnRecord(0, 1, "a", "a2");
  check.OnRecord(0, 2, "a", "a3");
  EXPECT_EQ(check.lost(), 1);
  EXPECT_FALSE(check.ok());
}

TEST(StreamCheckTest, FindsADuplicate) {
  StreamCheck check(Input());
  check.OnRecord(0, 0, "a", "a1");
  check.OnRecord(0, 1, "a", "a2");
  check.OnRecord(0, 2, "a", "a1");
  EXPECT_EQ(check.duplicates(), 1);
}

TEST(StreamCheckTest, FindsAConsumerThatWentBack) {
  StreamCheck check(Input());
  check.OnRecord(0, 5, "a", "a1");
  check.OnRecord(0, 5, "a", "a2");
  EXPECT_EQ(check.duplicates(), 1);
}

TEST(StreamCheckTest, FindsAWrongOrder) {
  StreamCheck check(Input());
  check.OnRecord(0, 0, "a", "a2");
  EXPECT_EQ(check.misordered(), 1);
}

TEST(StreamCheckTest, FindsChangedBytesAndUnknownKeys) {
  StreamCheck check(Input());
  check.OnRecord(0, 0, "a", "aX");
  check.OnRecord(0, 1, "z", "a1");
  EXPECT_EQ(check.foreign(), 2);
}

}  // namespace
}  // namespace quorate
