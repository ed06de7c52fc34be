#include "base/posix/posix_file_system.h"

#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "base/file_system_contract.h"
#include "base/posix/contract_worlds.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

class PosixFileSystemWorld : public FileSystemWorld {
 public:
  FileSystem& fs() override { return fs_; }
  std::string directory() override { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem fs_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Posix, FileSystemContract, PosixFileSystemWorld);

TEST(PosixFileSystemTest, AFullDeviceIsResourceExhausted) {
  PosixFileSystem fs;
  auto file = fs.Open("/dev/full", OpenMode::kWrite);
  ASSERT_TRUE(file.ok()) << file.status();
  const std::string_view bytes = "abc";
  const absl::Status status = (*file)->WriteAt(0, {&bytes, 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "/dev/full: write: No space left on device");
}

TEST(PosixFileSystemTest, TooManyOpenFilesIsResourceExhausted) {
  TemporaryDirectory directory;
  PosixFileSystem fs;
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto file = fs.Open(directory.path() + "/f", OpenMode::kCreate);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(file.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(PosixFileSystemTest, WithoutPermissionIsPermissionDenied) {
  PosixFileSystem fs;
  // Not even root may make files here.
  EXPECT_EQ(fs.CreateDirectories("/proc/self/fdinfo/x").code(), absl::StatusCode::kNotFound);
  if (geteuid() == 0) GTEST_SKIP() << "root may do anything";
  EXPECT_EQ(fs.Open("/etc/shadow", OpenMode::kRead).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(PosixFileSystemTest, ADescriptorIsThereForSendfile) {
  TemporaryDirectory directory;
  PosixFileSystem fs;
  auto file = fs.Open(directory.path() + "/f", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  EXPECT_GE((*file)->descriptor(), 0);
}

TEST(PosixFileSystemTest, PreallocateOfTooMuchIsResourceExhausted) {
  TemporaryDirectory directory;
  PosixFileSystem fs;
  auto file = fs.Open(directory.path() + "/f", OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  // More than any disk holds: either refused for space, or not supported at all.
  const absl::Status status = (*file)->Preallocate(0, int64_t{1} << 60);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(*(*file)->Size(), 0);
}

}  // namespace
}  // namespace quorate
