// tests/sim/clients/admin_storm.h
//
// AdminStorm: a client that makes, grows, changes and deletes topics of its own, several requests a
// second, without waiting for how the last one ended. Several of them share one set of names, so
// that they meet. Data topics are left alone.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/clients/history.h"
#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

class AdminStorm {
 public:
  AdminStorm(SimClient& client, History& history) : client_(client), history_(history) {}

  // Asks for things until `end`.
  void BlowUntil(MonoTime end);
  // Asks for nothing more.
  void Stop() { end_ = MonoTime(); }
  uint64_t answers() const { return answers_; }
  uint64_t done() const { return done_; }  // answers without an error

 private:
  void Ask();
  void Create(const std::string& topic);
  void Delete(const std::string& topic);
  void Grow(const std::string& topic);
  void Configure(const std::string& topic);
  void OnAnswer(const char* what, const std::string& topic, int16_t code);

  SimClient& client_;
  History& history_;
  MonoTime end_;
  bool asking_ = false;
  uint64_t answers_ = 0;
  uint64_t done_ = 0;
};

}  // namespace quorate::sim
