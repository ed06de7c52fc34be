#include "base/persistent_map.h"

#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

using Map = PersistentMap<int, std::string>;

void ExpectEqual(const Map& map, const std::map<int, std::string>& model) {
  ASSERT_EQ(map.size(), model.size());
  auto it = map.begin();
  for (const auto& [key, value] : model) {
    ASSERT_NE(it, map.end());
    EXPECT_EQ(it->first, key);
    EXPECT_EQ(it->second, value);
    ++it;
  }
  EXPECT_EQ(it, map.end());
}

TEST(PersistentMapTest, AChangeLeavesCopiesAsTheyWere) {
  Map a;
  a.Set(1, "x");
  Map b = a;
  EXPECT_TRUE(a.SharesAllWith(b));
  b.Set(1, "y");
  b.Set(2, "z");
  EXPECT_EQ(*a.Find(1), "x");
  EXPECT_EQ(a.Find(2), nullptr);
  EXPECT_EQ(*b.Find(1), "y");
  EXPECT_FALSE(a.SharesAllWith(b));
}

TEST(PersistentMapTest, EraseOfAnAbsentKeyIsFalseAndChangesNothing) {
  Map a;
  a.Set(1, "x");
  Map b = a;
  EXPECT_FALSE(b.Erase(2));
  EXPECT_TRUE(a.SharesAllWith(b));
  EXPECT_TRUE(b.Erase(1));
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(a.size(), 1u);
}

TEST(PersistentMapTest, AnEntryOutlivesItsMapInAnotherCopy) {
  Map a;
  a.Set(1, "x");
  const std::string* value = a.Find(1);
  Map b = a;
  a.clear();
  EXPECT_EQ(b.Find(1), value);
  EXPECT_EQ(*value, "x");
}

TEST(PersistentMapTest, LooksUpByOtherTypesThatCompare) {
  PersistentMap<std::string, int> map;
  map.Set("abc", 1);
  EXPECT_EQ(*map.Find(std::string_view("abc")), 1);
  EXPECT_TRUE(map.Erase(std::string_view("abc")));
}

TEST(PersistentMapTest, LowerBoundIsTheFirstKeyNotLess) {
  Map map;
  for (int key : {10, 20, 30}) map.Set(key, std::to_string(key));
  EXPECT_EQ(map.LowerBound(5)->first, 10);
  EXPECT_EQ(map.LowerBound(20)->first, 20);
  auto it = map.LowerBound(21);
  EXPECT_EQ(it->first, 30);
  EXPECT_EQ(++it, map.end());
  EXPECT_EQ(map.LowerBound(31), map.end());
}

TEST(PersistentMapTest, AscendingKeysKeepItBalanced) {
  Map map;
  for (int i = 0; i < 4096; ++i) map.Set(i, "");
  EXPECT_LE(map.height(), static_cast<int>(1.45 * std::log2(4098.0)));
  for (int i = 0; i < 4000; ++i) map.Erase(i);
  EXPECT_LE(map.height(), static_cast<int>(1.45 * std::log2(98.0)));
}

TEST(PersistentMapTest, RandomChangesAgreeWithStdMapInEveryVersion) {
  SeededRandom random(7);
  Map map;
  std::map<int, std::string> model;
  std::vector<std::pair<Map, std::map<int, std::string>>> versions;
  for (int step = 0; step < 4000; ++step) {
    const int key = static_cast<int>(random.Below(200));
    if (random.Chance(0.55)) {
      map.Set(key, std::to_string(step));
      model[key] = std::to_string(step);
    } else {
      EXPECT_EQ(map.Erase(key), model.erase(key) == 1);
    }
    if (step % 97 == 0) versions.emplace_back(map, model);
  }
  versions.emplace_back(map, model);
  for (const auto& [old_map, old_model] : versions) ExpectEqual(old_map, old_model);
}

}  // namespace
}  // namespace quorate
