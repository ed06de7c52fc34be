#include "broker/replica/partition.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "broker/replica/fetch_purgatory.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

// After a flush that failed for lack of space.
constexpr Micros kFlushRepeat = std::chrono::milliseconds(200);
constexpr Micros kIsrBackoffMin = std::chrono::milliseconds(50);
constexpr Micros kIsrBackoffMax = std::chrono::seconds(1);

}  // namespace

Partition::Partition(std::shared_ptr<PartitionEnv> env, LogName name, ReplicaConfig config)
    : env_(std::move(env)),
      name_(std::move(name)),
      id_{name_.topic_id, name_.partition},
      config_(config) {
  state_.leader_epoch = kNoLeaderEpoch;
}

Partition::~Partition() {
  if (env_->alive) CancelTimers();
}

void Partition::CancelTimers() {
  for (TimerId* timer : {&ack_timer_, &lag_timer_, &isr_timer_}) {
    env_->loop->Cancel(*timer);
    *timer = TimerId::kNone;
  }
}

void Partition::StartOpen() {
  opening_ = true;
  env_->logs->Open(name_, config_.log,
                   [self = shared_from_this()](absl::StatusOr<LogManager::Opened> opened) {
                     if (self->env_->alive) self->OnOpened(std::move(opened));
                   });
}

void Partition::OnOpened(absl::StatusOr<LogManager::Opened> opened) {
  opening_ = false;
  if (opened.ok()) {
    log_ = std::move(opened->log);
    directory_ = opened->directory;
    high_watermark_ = opened->high_watermark;
    // As if its checkpoint were an old one.
    if (BUGGIFY("broker.high_watermark_forgotten", 0.3)) high_watermark_ = log_->log_start_offset();
    log_->UpdateConfig(config_.log);
    role_ = Role::kNone;
  } else {
    directory_ = env_->logs->DirectoryOf(name_);
  }
  if (retired_) {
    MaybeFinishRetiring();
    return;
  }
  if (!opened.ok()) {
    damaged_ = absl::IsDataLoss(opened.status());
    GoOffline(opened.status());
    MaybeFetchAnew();
    return;
  }
  TakeRole();
}

void Partition::Apply(const PartitionState& state) {
  if (retired_ || state.leader_epoch < state_.leader_epoch) return;
  if (state.leader_epoch == state_.leader_epoch && state.partition_epoch < state_.partition_epoch) {
    return;
  }
  const bool new_epoch = state.leader_epoch != taken_epoch_;
  state_ = state;
  if (role_ == Role::kOffline) MaybeFetchAnew();
  if (role_ == Role::kOpening || role_ == Role::kOffline) return;
  if (new_epoch) {
    TakeRole();
  } else if (leader_.has_value()) {
    const size_t before = leader_->isr().size();
    leader_->Update(state_, env_->loop->Now());
    CountIsrChange(before);
    OnIsrChanged();
  }
}

void Partition::TakeRole() {
  if (state_.leader_epoch == kNoLeaderEpoch) return;
  taken_epoch_ = state_.leader_epoch;
  if (state_.leader == env_->broker) {
    BecomeLeader();
  } else {
    BecomeFollower();
  }
}

void Partition::BecomeLeader() {
  const std::optional<LeaderEpoch> latest = log_->latest_epoch();
  if (latest.has_value() && *latest > state_.leader_epoch) {
    GoOffline(absl::DataLossError(
        absl::StrFormat("%s: the log has leader epoch %d, newer than %d of the metadata",
                        name_.DirectoryName(), latest->value(), state_.leader_epoch.value())));
    return;
  }
  const bool was_following = role_ == Role::kFollower;
  role_ = Role::kLeader;
  if (was_following) env_->events->OnFollowingChanged(this);
  if (env_->bugs.epoch_begins_at_high_watermark) {
    log_->MisassignEpoch(state_.leader_epoch, high_watermark_);
  } else {
    log_->AssignEpoch(state_.leader_epoch);
  }
  leader_.emplace(env_->broker, id_, state_, log_->end_offset(), high_watermark_, env_->lag_max,
                  env_->loop->Now(), env_->bugs);
  isr_backoff_ = Micros(0);
  FAILPOINT("broker.becomes_leader");
  LOG(INFO) << name_.DirectoryName() << ": leads epoch " << state_.leader_epoch << " from offset "
            << log_->end_offset() << ", high watermark " << high_watermark_;
  env_->events->OnBecomeLeader(this);
  if (config_.flush_before_ack) StartFlush();
  AdvanceHighWatermark();
  OnIsrChanged();
  WakeAll();
  if (!appends_.empty()) ScheduleDrain();
}

void Partition::BecomeFollower() {
  if (role_ == Role::kLeader) StopLeading();
  role_ = Role::kFollower;
  LOG(INFO) << name_.DirectoryName() << ": follows " << state_.leader << " in epoch "
            << state_.leader_epoch << " from offset " << log_->end_offset() << ", high watermark "
            << high_watermark_;
  if (env_->bugs.skip_check_of_same_leader) compares_epochs_ = followed_ != state_.leader;
  followed_ = state_.leader;
  if (env_->bugs.truncate_to_own_high_watermark && high_watermark_ < log_->end_offset()) {
    TruncateTo(high_watermark_, false);
  }
  env_->events->OnFollowingChanged(this);
  WakeAll();
  if (!appends_.empty()) ScheduleDrain();
}

void Partition::StopLeading() {
  QCHECK(leader_.has_value());
  leader_.reset();
  role_ = Role::kNone;
  for (TimerId* timer : {&lag_timer_, &isr_timer_}) {
    env_->loop->Cancel(*timer);
    *timer = TimerId::kNone;
  }
  FailWaiters(KafkaStatus(KafkaError::kNotLeaderOrFollower));
  env_->events->OnStopLeading(this);
}

void Partition::UpdateConfig(const ReplicaConfig& config) {
  config_ = config;
  if (log_ == nullptr) return;
  log_->UpdateConfig(config_.log);
  if (!leader_.has_value()) return;
  if (config_.flush_before_ack) StartFlush();
  AdvanceHighWatermark();
  OnIsrChanged();
}

void Partition::Retire(absl::AnyInvocable<void(std::unique_ptr<Log>)> done) {
  retire_done_ = std::move(done);
  retired_ = true;
  const Role role = role_;
  if (role == Role::kLeader) StopLeading();
  role_ = Role::kNone;
  if (role == Role::kFollower) env_->events->OnFollowingChanged(this);
  for (PendingAppend& append : std::exchange(appends_, {})) {
    append.done(Refusal(KafkaStatus(KafkaError::kNotLeaderOrFollower)));
  }
  WakeAll();
  MaybeFinishRetiring();
}

void Partition::MaybeFinishRetiring() {
  if (!retire_done_ || opening_ || flushing_) return;
  auto done = std::exchange(retire_done_, nullptr);
  for (auto& waiter : std::exchange(flush_waiters_, {})) waiter.second();
  done(std::move(log_));
}

void Partition::GoOffline(const absl::Status& why) {
  if (role_ == Role::kOffline || retired_) return;
  LOG(ERROR) << name_.DirectoryName() << ": offline: " << why;
  const Role role = role_;
  offline_why_ = why;
  if (role == Role::kLeader) StopLeading();
  role_ = Role::kOffline;
  if (role == Role::kFollower) env_->events->OnFollowingChanged(this);
  for (PendingAppend& append : std::exchange(appends_, {})) {
    append.done(Refusal(KafkaStatus(KafkaError::kKafkaStorageError)));
  }
  for (auto& waiter : std::exchange(flush_waiters_, {})) waiter.second();
  WakeAll();
}

void Partition::MaybeFetchAnew() {
  if (role_ != Role::kOffline || !damaged_ || retired_) return;
  if (state_.leader == kNoNode || state_.leader == env_->broker) return;
  // The image knows of this process' registration, which an unclean stop takes out of both; no
  // answer to an earlier one's fetches can bring it back (scenario B5).
  if (Contains(state_.isr, env_->broker) || Contains(state_.elr, env_->broker)) return;
  damaged_ = false;
  fetched_anew_ = true;
  role_ = Role::kOpening;
  env_->logs->SetAsideDamaged(name_);
  StartOpen();
}

void Partition::CheckLog() {
  if (failure_told_ || log_ == nullptr || log_->failure().ok()) return;
  failure_told_ = true;
  env_->events->OnLogFailed(this, log_->failure());
}

void Partition::StartFlush() {
  if (flushing_ || log_ == nullptr || !log_->failure().ok() || !log_->needs_flush()) return;
  flushing_ = true;
  struct Done {
    std::shared_ptr<FlushJob> job;
    absl::Status status;
  };
  env_->pool->RunThen(
      env_->loop,
      [job = std::make_shared<FlushJob>(log_->PrepareFlush())] {
        absl::Status status = job->Run();
        return Done{job, std::move(status)};
      },
      [self = shared_from_this()](Done done) {
        if (self->env_->alive) self->OnFlushed(*done.job, done.status);
      });
}

void Partition::OnFlushed(const FlushJob& job, const absl::Status& status) {
  flushing_ = false;
  FAILPOINT("broker.after_flush");
  log_->CompleteFlush(job, status);
  if (retired_) {
    MaybeFinishRetiring();
    return;
  }
  if (!status.ok() && log_->failure().ok()) {
    // The records are flushed, for what lies beside them there was no space: until there is, nobody
    // is told of it (scenario G4).
    env_->loop->RunAfter(kFlushRepeat, [weak = weak_from_this()] {
      const std::shared_ptr<Partition> self = weak.lock();
      if (self == nullptr || !self->env_->alive || self->retired_) return;
      if (self->role_ != Role::kOffline) self->StartFlush();
    });
    return;
  }
  if (!status.ok()) {
    CheckLog();
    GoOffline(status);
    return;
  }
  env_->logs->MarkDirty(shared_from_this());
  const Offset flushed = log_->flushed_end_offset();
  bool wanted = leader_.has_value() && config_.flush_before_ack;
  std::vector<std::pair<Offset, Task>> waiters = std::exchange(flush_waiters_, {});
  std::vector<Task> ready;
  for (auto& waiter : waiters) {
    if (waiter.first <= flushed || flushed >= log_->end_offset() || role_ != Role::kFollower) {
      ready.push_back(std::move(waiter.second));
    } else {
      flush_waiters_.push_back(std::move(waiter));
    }
  }
  wanted = wanted || !flush_waiters_.empty();
  if (wanted) StartFlush();
  AdvanceHighWatermark();
  for (Task& task : ready) task();
}

void Partition::AdvanceHighWatermark() {
  if (!leader_.has_value()) return;
  const Offset own = config_.flush_before_ack ? log_->flushed_end_offset() : log_->end_offset();
  if (leader_->AdvanceHighWatermark(own, log_->end_offset(), config_.min_isr, env_->loop->Now(),
                                    env_->brokers)) {
    SetHighWatermark(leader_->high_watermark());
  }
}

void Partition::SetHighWatermark(Offset high_watermark) {
  FAILPOINT("broker.high_watermark_rises");
  high_watermark_ = high_watermark;
  env_->logs->MarkDirty(shared_from_this());
  env_->events->OnHighWatermarkMoved(this);
  WakeForHighWatermark();
  AckUpTo(high_watermark);
}

void Partition::TryPropose() {
  if (!leader_.has_value()) return;
  auto proposal = leader_->MaybePropose(log_->end_offset(), env_->loop->Now(), env_->brokers);
  if (proposal.has_value()) Submit(*proposal);
}

void Partition::Submit(const IsrProposal& proposal) {
  env_->isr_updater->Submit(proposal, [weak = weak_from_this(), proposal](const IsrOutcome& out) {
    const auto self = weak.lock();
    if (self != nullptr && self->Current(proposal.leader_epoch, Role::kLeader)) {
      self->OnIsrOutcome(proposal, out);
    }
  });
}

void Partition::OnIsrOutcome(const IsrProposal& proposal, const IsrOutcome& told) {
  FAILPOINT("broker.isr_answer");
  const size_t before = leader_->isr().size();
  IsrOutcome outcome = told;
  if (BUGGIFY("broker.lose_isr_answer", 0.1)) {
    outcome.status = absl::UnavailableError("the answer was lost");
  }
  switch (leader_->OnOutcome(proposal, outcome, env_->loop->Now())) {
    case ProposalFate::kCommitted:
      isr_backoff_ = Micros(0);
      CountIsrChange(before);
      OnIsrChanged();
      return;
    case ProposalFate::kRefused:
      env_->failed_isr_updates += !outcome.status.ok();
      RetryIsrLater(kIsrBackoffMax);
      return;
    case ProposalFate::kUnknown:
      ++env_->failed_isr_updates;
      isr_backoff_ = std::clamp(isr_backoff_ * 2, kIsrBackoffMin, kIsrBackoffMax);
      RetryIsrLater(isr_backoff_);
      return;
  }
}

void Partition::CountIsrChange(size_t before) {
  env_->isr_shrinks += leader_->isr().size() < before;
  env_->isr_expands += leader_->isr().size() > before;
}

void Partition::RetryIsrLater(Micros delay) {
  if (isr_timer_ != TimerId::kNone) return;
  isr_timer_ = env_->loop->RunAfter(delay, [this] {
    isr_timer_ = TimerId::kNone;
    if (!leader_.has_value()) return;
    if (leader_->pending().has_value()) {
      Submit(*leader_->pending());
    } else {
      TryPropose();
      ArmLagTimer();
    }
  });
}

void Partition::OnIsrChanged() {
  if (!leader_.has_value()) return;
  if (!leader_->HasMinIsr(config_.min_isr) && !env_->bugs.ignore_min_isr) {
    FailWaiters(KafkaStatus(KafkaError::kNotEnoughReplicasAfterAppend));
  }
  AdvanceHighWatermark();
  TryPropose();
  ArmLagTimer();
}

void Partition::ArmLagTimer() {
  if (lag_timer_ != TimerId::kNone || !leader_.has_value() || leader_->pending().has_value()) {
    return;
  }
  if (isr_timer_ != TimerId::kNone) return;
  const MonoTime now = env_->loop->Now();
  const std::optional<MonoTime> due = leader_->NextLagCheck(log_->end_offset(), now);
  if (!due.has_value()) return;
  Micros delay = std::max(*due - now, Micros(0));
  if (BUGGIFY("broker.check_lag_early", 0.05)) delay = Millis(1);
  lag_timer_ = env_->loop->RunAfter(delay, [this] {
    lag_timer_ = TimerId::kNone;
    AdvanceHighWatermark();
    TryPropose();
    ArmLagTimer();
  });
}

std::optional<PartitionPositions> Partition::Positions() const {
  if (log_ == nullptr) return std::nullopt;
  PartitionPositions positions;
  positions.is_leader = role_ == Role::kLeader;
  positions.leader_epoch = state_.leader_epoch;
  positions.log_start_offset = log_->log_start_offset();
  positions.high_watermark = high_watermark_;
  positions.last_stable_offset = log_->LastStableOffset(high_watermark_);
  positions.flushed_end_offset = log_->flushed_end_offset();
  positions.end_offset = log_->end_offset();
  return positions;
}

std::optional<LogPositions> Partition::CheckpointPositions() const {
  if (log_ == nullptr) return std::nullopt;
  LogPositions positions;
  positions.recovery_point = log_->flushed_end_offset();
  positions.high_watermark = high_watermark_;
  positions.log_start = log_->checkpointable_log_start();
  positions.truncation_count = log_->truncation_count();
  return positions;
}

void Partition::OnCheckpointed(uint64_t truncation_count) {
  if (env_->alive && log_ != nullptr && !retired_)
    log_->RecoveryPointCheckpointed(truncation_count);
}

void Partition::RunRetention() {
  if (log_ == nullptr || role_ == Role::kOffline || retired_ || !log_->failure().ok()) return;
  const WallMillis now = env_->loop->clock().WallNow();
  RetentionPolicy policy;
  policy.retention_ms = config_.retention_ms;
  policy.retention_bytes = config_.retention_bytes;
  policy.bound = high_watermark_;
  log_->ExpireProducers(now);
  absl::StatusOr<RemovalJob> job = log_->DeleteOldSegments(policy, now);
  if (!job.ok()) {
    LOG(ERROR) << name_.DirectoryName() << ": retention: " << job.status();
    CheckLog();
    return;
  }
  if (job->empty()) return;
  env_->logs->MarkDirty(shared_from_this());
  env_->pool->Run([job = *std::move(job), name = name_.DirectoryName()] {
    const absl::Status status = job.Run();
    if (!status.ok()) LOG(WARNING) << name << ": old segments not removed: " << status;
  });
}

}  // namespace quorate
