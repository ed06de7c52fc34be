// What a clean-shutdown mark vouches for.
#include "broker/replica/log_manager.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "broker/testing/test_loop.h"
#include "storage/testing/memory_file_system.h"

namespace quorate {
namespace {

class LogManagerTest : public ::testing::Test {
 protected:
  LogManagerTest() {
    EXPECT_TRUE(files_.CreateDirectories("/d").ok());
    Begin();
  }

  // A new process on the same disk. Returns the epoch that the last one's mark had.
  BrokerEpoch Begin() {
    manager_.reset();
    loop_.RunPosted();
    LogManager::Env env;
    env.loop = &loop_;
    env.pool = &pool_;
    env.file_system = &files_;
    env.random = &random_;
    manager_ = std::make_unique<LogManager>(env, std::vector<std::string>{"/d"}, Millis(5000));
    const auto epoch = manager_->Start();
    EXPECT_TRUE(epoch.ok()) << epoch.status();
    return epoch.value_or(kNoBrokerEpoch);
  }
  std::unique_ptr<Log> Open() {
    std::unique_ptr<Log> log;
    manager_->Open(name_, LogConfig(), [&](absl::StatusOr<LogManager::Opened> opened) {
      ASSERT_TRUE(opened.ok()) << opened.status();
      log = std::move(opened->log);
    });
    loop_.RunPosted();
    return log;
  }
  void CloseCleanly(std::unique_ptr<Log> log) {
    std::vector<LogManager::ToClose> logs;
    if (log != nullptr) logs.push_back({name_, std::move(log), Offset(0)});
    bool done = false;
    manager_->CloseAll(std::move(logs), /*clean=*/true, BrokerEpoch(7), [&] { done = true; });
    loop_.RunPosted();
    EXPECT_TRUE(done);
  }

  const LogName name_{"t", PartitionIndex(0), Uuid({1})};
  TestLoop loop_;
  TestPool pool_{&loop_};
  MemoryFileSystem files_;
  SeededRandom random_{1};
  std::unique_ptr<LogManager> manager_;
};

TEST_F(LogManagerTest, AnOrderlyStopLeavesAMarkForTheNextStart) {
  CloseCleanly(Open());
  EXPECT_EQ(Begin(), BrokerEpoch(7));
}

TEST_F(LogManagerTest, TheMarkIsTakenAwayAtTheStart) {
  CloseCleanly(Open());
  Begin();
  EXPECT_EQ(Begin(), kNoBrokerEpoch);
}

TEST_F(LogManagerTest, AMarkDoesNotVouchForALogThatWasNotRecovered) {
  ASSERT_TRUE(files_.CreateDirectories("/d/t-0").ok());  // left by a crash
  Begin();
  CloseCleanly(nullptr);
  EXPECT_EQ(Begin(), kNoBrokerEpoch);
}

TEST_F(LogManagerTest, AfterACleanStartLogsNeedNotBeOpenedForTheNextMark) {
  CloseCleanly(Open());
  EXPECT_EQ(Begin(), BrokerEpoch(7));
  CloseCleanly(nullptr);
  EXPECT_EQ(Begin(), BrokerEpoch(7));
}

TEST_F(LogManagerTest, TheMetadataLogBesideThePartitionsIsNoneOfThem) {
  ASSERT_TRUE(files_.CreateDirectories("/d/__cluster_metadata-0").ok());
  Begin();
  CloseCleanly(Open());
  EXPECT_EQ(Begin(), BrokerEpoch(7));
}

TEST_F(LogManagerTest, WhatIsNoLongerAssignedIsSetAsideAndTheRestStays) {
  CloseCleanly(Open());
  ASSERT_TRUE(files_.CreateDirectories("/d/gone-3").ok());
  ASSERT_TRUE(files_.CreateDirectories("/d/t-0").ok());
  Begin();
  manager_->SetAsideUnassigned({"t-0"});
  loop_.RunPosted();
  EXPECT_TRUE(files_.IsDirectory("/d/t-0"));
  const auto names = files_.List("/d");
  ASSERT_TRUE(names.ok());
  int strays = 0;
  for (const std::string& name : *names) {
    if (name.substr(0, 4) != "gone") continue;
    EXPECT_TRUE(name.ends_with(".stray")) << name;
    ++strays;
  }
  EXPECT_EQ(strays, 1);
  EXPECT_EQ(manager_->stray_count(), 1);
  CloseCleanly(Open());
  EXPECT_EQ(Begin(), BrokerEpoch(7)) << "it no longer withholds the mark";
}

}  // namespace
}  // namespace quorate
