#include "broker/control/broker_lifecycle.h"

#include <glog/logging.h>

#include <utility>

#include "base/check.h"
#include "base/fault_point.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

constexpr int kStaleBrokerEpoch = 77;
constexpr int kDuplicateBrokerRegistration = 101;
constexpr int kBrokerIdNotRegistered = 102;
constexpr Micros kRegisterRetry = std::chrono::milliseconds(100);
constexpr Micros kShutdownPoll = std::chrono::milliseconds(50);
constexpr Micros kHeartbeatTimeout = std::chrono::seconds(2);

void Fill(const BrokerListener& from, pb::ListenerEndpoint* to) {
  to->set_name(from.name);
  to->set_host(from.host);
  to->set_port(from.port);
  to->set_security_protocol(from.security_protocol);
}

void FillCaller(const BrokerRegistration& registration, BrokerEpoch epoch, pb::CallerHeader* to) {
  to->set_cluster_id(registration.cluster_id);
  to->set_broker_id(registration.node_id.value());
  to->set_broker_epoch(epoch.value());
}

}  // namespace

BrokerLifecycle::BrokerLifecycle(EventLoop* loop, ControllerChannel* channel,
                                 Micros heartbeat_interval, BrokerRegistration registration,
                                 Observer* observer)
    : loop_(loop),
      channel_(channel),
      heartbeat_interval_(heartbeat_interval),
      registration_(std::move(registration)),
      observer_(observer) {}

BrokerLifecycle::~BrokerLifecycle() { Stop(); }

void BrokerLifecycle::Start() {
  QCHECK(state_ == State::kIdle);
  Register();
}

void BrokerLifecycle::Register() {
  state_ = State::kRegistering;
  pb::RegisterBrokerRequest request;
  FillCaller(registration_, kNoBrokerEpoch, request.mutable_caller());
  request.set_incarnation_id(registration_.incarnation.ToBytes());
  for (const auto& listener : registration_.listeners) Fill(listener, request.add_listeners());
  Fill(registration_.replication_listener, request.mutable_replication_listener());
  request.set_rack(registration_.rack);
  request.set_previous_broker_epoch(registration_.previous_epoch.value());
  for (const Uuid& id : registration_.log_directory_ids) {
    request.add_log_directory_ids(id.ToBytes());
  }
  registering_ = channel_->CallFor<pb::RegisterBrokerResponse>(
      "Controller.RegisterBroker", request, {},
      [this](absl::StatusOr<pb::RegisterBrokerResponse> response) {
        registering_ = ControllerCallId::kNone;
        if (!response.ok() || response->header().error() != 0) {
          const bool duplicate =
              response.ok() && response->header().error() == kDuplicateBrokerRegistration;
          LOG(WARNING) << "registration of broker " << registration_.node_id << " was refused: "
                       << (response.ok() ? response->header().error_message()
                                         : std::string(response.status().message()))
                       << (duplicate ? " (the previous process is still counted as alive)" : "");
          register_timer_ = loop_->RunAfter(kRegisterRetry, [this] {
            register_timer_ = TimerId::kNone;
            Register();
          });
          return;
        }
        epoch_ = BrokerEpoch(response->broker_epoch());
        // A process that registers again still has all it had.
        registration_.previous_epoch = epoch_;
        state_ = State::kRegistered;
        LOG(INFO) << "broker " << registration_.node_id << " is registered with epoch " << epoch_;
        observer_->OnRegistered(epoch_);
        OpenSession();
        Heartbeat();
      });
}

void BrokerLifecycle::OpenSession() {
  pb::SessionRequest request;
  FillCaller(registration_, epoch_, request.mutable_caller());
  ControllerChannel::Options options;
  options.attempt_timeout = Micros::max();
  session_ = channel_->CallFor<pb::SessionResponse>(
      "Controller.Session", request, options, [this](absl::StatusOr<pb::SessionResponse> response) {
        session_ = ControllerCallId::kNone;
        if (response.ok() && HandleStale(response->header())) return;
        // Ended by the controller for another reason: the next heartbeat's answer opens a new one.
      });
}

bool BrokerLifecycle::HandleStale(const pb::ControllerHeader& header) {
  if (header.error() != kStaleBrokerEpoch && header.error() != kBrokerIdNotRegistered) return false;
  if (state_ == State::kShuttingDown) {
    // The controller counts us as gone already.
    loop_->Cancel(std::exchange(shutdown_timer_, TimerId::kNone));
    Stop();
    return true;
  }
  if (state_ != State::kRegistered) return true;
  LOG(WARNING) << "broker epoch " << epoch_ << " is stale (" << header.error_message()
               << "): registering again";
  channel_->Cancel(std::exchange(session_, ControllerCallId::kNone));
  channel_->Cancel(std::exchange(heartbeat_, ControllerCallId::kNone));
  loop_->Cancel(std::exchange(heartbeat_timer_, TimerId::kNone));
  heartbeat_again_ = false;
  if (std::exchange(active_, false)) observer_->OnActive(false);
  Register();
  return true;
}

void BrokerLifecycle::ScheduleHeartbeat(Micros wait) {
  loop_->Cancel(heartbeat_timer_);
  if (BUGGIFY("broker.heartbeat_soon", 0.2)) wait = Millis(1);
  if (BUGGIFY("broker.heartbeat_late", 0.02)) wait = wait * 3;
  heartbeat_timer_ = loop_->RunAfter(wait, [this] {
    heartbeat_timer_ = TimerId::kNone;
    Heartbeat();
  });
}

void BrokerLifecycle::Heartbeat() {
  if (state_ != State::kRegistered && state_ != State::kShuttingDown) return;
  if (heartbeat_ != ControllerCallId::kNone) {
    heartbeat_again_ = true;
    return;
  }
  heartbeat_again_ = false;
  loop_->Cancel(std::exchange(heartbeat_timer_, TimerId::kNone));
  if (BUGGIFY("broker.drop_session", 0.02)) {
    channel_->Cancel(std::exchange(session_, ControllerCallId::kNone));
  }
  pb::HeartbeatRequest request;
  FillCaller(registration_, epoch_, request.mutable_caller());
  request.set_applied_index(applied_.value());
  request.set_want_shutdown(state_ == State::kShuttingDown);
  ControllerChannel::Options options;
  options.deadline = loop_->Now() + kHeartbeatTimeout;
  heartbeat_ = channel_->CallFor<pb::HeartbeatResponse>(
      "Controller.Heartbeat", request, options,
      [this](absl::StatusOr<pb::HeartbeatResponse> response) {
        heartbeat_ = ControllerCallId::kNone;
        if (response.ok() && HandleStale(response->header())) return;
        if (!response.ok() && state_ == State::kShuttingDown) {
          // Most likely the whole cluster stops, and a majority of the controllers has gone.
          LOG(WARNING) << "stopping without handing leaders over: " << response.status();
          return Stop();
        }
        if (response.ok() && response->header().error() == 0) {
          if (state_ == State::kShuttingDown && response->should_shutdown()) return Stop();
          if (session_ == ControllerCallId::kNone) OpenSession();
        }
        if (heartbeat_again_) {
          Heartbeat();
        } else {
          ScheduleHeartbeat(state_ == State::kShuttingDown ? kShutdownPoll : heartbeat_interval_);
        }
      });
}

void BrokerLifecycle::OnImage(const MetadataImage& image) {
  applied_ = image.index();
  if (epoch_ == kNoBrokerEpoch || state_ == State::kStopped) return;
  const BrokerImage* self = image.FindBroker(registration_.node_id);
  const bool is_ours = self != nullptr && self->epoch == epoch_;
  const bool active = is_ours && !self->fenced && state_ != State::kRegistering;
  if (active != active_) {
    active_ = active;
    LOG(INFO) << "broker " << registration_.node_id << (active ? " is active" : " is fenced");
    observer_->OnActive(active);
  }
  // The controller unfences us once it knows that we have applied our own registration.
  if (is_ours && self->fenced) Heartbeat();
}

void BrokerLifecycle::Shutdown(Micros bound, Task done) {
  QCHECK(!stopped_);
  stopped_ = std::move(done);
  if (state_ != State::kRegistered) {
    Stop();
    return;
  }
  state_ = State::kShuttingDown;
  shutdown_timer_ = loop_->RunAfter(bound, [this] {
    shutdown_timer_ = TimerId::kNone;
    LOG(WARNING) << "controlled shutdown took too long; leaders that are left here fail over";
    Stop();
  });
  Heartbeat();
}

void BrokerLifecycle::Stop() {
  state_ = State::kStopped;
  channel_->Cancel(std::exchange(registering_, ControllerCallId::kNone));
  channel_->Cancel(std::exchange(session_, ControllerCallId::kNone));
  channel_->Cancel(std::exchange(heartbeat_, ControllerCallId::kNone));
  for (TimerId* timer : {&heartbeat_timer_, &register_timer_, &shutdown_timer_}) {
    loop_->Cancel(std::exchange(*timer, TimerId::kNone));
  }
  if (stopped_) loop_->Post(std::exchange(stopped_, nullptr));
}

}  // namespace quorate
