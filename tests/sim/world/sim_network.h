// tests/sim/world/sim_network.h
//
// SimNetwork: byte streams between simulated processes. Bytes of one direction arrive in order,
// cut into random pieces; streams stall, break and fall silent as the Links say.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/network.h"
#include "tests/sim/world/links.h"
#include "tests/sim/world/world.h"

namespace quorate::sim {

class SimConnection;
class SimListener;
struct Stream;

// What may happen to one stream, once.
enum class StreamFault {
  kHalfOpen,  // everything sent from now on vanishes; who sends learns it after Links::kPatience,
              // who only waits never does
  kCutFrame,  // of the next segment sent either way a part arrives, then a reset
  kFlipBit,   // one bit of a record's value in the next segment that has one arrives flipped
};

// All listeners of a world, and which hosts exist.
class Internet {
 public:
  explicit Internet(Links& links) : links_(links) {}
  Links& links() { return links_; }
  void AddHost(const std::string& host) { hosts_[host] = 40000; }
  bool HasHost(const std::string& host) const { return hosts_.contains(host); }
  int NextPort(const std::string& host) {
    int& last = hosts_[host];
    last = last >= 60000 ? 40000 : last + 1;
    return last;
  }

  SimListener* Find(const Endpoint& at) const;
  bool Add(const Endpoint& at, SimListener* listener);  // false if in use
  void Remove(const Endpoint& at, SimListener* listener);

  // A stream is open from now on.
  void AddStream(const std::shared_ptr<Stream>& stream);
  // Does `fault` to a random open stream between two of `hosts`; says which, or "" if there is
  // none.
  std::string Disturb(StreamFault fault, const std::set<std::string>& hosts, Random& random);
  uint64_t cut_frames() const { return cut_frames_; }
  uint64_t flipped_bits() const { return flipped_bits_; }

 private:
  friend class SimConnection;

  Links& links_;
  std::map<std::string, int> hosts_;  // last port given out
  std::map<Endpoint, SimListener*> listeners_;
  std::vector<std::weak_ptr<Stream>> streams_;  // in order of their beginning; some are closed
  uint64_t cut_frames_ = 0;
  uint64_t flipped_bits_ = 0;
};

// The network as one process sees it.
class SimNetwork final : public Network {
 public:
  SimNetwork(Internet& internet, Process& process) : internet_(internet), process_(process) {}

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                   AcceptHandler on_accept) override;
  void Connect(const Endpoint& to, Micros timeout, ConnectHandler done) override;

 private:
  struct Attempt;
  void Arrive(const std::shared_ptr<Attempt>& attempt);

  Internet& internet_;
  Process& process_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate::sim
