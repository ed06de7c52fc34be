#include "base/posix/contract_worlds.h"

#include <stdlib.h>

#include <filesystem>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

// Looks at a condition again and again on its loop until it holds or time is up.
struct Watch : std::enable_shared_from_this<Watch> {
  EventLoop* loop;
  std::function<bool()> condition;
  MonoTime end;
  std::promise<bool> result;

  void Look() {
    if (condition()) return result.set_value(true);
    if (loop->Now() >= end) return result.set_value(false);
    loop->RunAfter(Micros(100), [self = shared_from_this()] { self->Look(); });
  }
};

}  // namespace

void OnThreadedLoop(EventLoop& loop, Task task) {
  QCHECK(!loop.OnLoop());
  std::promise<void> done;
  loop.Post([&] {
    std::move(task)();
    task = nullptr;
    done.set_value();
  });
  done.get_future().wait();
}

bool RunThreadedLoopUntil(EventLoop& loop, std::function<bool()> condition, Micros timeout) {
  QCHECK(!loop.OnLoop());
  auto watch = std::make_shared<Watch>();
  watch->loop = &loop;
  watch->condition = std::move(condition);
  watch->end = loop.Now() + timeout;
  std::future<bool> result = watch->result.get_future();
  loop.Post([watch = std::move(watch)] { watch->Look(); });
  return result.get();
}

TemporaryDirectory::TemporaryDirectory() : path_(testing::TempDir() + "/quorate-XXXXXX") {
  QCHECK(mkdtemp(path_.data()) != nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace quorate
