// controller/broker_leases.h
//
// BrokerLeases knows which brokers are in touch with this controller right now: each has a lease,
// renewed by every message of its registration, and usually a session, a parked call whose break
// tells of the process' death at once (decision D14). Nothing of it is logged; a new active
// controller starts with a full lease for every unfenced broker.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/ids.h"
#include "base/rpc.h"

namespace quorate {

class BrokerLeases {
 public:
  enum class Reason { kSessionBroken, kLeaseExpired };
  // The registration (broker, epoch) is out of touch. Called from a timer.
  using OnLost = std::function<void(NodeId, BrokerEpoch, Reason)>;
  // A serialised SessionResponse with this Kafka error code.
  using SessionAnswer = std::function<std::string(int error, const std::string& message)>;

  BrokerLeases(EventLoop* loop, Micros lease, Micros session_grace, OnLost on_lost,
               SessionAnswer session_answer);
  ~BrokerLeases();
  BrokerLeases(const BrokerLeases&) = delete;
  BrokerLeases& operator=(const BrokerLeases&) = delete;

  // A message of this registration came: its lease starts anew, a broken session is forgiven. A
  // newer registration than the known one takes its place; a session of the old one is ended with
  // STALE_BROKER_EPOCH.
  void Touch(NodeId broker, BrokerEpoch epoch);
  // No message came, but the registration gets a lease all the same: this controller has just
  // become active. For `believed` of it IsAlive takes it for alive unheard.
  void Presume(NodeId broker, BrokerEpoch epoch, Micros lease, Micros believed);

  // `call` stands for the process from now on. An older session of the same registration is
  // answered without an error.
  void OpenSession(NodeId broker, BrokerEpoch epoch, std::unique_ptr<RpcCall> call);

  // In touch: the lease runs, a message came or it is still believed without one, and no session
  // broke without being forgiven.
  bool IsAlive(NodeId broker, BrokerEpoch epoch) const;
  bool HasSession(NodeId broker) const;

  // The controller is not active any more: ends every session with this error, forgets everything.
  void Clear(int error, const std::string& message);

 private:
  struct Entry {
    BrokerEpoch epoch = kNoBrokerEpoch;
    MonoTime lease_until;
    bool lease_running = false;
    bool broken = false;      // the session broke, and no message came since
    bool heard = false;       // of this registration, by this controller
    MonoTime believed_until;  // alive until then though not heard
    uint64_t session_id = 0;  // of `session`; 0 = none
    std::unique_ptr<RpcCall> session;
    TimerId lease_timer = TimerId::kNone;
    TimerId grace_timer = TimerId::kNone;
  };

  // Null if `epoch` is not the newest.
  Entry* Extend(NodeId broker, BrokerEpoch epoch, Micros lease);
  void ArmLease(NodeId broker, Entry* entry, Micros wait);
  void LeaseTimer(NodeId broker, MonoTime due);
  void SessionBroken(NodeId broker, uint64_t session_id);
  void GraceOver(NodeId broker);
  void CancelTimers(Entry* entry);

  EventLoop* const loop_;
  const Micros lease_;
  const Micros session_grace_;
  const OnLost on_lost_;
  const SessionAnswer session_answer_;
  std::map<NodeId, Entry> entries_;
  uint64_t next_session_id_ = 1;
  std::shared_ptr<bool> alive_;  // false once destroyed, for timers and calls still under way
};

}  // namespace quorate
