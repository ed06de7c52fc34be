// base/state_store_contract.h
//
// The suite that every StateStore passes. What survives the crash of a machine is tested where
// crashes can be made.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"
#include "base/state_store.h"
#include "gtest/gtest.h"

namespace quorate {

class StateStoreWorld {
 public:
  virtual ~StateStoreWorld() = default;
  virtual StateStores& stores() = 0;
  // The files that the stores are made of.
  virtual FileSystem& fs() = 0;
  // A directory that exists and is empty when the world is new.
  virtual std::string directory() = 0;
  // Ends the process that has `store` open, without a word to the store, and opens it anew.
  virtual absl::StatusOr<std::unique_ptr<StateStore>> ReopenAfterKill(
      std::unique_ptr<StateStore> store, const std::string& directory) = 0;
};

template <typename World>
class StateStoreContract : public testing::Test {
 protected:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  std::string Directory() { return world_.directory() + "/store"; }
  std::unique_ptr<StateStore> Open() {
    auto store = world_.stores().Open(Directory());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Put(StateStore& store, const Pairs& pairs) {
    StateBatch batch;
    for (const auto& [key, value] : pairs) batch.Put(key, value);
    EXPECT_TRUE(store.Write(batch).ok());
  }
  static std::string Get(StateStore& store, std::string_view key) {
    const auto value = store.Get(key);
    EXPECT_TRUE(value.ok()) << value.status();
    return !value.ok() ? "error" : *value ? **value : "absent";
  }
  static Pairs Scan(StateStore& store, std::string_view prefix, size_t limit = SIZE_MAX) {
    Pairs out;
    const absl::Status status = store.Scan(prefix, [&](std::string_view key, std::string_view v) {
      out.emplace_back(std::string(key), std::string(v));
      return out.size() < limit;
    });
    EXPECT_TRUE(status.ok()) << status;
    return out;
  }

  World world_;
};

TYPED_TEST_SUITE_P(StateStoreContract);

TYPED_TEST_P(StateStoreContract, ANewStoreIsEmpty) {
  auto store = this->Open();
  EXPECT_EQ(this->Get(*store, "a"), "absent");
  EXPECT_TRUE(this->Scan(*store, "").empty());
}

TYPED_TEST_P(StateStoreContract, MissingParentsAreMade) {
  auto store = this->world_.stores().Open(this->Directory() + "/a/b");
  ASSERT_TRUE(store.ok()) << store.status();
  this->Put(**store, {{"k", "v"}});
  EXPECT_EQ(this->Get(**store, "k"), "v");
}

TYPED_TEST_P(StateStoreContract, GetsWhatWasPutLast) {
  auto store = this->Open();
  this->Put(*store, {{"a", "1"}, {"b", "2"}});
  this->Put(*store, {{"a", "3"}});
  EXPECT_EQ(this->Get(*store, "a"), "3");
  EXPECT_EQ(this->Get(*store, "b"), "2");
}

TYPED_TEST_P(StateStoreContract, ADeletedKeyIsAbsent) {
  auto store = this->Open();
  this->Put(*store, {{"a", "1"}, {"b", "2"}});
  StateBatch batch;
  batch.Delete("a");
  batch.Delete("never there");
  EXPECT_TRUE(store->Write(batch).ok());
  EXPECT_EQ(this->Get(*store, "a"), "absent");
  EXPECT_EQ(this->Scan(*store, "").size(), 1u);
}

TYPED_TEST_P(StateStoreContract, WithinABatchTheLaterChangeOfAKeyWins) {
  auto store = this->Open();
  StateBatch batch;
  batch.Put("a", "1");
  batch.Delete("a");
  batch.Delete("b");
  batch.Put("b", "2");
  EXPECT_TRUE(store->Write(batch).ok());
  EXPECT_EQ(this->Scan(*store, ""), (typename TestFixture::Pairs{{"b", "2"}}));
}

TYPED_TEST_P(StateStoreContract, AnEmptyBatchChangesNothing) {
  auto store = this->Open();
  this->Put(*store, {{"a", "1"}});
  EXPECT_TRUE(store->Write(StateBatch()).ok());
  EXPECT_EQ(this->Scan(*store, "").size(), 1u);
}

TYPED_TEST_P(StateStoreContract, KeysAndValuesAreAnyBytes) {
  auto store = this->Open();
  const std::string key("\0k\xff\n", 4);
  const std::string value("\0\xfe", 2);
  this->Put(*store, {{key, value}, {"empty", ""}});
  EXPECT_EQ(this->Get(*store, key), value);
  EXPECT_EQ(this->Get(*store, "empty"), "");
}

TYPED_TEST_P(StateStoreContract, ScansAPrefixInTheOrderOfUnsignedBytes) {
  auto store = this->Open();
  this->Put(*store, {{"b", "x"},
                     {"p\xff", "4"},
                     {"p", "1"},
                     {"p\x7f", "3"},
                     {"pa", "2"},
                     {"q", "x"},
                     {"o\xff", "x"}});
  EXPECT_EQ(this->Scan(*store, "p"),
            (typename TestFixture::Pairs{{"p", "1"}, {"pa", "2"}, {"p\x7f", "3"}, {"p\xff", "4"}}));
  EXPECT_EQ(this->Scan(*store, "p\xff").size(), 1u);
  EXPECT_EQ(this->Scan(*store, "").size(), 7u);
  EXPECT_TRUE(this->Scan(*store, "z").empty());
}

TYPED_TEST_P(StateStoreContract, AScanEndsWhenTheVisitorHasEnough) {
  auto store = this->Open();
  this->Put(*store, {{"a", "1"}, {"b", "2"}, {"c", "3"}});
  EXPECT_EQ(this->Scan(*store, "", 2).size(), 2u);
}

TYPED_TEST_P(StateStoreContract, WhatWasWrittenIsThereAfterClosing) {
  {
    auto store = this->Open();
    this->Put(*store, {{"a", "1"}});
  }
  auto store = this->Open();
  EXPECT_EQ(this->Get(*store, "a"), "1");
  this->Put(*store, {{"b", "2"}});
  EXPECT_EQ(this->Scan(*store, "").size(), 2u);
}

TYPED_TEST_P(StateStoreContract, OpeningForNothingChangesNothing) {
  this->Put(*this->Open(), {{"a", "1"}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(this->Get(*this->Open(), "a"), "1");
}

TYPED_TEST_P(StateStoreContract, WhatWasWrittenSurvivesTheDeathOfTheProcess) {
  auto store = this->Open();
  this->Put(*store, {{"a", "1"}, {"b", "1"}});
  StateBatch batch;
  batch.Delete("a");
  batch.Put("b", "2");
  ASSERT_TRUE(store->Write(batch).ok());
  auto again = this->world_.ReopenAfterKill(std::move(store), this->Directory());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(this->Scan(**again, ""), (typename TestFixture::Pairs{{"b", "2"}}));
}

TYPED_TEST_P(StateStoreContract, FlushSucceedsOnAHealthyDisk) {
  auto store = this->Open();
  EXPECT_TRUE(store->Flush().ok());
  this->Put(*store, {{"a", "1"}});
  EXPECT_TRUE(store->Flush().ok());
  EXPECT_EQ(this->Get(*store, "a"), "1");
}

TYPED_TEST_P(StateStoreContract, StoresInDifferentDirectoriesAreApart) {
  this->Put(*this->Open(), {{"a", "1"}});
  auto other = this->world_.stores().Open(this->Directory() + "2");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(this->Get(**other, "a"), "absent");
}

TYPED_TEST_P(StateStoreContract, AStoreWhoseDirectoryWasRemovedIsEmpty) {
  this->Put(*this->Open(), {{"a", "1"}});
  EXPECT_TRUE(this->world_.fs().RemoveTree(this->Directory()).ok());
  auto store = this->Open();
  EXPECT_TRUE(this->Scan(*store, "").empty());
  this->Put(*store, {{"b", "2"}});
  EXPECT_EQ(this->Scan(*store, "").size(), 1u);
}

TYPED_TEST_P(StateStoreContract, AStoreMayBeMovedWhileItIsClosed) {
  this->Put(*this->Open(), {{"a", "1"}});
  EXPECT_TRUE(this->world_.fs().Rename(this->Directory(), this->Directory() + "2").ok());
  auto moved = this->world_.stores().Open(this->Directory() + "2");
  ASSERT_TRUE(moved.ok()) << moved.status();
  EXPECT_EQ(this->Get(**moved, "a"), "1");
}

TYPED_TEST_P(StateStoreContract, AFileInTheWayIsAnErrorThatNamesTheDirectory) {
  EXPECT_TRUE(this->world_.fs().Open(this->Directory(), OpenMode::kCreate).ok());
  const auto store = this->world_.stores().Open(this->Directory());
  ASSERT_FALSE(store.ok());
  EXPECT_NE(std::string(store.status().message()).find(this->Directory()), std::string::npos)
      << store.status();
}

TYPED_TEST_P(StateStoreContract, HoldsLargeBatchesAndManyOfThem) {
  SeededRandom random(4);
  std::map<std::string, std::string> model;
  auto store = this->Open();
  for (int round = 0; round < 60; ++round) {
    StateBatch batch;
    const int changes = round % 20 == 0 ? 5000 : 50;
    for (int i = 0; i < changes; ++i) {
      std::string key = "k" + std::to_string(random.Below(2000));
      if (random.Chance(0.3)) {
        model.erase(key);
        batch.Delete(std::move(key));
      } else {
        std::string value(random.Below(300), static_cast<char>('a' + i % 26));
        model[key] = value;
        batch.Put(std::move(key), std::move(value));
      }
    }
    ASSERT_TRUE(store->Write(batch).ok());
    if (round % 25 == 24) {
      store.reset();
      store = this->Open();
    }
  }
  EXPECT_EQ(this->Scan(*store, ""), (typename TestFixture::Pairs(model.begin(), model.end())));
}

REGISTER_TYPED_TEST_SUITE_P(StateStoreContract, ANewStoreIsEmpty, MissingParentsAreMade,
                            GetsWhatWasPutLast, ADeletedKeyIsAbsent,
                            WithinABatchTheLaterChangeOfAKeyWins, AnEmptyBatchChangesNothing,
                            KeysAndValuesAreAnyBytes, ScansAPrefixInTheOrderOfUnsignedBytes,
                            AScanEndsWhenTheVisitorHasEnough, WhatWasWrittenIsThereAfterClosing,
                            OpeningForNothingChangesNothing,
                            WhatWasWrittenSurvivesTheDeathOfTheProcess, FlushSucceedsOnAHealthyDisk,
                            StoresInDifferentDirectoriesAreApart,
                            AStoreWhoseDirectoryWasRemovedIsEmpty, AStoreMayBeMovedWhileItIsClosed,
                            AFileInTheWayIsAnErrorThatNamesTheDirectory,
                            HoldsLargeBatchesAndManyOfThem);

}  // namespace quorate
