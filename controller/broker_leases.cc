#include "controller/broker_leases.h"

#include <utility>

#include "base/fault_point.h"
#include "proto/kafka/error.h"

namespace quorate {

BrokerLeases::BrokerLeases(EventLoop* loop, Micros lease, Micros session_grace, OnLost on_lost,
                           SessionAnswer session_answer)
    : loop_(loop),
      lease_(lease),
      session_grace_(session_grace),
      on_lost_(std::move(on_lost)),
      session_answer_(std::move(session_answer)),
      alive_(std::make_shared<bool>(true)) {}

BrokerLeases::~BrokerLeases() { *alive_ = false; }

void BrokerLeases::Touch(NodeId broker, BrokerEpoch epoch) {
  if (Entry* entry = Extend(broker, epoch, lease_)) entry->heard = true;
}

void BrokerLeases::Presume(NodeId broker, BrokerEpoch epoch, Micros lease, Micros believed) {
  if (Entry* entry = Extend(broker, epoch, lease)) {
    entry->believed_until = loop_->Now() + believed;
  }
}

BrokerLeases::Entry* BrokerLeases::Extend(NodeId broker, BrokerEpoch epoch, Micros lease) {
  Entry& entry = entries_[broker];
  if (epoch < entry.epoch) return nullptr;
  if (epoch > entry.epoch) {
    CancelTimers(&entry);
    if (entry.session != nullptr) {
      entry.session->Reply(session_answer_(kafka::Code(kafka::KafkaError::kStaleBrokerEpoch),
                                           "the broker registered again"));
    }
    entry = Entry();
    entry.epoch = epoch;
  }
  entry.broken = false;
  entry.lease_running = true;
  entry.lease_until = loop_->Now() + lease;
  loop_->Cancel(std::exchange(entry.grace_timer, TimerId::kNone));
  if (entry.lease_timer == TimerId::kNone) ArmLease(broker, &entry, lease);
  return &entry;
}

void BrokerLeases::ArmLease(NodeId broker, Entry* entry, Micros wait) {
  const MonoTime due = loop_->Now() + wait;
  entry->lease_timer = loop_->RunAfter(wait, [this, alive = alive_, broker, due] {
    if (*alive) LeaseTimer(broker, due);
  });
}

void BrokerLeases::LeaseTimer(NodeId broker, MonoTime due) {
  auto it = entries_.find(broker);
  if (it == entries_.end()) return;
  Entry& entry = it->second;
  entry.lease_timer = TimerId::kNone;
  const MonoTime now = loop_->Now();
  // A loop that was held up has messages of the broker still in its queue: they get their chance
  // first (scenario F2).
  if (now - due > lease_ / 4) entry.lease_until = std::max(entry.lease_until, now + lease_ / 4);
  if (now < entry.lease_until) {
    ArmLease(broker, &entry, entry.lease_until - now);
    return;
  }
  entry.lease_running = false;
  on_lost_(broker, entry.epoch, Reason::kLeaseExpired);
}

void BrokerLeases::OpenSession(NodeId broker, BrokerEpoch epoch, std::unique_ptr<RpcCall> call) {
  Touch(broker, epoch);
  Entry& entry = entries_[broker];
  if (entry.session != nullptr) {
    entry.session->Reply(session_answer_(kafka::Code(kafka::KafkaError::kNone), ""));
  }
  if (BUGGIFY("controller.end_session_at_once", 0.05)) {
    entry.session = nullptr;
    return call->Reply(session_answer_(kafka::Code(kafka::KafkaError::kNone), ""));
  }
  const uint64_t id = next_session_id_++;
  entry.session_id = id;
  entry.session = std::move(call);
  entry.session->OnBroken([this, alive = alive_, broker, id] {
    if (*alive) SessionBroken(broker, id);
  });
}

void BrokerLeases::SessionBroken(NodeId broker, uint64_t session_id) {
  auto it = entries_.find(broker);
  if (it == entries_.end() || it->second.session_id != session_id) return;
  Entry& entry = it->second;
  // This runs inside the call's own callback: the call is destroyed by a task of its own.
  loop_->Post([call = std::move(entry.session)] {});
  entry.session_id = 0;
  entry.broken = true;
  loop_->Cancel(entry.grace_timer);
  const Micros grace = BUGGIFY("controller.no_session_grace", 0.2) ? Micros(0) : session_grace_;
  entry.grace_timer = loop_->RunAfter(grace, [this, alive = alive_, broker] {
    if (*alive) GraceOver(broker);
  });
}

void BrokerLeases::GraceOver(NodeId broker) {
  auto it = entries_.find(broker);
  if (it == entries_.end()) return;
  it->second.grace_timer = TimerId::kNone;
  if (it->second.broken) on_lost_(broker, it->second.epoch, Reason::kSessionBroken);
}

bool BrokerLeases::IsAlive(NodeId broker, BrokerEpoch epoch) const {
  auto it = entries_.find(broker);
  if (it == entries_.end() || it->second.epoch != epoch) return false;
  const Entry& entry = it->second;
  return entry.lease_running && !entry.broken &&
         (entry.heard || loop_->Now() < entry.believed_until);
}

bool BrokerLeases::HasSession(NodeId broker) const {
  auto it = entries_.find(broker);
  return it != entries_.end() && it->second.session != nullptr;
}

void BrokerLeases::CancelTimers(Entry* entry) {
  loop_->Cancel(std::exchange(entry->lease_timer, TimerId::kNone));
  loop_->Cancel(std::exchange(entry->grace_timer, TimerId::kNone));
}

void BrokerLeases::Clear(int error, const std::string& message) {
  std::map<NodeId, Entry> entries = std::exchange(entries_, {});
  for (auto& [broker, entry] : entries) {
    CancelTimers(&entry);
    if (entry.session != nullptr) entry.session->Reply(session_answer_(error, message));
  }
}

}  // namespace quorate
