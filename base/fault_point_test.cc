#include "base/fault_point.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace quorate {
namespace {

bool MaybeDisturbed() { return BUGGIFY("test.disturbed", 0.25); }
bool NeverCalled() { return BUGGIFY("test.never_called", 1.0); }
void Step() { FAILPOINT("test.step"); }

class Recorder final : public FaultDecider {
 public:
  bool Fires(const FaultPoint& point, double p) override {
    asked += std::string(point.name) + " " + std::to_string(p) + ";";
    return fires;
  }
  void Reached(const FaultPoint& point) override { reached += std::string(point.name) + ";"; }
  bool fires = false;
  std::string asked;
  std::string reached;
};

int Count(std::string_view name, FaultPoint::Kind kind) {
  return static_cast<int>(std::count_if(
      FaultPoints().begin(), FaultPoints().end(),
      [&](const FaultPoint* point) { return point->name == name && point->kind == kind; }));
}

TEST(FaultPoint, WithoutADeciderNothingIsDisturbed) {
  EXPECT_FALSE(MaybeDisturbed());
  Step();
}

TEST(FaultPoint, TheDeciderIsAskedWithNameAndProbability) {
  Recorder recorder;
  EXPECT_EQ(SetFaultDecider(&recorder), nullptr);
  EXPECT_FALSE(MaybeDisturbed());
  recorder.fires = true;
  EXPECT_TRUE(MaybeDisturbed());
  Step();
  EXPECT_EQ(SetFaultDecider(nullptr), &recorder);
  EXPECT_FALSE(MaybeDisturbed());
  EXPECT_EQ(recorder.asked, "test.disturbed 0.250000;test.disturbed 0.250000;");
  EXPECT_EQ(recorder.reached, "test.step;");
}

TEST(FaultPoint, EveryPointIsListedOnceAlsoIfItIsNeverReached) {
  EXPECT_EQ(Count("test.disturbed", FaultPoint::Kind::kBuggify), 1);
  EXPECT_EQ(Count("test.never_called", FaultPoint::Kind::kBuggify), 1);
  EXPECT_EQ(Count("test.step", FaultPoint::Kind::kFailpoint), 1);
  for (size_t i = 0; i < FaultPoints().size(); ++i) EXPECT_EQ(FaultPoints()[i]->number, i);
  static_cast<void>(&NeverCalled);
}

}  // namespace
}  // namespace quorate
