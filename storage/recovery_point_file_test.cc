#include "storage/recovery_point_file.h"

#include <gtest/gtest.h>

#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

TEST(RecoveryPoint, TheYoungerValidSlotCounts) {
  MemoryFileSystem files;
  ASSERT_TRUE(files.CreateDirectories("/d").ok());
  {
    auto file = RecoveryPointFile::Open(&files, "/d/r");
    ASSERT_TRUE(file.ok());
    EXPECT_EQ((*file)->point(), Offset(0));
    for (int i = 1; i <= 5; ++i) ASSERT_TRUE((*file)->Write(Offset(10 * i)).ok());
  }
  EXPECT_EQ((*RecoveryPointFile::Open(&files, "/d/r"))->point(), Offset(50));
  files.CorruptByte("/d/r", 512 + 9, '~');  // the fifth lies in the second slot
  EXPECT_EQ((*RecoveryPointFile::Open(&files, "/d/r"))->point(), Offset(40));
}

}  // namespace
}  // namespace quorate
