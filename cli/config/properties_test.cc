#include "cli/config/properties.h"

#include "gtest/gtest.h"

namespace quorate {
namespace {

std::vector<Property> Parse(std::string_view text) {
  auto properties = ParseProperties(text, "test.properties");
  EXPECT_TRUE(properties.ok()) << properties.status();
  return properties.ok() ? *properties : std::vector<Property>{};
}

TEST(PropertiesTest, SeparatorsAreEqualsColonAndBlank) {
  EXPECT_EQ(Parse("a=1\nb:2\nc 3\nd\t=  4\n"),
            (std::vector<Property>{{"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}, {"d", "4", 4}}));
}

TEST(PropertiesTest, CommentsAndEmptyLinesAreSkippedButCounted) {
  EXPECT_EQ(Parse("# one\n\n  ! two\nkey=value"), (std::vector<Property>{{"key", "value", 4}}));
}

TEST(PropertiesTest, BackslashContinuesALine) {
  EXPECT_EQ(Parse("list=a,\\\n     b\nnext=1"),
            (std::vector<Property>{{"list", "a,b", 1}, {"next", "1", 3}}));
  EXPECT_EQ(Parse("path=c:\\\\\nnext=1"),
            (std::vector<Property>{{"path", "c:\\", 1}, {"next", "1", 2}}));
  EXPECT_EQ(Parse("open=a\\"), (std::vector<Property>{{"open", "a", 1}}));
}

TEST(PropertiesTest, ValuesMayHoldSeparatorsAndBeEmpty) {
  EXPECT_EQ(Parse("listeners=PLAINTEXT://:9092,CONTROLLER://:9093\nempty=\nbare"),
            (std::vector<Property>{{"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093", 1},
                                   {"empty", "", 2},
                                   {"bare", "", 3}}));
}

TEST(PropertiesTest, EscapesAreResolved) {
  EXPECT_EQ(Parse("a\\=b=tab\\there\nu=\\u00e9\\u20ac\nemoji=\\uD83D\\uDE00"),
            (std::vector<Property>{{"a=b", "tab\there", 1},
                                   {"u", "\xc3\xa9\xe2\x82\xac", 2},
                                   {"emoji", "\xf0\x9f\x98\x80", 3}}));
}

TEST(PropertiesTest, MalformedUnicodeEscapeNamesTheLine) {
  auto properties = ParseProperties("ok=1\nbad=\\u12", "x.properties");
  EXPECT_EQ(properties.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(properties.status().message()).find("x.properties:2"), std::string::npos);
}

TEST(PropertiesTest, AKeyIsRequired) { EXPECT_FALSE(ParseProperties("=value", "x").ok()); }

TEST(PropertiesTest, WindowsLineEndsAreLineEnds) {
  EXPECT_EQ(Parse("a=1\r\nb=2\r\n"), (std::vector<Property>{{"a", "1", 1}, {"b", "2", 2}}));
}

}  // namespace
}  // namespace quorate
