// base/posix/contract_worlds.h
//
// The worlds of base/*_contract.h made of threads, real time and a temporary directory.
#pragma once

#include <functional>
#include <string>

#include "base/contract_world.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"

namespace quorate {

// ContractWorld's operations on loops that run on threads of their own.
void OnThreadedLoop(EventLoop& loop, Task task);
bool RunThreadedLoopUntil(EventLoop& loop, std::function<bool()> condition, Micros timeout);

// Implements the operations for any abstract world `Base`.
template <typename Base>
class ThreadedWorld : public Base {
 public:
  void On(EventLoop& loop, Task task) override { OnThreadedLoop(loop, std::move(task)); }
  bool RunUntil(EventLoop& loop, std::function<bool()> condition, Micros timeout) override {
    return RunThreadedLoopUntil(loop, std::move(condition), timeout);
  }
};

// A new directory below the test's temporary directory, removed with all it holds at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace quorate
