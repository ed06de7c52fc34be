#include "broker/net/frame_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"

namespace quorate {
namespace {

std::string Frame(const std::string& body) {
  std::string frame;
  for (int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(body.size() >> shift));
  return frame + body;
}

// Gives `bytes` to `reader` in pieces of at most `step` and collects the frames.
absl::Status Feed(FrameReader& reader, std::string_view bytes, size_t step,
                  std::vector<std::string>* frames) {
  while (!bytes.empty()) {
    auto space = reader.Space();
    const size_t n = std::min({space.size(), bytes.size(), step});
    std::memcpy(space.data(), bytes.data(), n);
    bytes.remove_prefix(n);
    reader.Commit(n);
    while (true) {
      auto next = reader.Next();
      if (!next.ok()) return next.status();
      if (!next->has_value()) break;
      frames->emplace_back((*next)->view());
    }
  }
  return absl::OkStatus();
}

TEST(FrameReader, CutsTheSameFramesAtEverySplitPoint) {
  const std::vector<std::string> bodies = {"a", "bcdef", std::string(300, 'x'), "z"};
  std::string stream;
  for (const auto& body : bodies) stream += Frame(body);
  for (size_t split = 0; split <= stream.size(); ++split) {
    FrameReader reader{FrameLimits()};
    std::vector<std::string> frames;
    ASSERT_TRUE(Feed(reader, stream.substr(0, split), SIZE_MAX, &frames).ok());
    ASSERT_TRUE(Feed(reader, stream.substr(split), SIZE_MAX, &frames).ok());
    ASSERT_EQ(frames, bodies) << "split at " << split;
    EXPECT_FALSE(reader.has_partial());
  }
}

TEST(FrameReader, CutsFramesOfAllSizesInReadsOfAllSizes) {
  SeededRandom random(7);
  std::vector<std::string> bodies;
  std::string stream;
  for (int i = 0; i < 200; ++i) {
    const size_t size = 1 + random.Below(random.Chance(0.1) ? 300'000 : 3000);
    bodies.emplace_back(size, static_cast<char>('a' + i % 26));
    stream += Frame(bodies.back());
  }
  for (size_t step : {1u, 3u, 1000u, 65536u, 1u << 30}) {
    if (step == 1) continue;
    FrameReader reader{FrameLimits()};
    std::vector<std::string> frames;
    ASSERT_TRUE(Feed(reader, stream, step, &frames).ok());
    ASSERT_EQ(frames.size(), bodies.size());
    EXPECT_TRUE(frames == bodies) << step;
  }
}

TEST(FrameReader, FramesStayUnchangedWhileTheyAreHeld) {
  FrameReader reader{FrameLimits()};
  std::vector<SharedBytes> held;
  for (int i = 0; i < 5000; ++i) {
    const std::string frame = Frame(std::to_string(i));
    auto space = reader.Space();
    size_t done = 0;
    while (done < frame.size()) {
      space = reader.Space();
      const size_t n = std::min(space.size(), frame.size() - done);
      std::memcpy(space.data(), frame.data() + done, n);
      reader.Commit(n);
      done += n;
      auto next = reader.Next();
      ASSERT_TRUE(next.ok());
      if (next->has_value()) held.push_back(**next);
    }
  }
  ASSERT_EQ(held.size(), 5000u);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(held[i].view(), std::to_string(i));
}

TEST(FrameReader, RefusesSizesOutsideTheLimitsBeforeAllocating) {
  for (int64_t size : {int64_t{0}, int64_t{-1}, int64_t{INT32_MIN}, int64_t{INT32_MAX},
                       int64_t{(100 << 20) + 1}}) {
    FrameReader reader{FrameLimits()};
    std::string head;
    for (int shift : {24, 16, 8, 0}) head.push_back(static_cast<char>(size >> shift));
    std::vector<std::string> frames;
    const absl::Status status = Feed(reader, head, 4, &frames);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << size;
    EXPECT_EQ(reader.large_bytes(), 0u);
  }
}

TEST(FrameReader, OnlyProduceMayBeLargerThanTheLimitOfOthers) {
  FrameLimits limits;
  limits.max_other_frame_bytes = 100'000;
  const std::string produce = Frame(std::string(200'000, '\0'));
  FrameReader first(limits);
  std::vector<std::string> frames;
  EXPECT_TRUE(Feed(first, produce, 5, &frames).ok());
  EXPECT_EQ(frames.size(), 1u);
  std::string fetch(200'000, '\0');
  fetch[1] = 1;
  FrameReader second(limits);
  EXPECT_EQ(Feed(second, Frame(fetch), 5, &frames).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(second.large_bytes(), 0u);
}

TEST(FrameReader, ALargeFrameIsReadIntoABufferOfItsSize) {
  FrameReader reader{FrameLimits()};
  const std::string frame = Frame(std::string(1 << 20, 'q'));
  std::vector<std::string> frames;
  ASSERT_TRUE(Feed(reader, frame.substr(0, 100), 100, &frames).ok());
  EXPECT_EQ(reader.large_bytes(), size_t{1} << 20);
  EXPECT_EQ(reader.Space().size(), (size_t{1} << 20) - 96);
  ASSERT_TRUE(Feed(reader, frame.substr(100), SIZE_MAX, &frames).ok());
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0], frame.substr(4));
}

TEST(FrameReader, AfterALargeFrameOnlyTheHeadOfTheNextIsReadFirst) {
  FrameReader reader{FrameLimits()};
  const std::string large = Frame(std::string(200'000, 'q'));
  std::vector<std::string> frames;
  ASSERT_TRUE(Feed(reader, large, SIZE_MAX, &frames).ok());
  EXPECT_LE(reader.Space().size(), 64u);
  ASSERT_TRUE(Feed(reader, large + Frame("small") + Frame("s2"), SIZE_MAX, &frames).ok());
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[1], frames[0]);
  EXPECT_EQ(frames[3], "s2");
  EXPECT_GT(reader.Space().size(), 64u);
}

TEST(FrameReader, RandomBytesNeverAllocateMoreThanTheLimit) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    std::string bytes(2000, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    if (random.Chance(0.5)) bytes[0] = bytes[1] = 0;
    FrameReader reader{FrameLimits()};
    std::vector<std::string> frames;
    const absl::Status status = Feed(reader, bytes, 1 + random.Below(500), &frames);
    if (!status.ok()) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    }
    EXPECT_LE(reader.large_bytes(), size_t{100} << 20);
  }
}

}  // namespace
}  // namespace quorate
