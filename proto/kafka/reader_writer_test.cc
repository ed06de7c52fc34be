#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "gtest/gtest.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages/fetch.h"
#include "proto/kafka/messages/metadata.h"
#include "proto/kafka/reader.h"
#include "proto/kafka/records.h"
#include "proto/kafka/writer.h"

namespace {
size_t g_largest_allocation = 0;  // since last set to 0
}  // namespace

void* operator new(size_t size) {
  g_largest_allocation = std::max(g_largest_allocation, size);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace quorate::kafka {
namespace {

Reader ReaderOf(std::string bytes) { return Reader(SharedBytes::FromString(std::move(bytes))); }

std::string VarintBytes(uint32_t value) {
  Writer out;
  out.Varint(value);
  return out.ToString();
}

TEST(ReaderTest, VarintsOfEveryLengthAreRead) {
  for (const uint32_t value : {0u, 1u, 127u, 128u, 16383u, 16384u, 1u << 28, 0xffffffffu}) {
    Reader in = ReaderOf(VarintBytes(value));
    EXPECT_EQ(in.Varint(), value);
    EXPECT_TRUE(in.ExpectEnd().ok());
  }
}

TEST(ReaderTest, AVarintOfMoreThan32BitsIsAnError) {
  for (const std::string bytes : {"\xff\xff\xff\xff\x10", "\x80\x80\x80\x80\x80\x01"}) {
    Reader in = ReaderOf(bytes);
    EXPECT_EQ(in.Varint(), 0u);
    EXPECT_EQ(in.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ReaderTest, TheFirstErrorStaysAndNamesItsPosition) {
  Reader in = ReaderOf(std::string("\x00\x01\x00\x00\x00", 5));
  EXPECT_EQ(in.Int16(), 1);
  EXPECT_EQ(in.Int64(), 0);
  EXPECT_EQ(in.Int16(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_NE(in.status().message().find("at byte 2 of 5"), absl::string_view::npos) << in.status();
}

TEST(ReaderTest, NullIsRefusedWhereNotAllowed) {
  EXPECT_TRUE(ReaderOf("\xff\xff").NullableString(false, true) == std::nullopt);
  Reader strict = ReaderOf("\xff\xff");
  strict.String(false);
  EXPECT_FALSE(strict.ok());
  Reader array = ReaderOf(std::string(1, '\0'));
  std::vector<int32_t> values;
  array.Array(values, true);
  EXPECT_FALSE(array.ok());
  Reader structure = ReaderOf("\xff");
  EXPECT_FALSE(structure.Present(false));
  EXPECT_FALSE(structure.ok());
}

TEST(ReaderTest, LengthsBelowNullAreErrors) {
  Reader text = ReaderOf("\xff\xfe");
  text.NullableString(false, true);
  EXPECT_FALSE(text.ok());
  Reader array = ReaderOf("\xff\xff\xff\xfe");
  array.Count(false, 1, true);
  EXPECT_FALSE(array.ok());
}

TEST(ReaderTest, AStringOverTheLimitIsAnError) {
  for (const size_t length : {kMaxStringLength, kMaxStringLength + 1}) {
    Reader in = ReaderOf(VarintBytes(static_cast<uint32_t>(length) + 1) + std::string(length, 'x'));
    in.String(true);
    EXPECT_EQ(in.ok(), length == kMaxStringLength);
  }
}

TEST(ReaderTest, BytesShareTheFramesBuffer) {
  const SharedBytes frame = SharedBytes::FromString(std::string("\x00\x00\x00\x02zz", 6));
  Reader in(frame);
  EXPECT_EQ(in.Bytes(false).data(), frame.data() + 4);
}

TEST(ReaderTest, AnOversizedCountIsRefusedBeforeAllocation) {
  const std::string count("\x7f\xff\xff\xff", 4);
  const std::string compact("\xff\xff\xff\xff\x0f", 5);
  for (const bool flexible : {false, true}) {
    Reader in = ReaderOf((flexible ? compact : count) + "abc");
    std::vector<std::string> values;
    g_largest_allocation = 0;
    in.Array(values, flexible);
    EXPECT_LT(g_largest_allocation, 1024u);
    EXPECT_FALSE(in.ok());
  }
}

// 2^31 - 1 topics in a Metadata request, 2^32 - 2 in the compact form.
TEST(ReaderTest, AMessageWithAnOversizedCountDoesNotAllocate) {
  for (const int16_t version : {1, 12}) {
    Reader in = ReaderOf(version < 9 ? std::string("\x7f\xff\xff\xff", 4)
                                     : std::string("\xff\xff\xff\xff\x0f", 5));
    MetadataRequest request;
    g_largest_allocation = 0;
    const absl::Status status = request.Decode(in, version);
    EXPECT_LT(g_largest_allocation, 1024u);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
}

// A count that the frame could just hold reserves a bounded amount before elements are seen.
TEST(ReaderTest, ReservationsAreBounded) {
  constexpr size_t kElements = 1 << 20;
  Reader in = ReaderOf(VarintBytes(kElements + 1) + std::string(kElements, '\xff'));
  std::vector<std::string> values;
  g_largest_allocation = 0;
  in.Array(values, true);
  EXPECT_FALSE(in.ok());
  EXPECT_LT(g_largest_allocation, 64u * 1024);
}

TEST(ReaderTest, AnOversizedTagCountIsRefused) {
  Reader in = ReaderOf("\xff\xff\xff\xff\x0f");
  in.SkipTags();
  EXPECT_FALSE(in.ok());
}

TEST(ReaderTest, ATagMustBeUsedUpAndIsNotReadBeyond) {
  // ReplicaState, tag 1 of a Fetch request, with a size one too small and one too large.
  FetchRequest request;
  request.replica_state = {2, 9};
  Writer out;
  request.Encode(out, 15);
  const std::string good = out.ToString();
  const size_t at = good.rfind('\x0d');
  ASSERT_NE(at, std::string::npos);
  for (const int change : {-1, 0, 1}) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] + change);
    Reader in = ReaderOf(bytes + std::string(2, '\0'));
    EXPECT_EQ(request.Decode(in, 15).ok(), change == 0) << change;
  }
}

TEST(WriterTest, RecordsAreSplicedWithoutACopy) {
  const SharedBytes batch = SharedBytes::Copy("batch");
  Records records(batch);
  records.Add(FileSlice{nullptr, 10, 20});
  Writer out;
  out.Int8(1);
  out.RecordSet(records, false);
  out.Int8(2);
  EXPECT_EQ(out.size(), 1u + 4 + 25 + 1);
  const std::vector<OutPiece> pieces = out.FinishFrame();
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(std::get<SharedBytes>(pieces[0]).view(),
            std::string_view("\x00\x00\x00\x1f\x01\x00\x00\x00\x19", 9));
  EXPECT_EQ(std::get<SharedBytes>(pieces[1]).data(), batch.data());
  EXPECT_EQ(std::get<FileSlice>(pieces[2]).length, 20u);
  EXPECT_EQ(std::get<SharedBytes>(pieces[3]).view(), "\x02");
}

TEST(WriterTest, IsEmptyAfterFinish) {
  Writer out;
  out.Int32(1);
  EXPECT_EQ(out.Finish().size(), 1u);
  EXPECT_EQ(out.size(), 0u);
  EXPECT_TRUE(out.Finish().empty());
  const std::vector<OutPiece> frame = out.FinishFrame();
  ASSERT_EQ(frame.size(), 1u);
  EXPECT_EQ(std::get<SharedBytes>(frame[0]).view(), std::string_view("\0\0\0\0", 4));
}

TEST(WriterTest, GrowsAndKeepsWhatWasWritten) {
  Writer out;
  for (int32_t i = 0; i < 10000; ++i) out.Int32(i);
  Reader in = ReaderOf(out.ToString());
  for (int32_t i = 0; i < 10000; ++i) ASSERT_EQ(in.Int32(), i);
  EXPECT_TRUE(in.ExpectEnd().ok());
}

TEST(WriterTest, ATooLongStringIsCut) {
  for (const bool flexible : {false, true}) {
    Writer out;
    out.String(std::string(40000, 'x'), flexible);
    Reader in = ReaderOf(out.ToString());
    EXPECT_EQ(in.String(flexible).size(), kMaxStringLength);
    EXPECT_TRUE(in.ExpectEnd().ok());
  }
}

// Version 0 of Metadata knows no null; it is written as none.
TEST(WriterTest, NullIsWrittenAsEmptyWhereNotAllowed) {
  MetadataRequest request;
  request.topics.reset();
  Writer out;
  request.Encode(out, 0);
  EXPECT_EQ(out.ToString(), std::string(4, '\0'));
}

TEST(RecordsTest, EmptyPiecesAreDroppedAndEqualityIsByContent) {
  Records split(SharedBytes::Copy("ab"));
  split.Add(SharedBytes());
  split.Add(SharedBytes::Copy("c"));
  EXPECT_EQ(split.pieces().size(), 2u);
  EXPECT_EQ(split.size(), 3u);
  EXPECT_TRUE(split == Records(SharedBytes::Copy("abc")));
  EXPECT_FALSE(split == Records(SharedBytes::Copy("abd")));
  EXPECT_TRUE(Records().empty());
  EXPECT_TRUE(Records().bytes().empty());
}

}  // namespace
}  // namespace quorate::kafka
