#include "storage/offset_checkpoint_file.h"

#include <gtest/gtest.h>

#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

TEST(OffsetCheckpointFileTest, ReadsWhatItWrote) {
  MemoryFileSystem files;
  ASSERT_TRUE(files.CreateDirectories("d").ok());
  const OffsetCheckpointFile file(&files, "d/recovery-point-offset-checkpoint");
  EXPECT_TRUE(file.Read()->empty()) << "missing";
  OffsetCheckpointFile::Offsets offsets;
  offsets[{"a", PartitionIndex(0)}] = Offset(5);
  offsets[{"a", PartitionIndex(11)}] = Offset(0);
  ASSERT_TRUE(file.Write(offsets).ok());
  EXPECT_EQ(*file.Read(), offsets);
  EXPECT_EQ(*files.ReadFile("d/recovery-point-offset-checkpoint"), "0\n2\na 0 5\na 11 0\n");
}

TEST(OffsetCheckpointFileTest, TornIsDataLoss) {  // scenario G13
  MemoryFileSystem files;
  ASSERT_TRUE(files.CreateDirectories("d").ok());
  const OffsetCheckpointFile file(&files, "d/c");
  for (const char* bad : {"", "0\n", "0\n2\na 0 5\n", "0\n1\na 0 5", "0\n1\na 5\n", "1\n0\n"}) {
    ASSERT_TRUE(files.WriteFileAtomically("d/c", bad).ok());
    EXPECT_TRUE(absl::IsDataLoss(file.Read().status())) << bad;
  }
}

}  // namespace
}  // namespace quorate
