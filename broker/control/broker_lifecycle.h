// broker/control/broker_lifecycle.h
//
// BrokerLifecycle keeps this broker registered with the active controller:
//
//   registering -> fenced -> active -> shutting down -> stopped
//        ^------------+---------+        (the epoch went stale: register again)
//
// While registered it holds a session (a parked call, whose break tells the controller of our death
// at once) and sends heartbeats (which carry how far we have applied the metadata log, and renew
// the lease that covers a silent hang). It is active once its own image shows it unfenced.
//
// Thread-compatible: owned by the broker's loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "base/ids.h"
#include "base/task.h"
#include "base/uuid.h"
#include "broker/control/controller_channel.h"
#include "controller/image/metadata_image.h"

namespace quorate {

namespace pb {
class ControllerHeader;
}  // namespace pb

// What a broker registers with.
struct BrokerRegistration {
  NodeId node_id{0};
  std::string cluster_id;
  Uuid incarnation;  // fresh for every process
  std::vector<BrokerListener> listeners;
  BrokerListener replication_listener;
  std::string rack;
  BrokerEpoch previous_epoch = kNoBrokerEpoch;  // of the last run if it stopped cleanly
  std::vector<Uuid> log_directory_ids;
};

class BrokerLifecycle {
 public:
  // Hears of changes.
  class Observer {
   public:
    virtual ~Observer() = default;
    // Registered (again): messages carry this epoch from now on.
    virtual void OnRegistered(BrokerEpoch epoch) = 0;
    // The image shows this broker unfenced under its current epoch; or no longer so.
    virtual void OnActive(bool active) = 0;
  };

  BrokerLifecycle(EventLoop* loop, ControllerChannel* channel, Micros heartbeat_interval,
                  BrokerRegistration registration, Observer* observer);
  ~BrokerLifecycle();
  BrokerLifecycle(const BrokerLifecycle&) = delete;
  BrokerLifecycle& operator=(const BrokerLifecycle&) = delete;

  // Begins to register; goes on for ever.
  void Start();

  // The broker has applied `image`.
  void OnImage(const MetadataImage& image);

  // Asks the controller to move leaders away, waits until it agrees that nothing is left, at most
  // `bound`, and not for controllers that have not answered for 2 s; then ends session and
  // heartbeats and runs `done` (later, on the loop).
  void Shutdown(Micros bound, Task done);

  BrokerEpoch epoch() const { return epoch_; }  // kNoBrokerEpoch until registered
  const Uuid& incarnation() const { return registration_.incarnation; }
  bool active() const { return active_; }

 private:
  enum class State { kIdle, kRegistering, kRegistered, kShuttingDown, kStopped };

  void Register();
  void OpenSession();
  // Sends one now, or right after the one under way.
  void Heartbeat();
  void ScheduleHeartbeat(Micros wait);
  // True if the answer says that our epoch is no longer ours; then we register again.
  bool HandleStale(const pb::ControllerHeader& header);
  void Stop();

  EventLoop* const loop_;
  ControllerChannel* const channel_;
  const Micros heartbeat_interval_;
  BrokerRegistration registration_;
  Observer* const observer_;

  State state_ = State::kIdle;
  BrokerEpoch epoch_ = kNoBrokerEpoch;
  bool active_ = false;
  LogIndex applied_{0};  // index of the newest image

  ControllerCallId registering_ = ControllerCallId::kNone;
  ControllerCallId session_ = ControllerCallId::kNone;
  ControllerCallId heartbeat_ = ControllerCallId::kNone;
  bool heartbeat_again_ = false;
  TimerId heartbeat_timer_ = TimerId::kNone;
  TimerId register_timer_ = TimerId::kNone;
  TimerId shutdown_timer_ = TimerId::kNone;
  Task stopped_;
};

}  // namespace quorate
