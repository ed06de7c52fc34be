// Properties of every message in every version.
#include <string>

#include "gtest/gtest.h"
#include "proto/kafka/testing/all_messages.h"

namespace quorate::kafka {
namespace {

// Calls `check(kind, version, where)` for each message and version.
template <typename Check>
void ForEachVersion(Check check) {
  for (const MessageKind& kind : AllMessages()) {
    for (int16_t version = kind.min_version; version <= kind.max_version; ++version) {
      check(kind, version, std::string(kind.name) + " v" + std::to_string(version));
    }
  }
}

TEST(CodecTest, RandomMessagesSurviveTheRoundTrip) {
  SeededRandom random(1);
  ForEachVersion([&](const MessageKind& kind, int16_t version, const std::string& where) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(kind.random_round_trip(random, version)) << where;
  });
}

TEST(CodecTest, AMessageCutAnywhereIsAnError) {
  SeededRandom random(2);
  ForEachVersion([&](const MessageKind& kind, int16_t version, const std::string& where) {
    for (int i = 0; i < 2; ++i) {
      const std::string bytes = kind.random_bytes(random, version);
      for (size_t length = 0; length < bytes.size(); ++length) {
        const absl::Status status = kind.decode(SharedBytes::Copy({bytes.data(), length}), version);
        ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << where << " at " << length;
      }
    }
  });
}

TEST(CodecTest, BytesAfterTheMessageAreAnError) {
  SeededRandom random(3);
  ForEachVersion([&](const MessageKind& kind, int16_t version, const std::string& where) {
    const std::string bytes = kind.random_bytes(random, version) + '\x01';
    ASSERT_FALSE(kind.decode(SharedBytes::Copy(bytes), version).ok()) << where;
  });
}

TEST(CodecTest, DamagedMessagesNeverCrashAndReencodeConsistently) {
  SeededRandom random(4);
  ForEachVersion([&](const MessageKind& kind, int16_t version, const std::string& where) {
    for (int i = 0; i < 40; ++i) {
      std::string bytes = kind.random_bytes(random, version);
      for (uint64_t n = random.Below(4); n > 0 && !bytes.empty(); --n) {
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
      }
      ASSERT_TRUE(kind.survives_round_trip(SharedBytes::Copy(bytes), version)) << where;
    }
  });
}

// The last byte of a flexible message at its defaults is the count of tagged fields, 0.
TEST(CodecTest, UnknownTaggedFieldsAreSkipped) {
  int tried = 0;
  ForEachVersion([&](const MessageKind& kind, int16_t version, const std::string& where) {
    if (version < kind.first_flexible_version) return;
    std::string bytes = kind.default_bytes(version);
    ASSERT_EQ(bytes.back(), '\0') << where;
    bytes.back() = '\x02';                    // two tagged fields:
    bytes += "\xE7\x07\x03xyz";               // number 999, 3 bytes
    bytes += std::string("\xE8\x07\x00", 3);  // number 1000, empty
    const absl::Status status = kind.decode(SharedBytes::Copy(bytes), version);
    EXPECT_TRUE(status.ok()) << where << ": " << status;
    ++tried;
  });
  EXPECT_GT(tried, 100);
}

TEST(CodecTest, OtherVersionsAreRefused) {
  for (const MessageKind& kind : AllMessages()) {
    for (const int version : {kind.min_version - 1, kind.max_version + 1}) {
      EXPECT_EQ(kind.decode(SharedBytes(), static_cast<int16_t>(version)).code(),
                absl::StatusCode::kUnimplemented)
          << kind.name << " v" << version;
    }
  }
}

}  // namespace
}  // namespace quorate::kafka
