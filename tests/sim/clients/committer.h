// tests/sim/clients/committer.h
//
// SimCommitter: a consumer outside of any group protocol that commits ever higher offsets under a
// group's name and reads them back, through whichever broker coordinates the group. What was
// acknowledged never goes back (invariant I31; scenarios K1, K10): OffsetsChecker judges.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

class SimCommitter {
 public:
  struct Observer {
    std::function<void(const std::string& group, int64_t offset)> on_sent;
    std::function<void(const std::string& group, int64_t offset)> on_acked;
    // A read that began when `acked` was the highest acknowledged offset; -1: none is committed.
    std::function<void(const std::string& group, int64_t acked, int64_t offset)> on_read;
  };

  SimCommitter(SimClient& client, std::string group, std::string topic, Micros pause,
               Observer observer);

  void Start();
  // No more commits; what was sent is settled, then the offset is read until it is known.
  void Stop() { stopped_ = true; }
  // Stopped, and the last read succeeded after that.
  bool Settled() const { return settled_; }
  int64_t acked() const { return acked_; }

 private:
  void FindCoordinator();
  void Next();
  void NextLater();
  void Commit();
  void Read();
  void Lost();

  SimClient& client_;
  const std::string group_;
  const std::string topic_;
  const Micros pause_;
  const Observer observer_;
  int32_t coordinator_ = -1;
  int64_t next_ = 1;
  int64_t acked_ = -1;
  bool stopped_ = false;
  bool settled_ = false;
};

}  // namespace quorate::sim
