// base/file_system_contract.h
//
// The suite that every FileSystem passes. What survives a crash is tested where crashes can be
// made: by the simulator.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "gtest/gtest.h"

namespace quorate {

class FileSystemWorld {
 public:
  virtual ~FileSystemWorld() = default;
  virtual FileSystem& fs() = 0;
  // A directory that exists and is empty when the world is new.
  virtual std::string directory() = 0;
};

template <typename World>
class FileSystemContract : public testing::Test {
 protected:
  FileSystem& fs() { return world_.fs(); }
  std::string Path(const std::string& name) { return world_.directory() + "/" + name; }

  std::shared_ptr<File> Open(const std::string& name, OpenMode mode = OpenMode::kCreate) {
    auto file = fs().Open(Path(name), mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? *file : nullptr;
  }
  static absl::Status Write(File& file, int64_t offset, std::string_view bytes) {
    return file.WriteAt(offset, {&bytes, 1});
  }
  static std::string Read(const File& file, int64_t offset, size_t length) {
    std::string out(length, '?');
    auto got = file.ReadAt(offset, out.data(), length);
    EXPECT_TRUE(got.ok()) << got.status();
    out.resize(got.ok() ? *got : 0);
    return out;
  }
  // The code, after checking that an error names the path.
  static absl::StatusCode CodeFor(const absl::Status& status, const std::string& path) {
    if (!status.ok()) {
      EXPECT_NE(std::string(status.message()).find(path), std::string::npos) << status;
    }
    return status.code();
  }

  World world_;
};

TYPED_TEST_SUITE_P(FileSystemContract);

TYPED_TEST_P(FileSystemContract, ReadsWhatWasWritten) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "hello").ok());
  EXPECT_EQ(this->Read(*file, 0, 5), "hello");
  EXPECT_EQ(this->Read(*file, 1, 3), "ell");
}

TYPED_TEST_P(FileSystemContract, AReadIsShortOnlyAtTheEnd) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "hello").ok());
  EXPECT_EQ(this->Read(*file, 3, 100), "lo");
  EXPECT_EQ(this->Read(*file, 5, 100), "");
  EXPECT_EQ(this->Read(*file, 500, 100), "");
}

TYPED_TEST_P(FileSystemContract, WritesPiecesOneAfterTheOther) {
  auto file = this->Open("f");
  const std::vector<std::string_view> pieces = {"a", "", "bc", "def", ""};
  EXPECT_TRUE(file->WriteAt(2, pieces).ok());
  EXPECT_EQ(this->Read(*file, 2, 100), "abcdef");
  EXPECT_TRUE(file->WriteAt(0, {}).ok());
}

TYPED_TEST_P(FileSystemContract, WritesMorePiecesThanOneSystemCallTakes) {
  std::vector<std::string> owned;
  std::string whole;
  for (int i = 0; i < 5000; ++i) {
    owned.push_back(std::to_string(i) + (i % 7 == 0 ? "" : ","));
    if (i % 5 == 0) owned.emplace_back();
  }
  std::vector<std::string_view> pieces;
  for (const std::string& piece : owned) {
    pieces.push_back(piece);
    whole += piece;
  }
  auto file = this->Open("f");
  EXPECT_TRUE(file->WriteAt(3, pieces).ok());
  EXPECT_EQ(*file->Size(), static_cast<int64_t>(whole.size()) + 3);
  EXPECT_EQ(this->Read(*file, 3, whole.size() + 1), whole);
}

TYPED_TEST_P(FileSystemContract, AGapReadsAsZero) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 10'000, "x").ok());
  EXPECT_EQ(*file->Size(), 10'001);
  EXPECT_EQ(this->Read(*file, 0, 10'000), std::string(10'000, '\0'));
}

TYPED_TEST_P(FileSystemContract, PreallocateKeepsTheSize) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abc").ok());
  EXPECT_TRUE(file->Preallocate(3, 1 << 20).ok());
  EXPECT_EQ(*file->Size(), 3);
  EXPECT_EQ(this->Read(*file, 0, 10), "abc");
  EXPECT_TRUE(this->Write(*file, 3, "def").ok());
  EXPECT_EQ(this->Read(*file, 0, 10), "abcdef");
}

TYPED_TEST_P(FileSystemContract, TruncateCutsAndGrowsWithZeros) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abcdef").ok());
  EXPECT_TRUE(file->Truncate(2).ok());
  EXPECT_EQ(*file->Size(), 2);
  EXPECT_TRUE(file->Truncate(4).ok());
  EXPECT_EQ(this->Read(*file, 0, 10), std::string("ab\0\0", 4));
}

TYPED_TEST_P(FileSystemContract, SyncSucceedsOnAHealthyDisk) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abc").ok());
  EXPECT_TRUE(file->Sync().ok());
}

TYPED_TEST_P(FileSystemContract, AMappingShowsItsRangeAsLaterWritten) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abcdef").ok());
  auto mapping = file->Map();
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ((*mapping)->bytes(), "abcdef");
  EXPECT_TRUE(this->Write(*file, 4, "XYZ").ok());
  EXPECT_EQ((*mapping)->bytes(), "abcdXY");
}

TYPED_TEST_P(FileSystemContract, AMappingOutlivesFileAndName) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abc").ok());
  auto mapping = *file->Map();
  file.reset();
  EXPECT_TRUE(this->fs().Remove(this->Path("f")).ok());
  EXPECT_EQ(mapping->bytes(), "abc");
}

TYPED_TEST_P(FileSystemContract, AnEmptyFileMapsToNothing) {
  auto mapping = this->Open("f")->Map();
  ASSERT_TRUE(mapping.ok());
  EXPECT_TRUE((*mapping)->bytes().empty());
}

TYPED_TEST_P(FileSystemContract, ReadAndWriteModesNeedAnExistingFile) {
  const std::string path = this->Path("none");
  for (OpenMode mode : {OpenMode::kRead, OpenMode::kWrite}) {
    auto file = this->fs().Open(path, mode);
    EXPECT_EQ(this->CodeFor(file.status(), path), absl::StatusCode::kNotFound);
  }
  this->Open("none", OpenMode::kCreate);
  EXPECT_TRUE(this->fs().Open(path, OpenMode::kRead).ok());
  EXPECT_TRUE(this->fs().Open(path, OpenMode::kWrite).ok());
}

TYPED_TEST_P(FileSystemContract, AReadOnlyFileRefusesWrites) {
  this->Open("f");
  auto file = this->Open("f", OpenMode::kRead);
  EXPECT_FALSE(this->Write(*file, 0, "x").ok());
}

TYPED_TEST_P(FileSystemContract, CreateKeepsAndCreateFreshDropsTheContents) {
  EXPECT_TRUE(this->Write(*this->Open("f"), 0, "abc").ok());
  EXPECT_EQ(*this->Open("f", OpenMode::kCreate)->Size(), 3);
  EXPECT_EQ(*this->Open("f", OpenMode::kCreateFresh)->Size(), 0);
}

TYPED_TEST_P(FileSystemContract, AFileInAMissingDirectoryIsNotFound) {
  const std::string path = this->Path("no/f");
  EXPECT_EQ(this->CodeFor(this->fs().Open(path, OpenMode::kCreate).status(), path),
            absl::StatusCode::kNotFound);
}

TYPED_TEST_P(FileSystemContract, CreateDirectoriesMakesParentsAndAcceptsExistingOnes) {
  EXPECT_TRUE(this->fs().CreateDirectories(this->Path("a/b/c")).ok());
  EXPECT_TRUE(this->fs().CreateDirectories(this->Path("a/b/c")).ok());
  EXPECT_TRUE(this->fs().IsDirectory(this->Path("a/b/c")));
  EXPECT_TRUE(this->fs().SyncDirectory(this->Path("a/b")).ok());
}

TYPED_TEST_P(FileSystemContract, ListsNamesSorted) {
  for (const char* name : {"b", "a", "c"}) this->Open(name);
  EXPECT_TRUE(this->fs().CreateDirectories(this->Path("d/inner")).ok());
  auto names = this->fs().List(this->world_.directory());
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_EQ(*names, (std::vector<std::string>{"a", "b", "c", "d"}));
}

TYPED_TEST_P(FileSystemContract, ListOfAMissingDirectoryIsNotFound) {
  const std::string path = this->Path("none");
  EXPECT_EQ(this->CodeFor(this->fs().List(path).status(), path), absl::StatusCode::kNotFound);
}

TYPED_TEST_P(FileSystemContract, ExistsAndIsDirectoryTellFilesFromDirectories) {
  this->Open("f");
  EXPECT_TRUE(this->fs().Exists(this->Path("f")));
  EXPECT_FALSE(this->fs().IsDirectory(this->Path("f")));
  EXPECT_TRUE(this->fs().Exists(this->world_.directory()));
  EXPECT_TRUE(this->fs().IsDirectory(this->world_.directory()));
  EXPECT_FALSE(this->fs().Exists(this->Path("none")));
  EXPECT_FALSE(this->fs().IsDirectory(this->Path("none")));
}

TYPED_TEST_P(FileSystemContract, RemoveTakesTheNameButNotOpenFiles) {
  auto file = this->Open("f");
  EXPECT_TRUE(this->Write(*file, 0, "abc").ok());
  EXPECT_TRUE(this->fs().Remove(this->Path("f")).ok());
  EXPECT_FALSE(this->fs().Exists(this->Path("f")));
  EXPECT_EQ(this->Read(*file, 0, 3), "abc");
  EXPECT_EQ(this->CodeFor(this->fs().Remove(this->Path("f")), this->Path("f")),
            absl::StatusCode::kNotFound);
}

TYPED_TEST_P(FileSystemContract, RemoveTreeTakesAllBelowAndAcceptsWhatIsMissing) {
  EXPECT_TRUE(this->fs().CreateDirectories(this->Path("a/b")).ok());
  this->Open("a/f");
  this->Open("a/b/g");
  this->Open("ab");  // Shares the first letter only.
  EXPECT_TRUE(this->fs().RemoveTree(this->Path("a")).ok());
  EXPECT_FALSE(this->fs().Exists(this->Path("a")));
  EXPECT_TRUE(this->fs().Exists(this->Path("ab")));
  EXPECT_TRUE(this->fs().RemoveTree(this->Path("a")).ok());
}

TYPED_TEST_P(FileSystemContract, RenameReplacesTheTarget) {
  EXPECT_TRUE(this->Write(*this->Open("from"), 0, "new").ok());
  EXPECT_TRUE(this->Write(*this->Open("to"), 0, "older").ok());
  EXPECT_TRUE(this->fs().Rename(this->Path("from"), this->Path("to")).ok());
  EXPECT_FALSE(this->fs().Exists(this->Path("from")));
  EXPECT_EQ(*this->fs().ReadFile(this->Path("to")), "new");
}

TYPED_TEST_P(FileSystemContract, RenameMovesADirectoryWithWhatIsInIt) {
  EXPECT_TRUE(this->fs().CreateDirectories(this->Path("d/e")).ok());
  auto file = this->Open("d/e/f");
  EXPECT_TRUE(this->fs().Rename(this->Path("d"), this->Path("g")).ok());
  EXPECT_TRUE(this->fs().Exists(this->Path("g/e/f")));
  EXPECT_FALSE(this->fs().Exists(this->Path("d")));
  EXPECT_TRUE(this->Write(*file, 0, "abc").ok());
  EXPECT_EQ(*this->fs().ReadFile(this->Path("g/e/f")), "abc");
}

TYPED_TEST_P(FileSystemContract, RenameOfAMissingFileIsNotFound) {
  EXPECT_EQ(this->CodeFor(this->fs().Rename(this->Path("no"), this->Path("to")), this->Path("no")),
            absl::StatusCode::kNotFound);
}

TYPED_TEST_P(FileSystemContract, ALockExcludesOthersWhileItLives) {
  const std::string path = this->Path("lock");
  auto lock = this->fs().Lock(path);
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_EQ(this->CodeFor(this->fs().Lock(path).status(), path),
            absl::StatusCode::kFailedPrecondition);
  lock->reset();
  EXPECT_TRUE(this->fs().Lock(path).ok());
}

TYPED_TEST_P(FileSystemContract, ReadFileRefusesMoreThanExpected) {
  EXPECT_TRUE(this->Write(*this->Open("f"), 0, "abcdef").ok());
  EXPECT_EQ(*this->fs().ReadFile(this->Path("f"), 6), "abcdef");
  EXPECT_EQ(this->fs().ReadFile(this->Path("f"), 5).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TYPED_TEST_P(FileSystemContract, WriteFileAtomicallyReplacesAndLeavesNothingBehind) {
  EXPECT_TRUE(this->fs().WriteFileAtomically(this->Path("f"), "first, longer").ok());
  EXPECT_TRUE(this->fs().WriteFileAtomically(this->Path("f"), "second").ok());
  EXPECT_EQ(*this->fs().ReadFile(this->Path("f")), "second");
  EXPECT_EQ(this->fs().List(this->world_.directory())->size(), 1u);
}

REGISTER_TYPED_TEST_SUITE_P(
    FileSystemContract, ReadsWhatWasWritten, AReadIsShortOnlyAtTheEnd, WritesPiecesOneAfterTheOther,
    WritesMorePiecesThanOneSystemCallTakes, AGapReadsAsZero, PreallocateKeepsTheSize,
    TruncateCutsAndGrowsWithZeros, SyncSucceedsOnAHealthyDisk, AMappingShowsItsRangeAsLaterWritten,
    AMappingOutlivesFileAndName, AnEmptyFileMapsToNothing, ReadAndWriteModesNeedAnExistingFile,
    AReadOnlyFileRefusesWrites, CreateKeepsAndCreateFreshDropsTheContents,
    AFileInAMissingDirectoryIsNotFound, CreateDirectoriesMakesParentsAndAcceptsExistingOnes,
    ListsNamesSorted, ListOfAMissingDirectoryIsNotFound,
    ExistsAndIsDirectoryTellFilesFromDirectories, RemoveTakesTheNameButNotOpenFiles,
    RemoveTreeTakesAllBelowAndAcceptsWhatIsMissing, RenameReplacesTheTarget,
    RenameMovesADirectoryWithWhatIsInIt, RenameOfAMissingFileIsNotFound,
    ALockExcludesOthersWhileItLives, ReadFileRefusesMoreThanExpected,
    WriteFileAtomicallyReplacesAndLeavesNothingBehind);

}  // namespace quorate
