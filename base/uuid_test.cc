#include "base/uuid.h"

#include "base/random.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(UuidTest, TextRoundTrips) {
  SeededRandom random(7);
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = Uuid::Generate(random);
    EXPECT_EQ(id.ToString().size(), 22u);
    EXPECT_NE(id.ToString().front(), '-');
    EXPECT_EQ(Uuid::Parse(id.ToString()), id);
    EXPECT_EQ(Uuid::FromBytes(id.ToBytes()), id);
  }
}

TEST(UuidTest, GeneratedIdsAreVersionFour) {
  SeededRandom random(7);
  const Uuid id = Uuid::Generate(random);
  EXPECT_EQ(id.bytes()[6] >> 4, 4);
  EXPECT_EQ(id.bytes()[8] >> 6, 2);
}

TEST(UuidTest, ZeroIsTheDefault) {
  EXPECT_TRUE(Uuid().is_zero());
  EXPECT_EQ(Uuid().ToString(), "AAAAAAAAAAAAAAAAAAAAAA");
}

TEST(UuidTest, ParseRefusesWhatIsNoId) {
  EXPECT_FALSE(Uuid::Parse(""));
  EXPECT_FALSE(Uuid::Parse("AAAAAAAAAAAAAAAAAAAAA"));
  EXPECT_FALSE(Uuid::Parse("AAAAAAAAAAAAAAAAAAAAA+"));
  EXPECT_FALSE(Uuid::Parse("AAAAAAAAAAAAAAAAAAAAAB"));  // Trailing bits set.
}

}  // namespace
}  // namespace quorate
