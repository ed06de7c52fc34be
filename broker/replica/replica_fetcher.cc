#include "broker/replica/replica_fetcher.h"

#include <glog/logging.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/fault_point.h"
#include "proto/kafka/header.h"
#include "proto/kafka/messages/fetch.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::FetchRequest;
using kafka::FetchResponse;
using kafka::KafkaError;
using kafka::KafkaStatus;

constexpr int16_t kFetchVersion = 18;
// Beside the records: headers of partitions; and the one batch that may exceed all limits.
constexpr int32_t kFrameSlack = 64 << 20;
constexpr Micros kConnectTimeout = std::chrono::seconds(5);

FetchRequest::FetchPartition ToWire(const FetchPartition& fetch) {
  FetchRequest::FetchPartition out;
  out.partition = fetch.partition.partition.value();
  out.current_leader_epoch = fetch.current_leader_epoch.value();
  out.fetch_offset = fetch.fetch_offset.value();
  out.last_fetched_epoch = fetch.last_fetched_epoch.value();
  out.log_start_offset = fetch.log_start_offset.value();
  out.partition_max_bytes = fetch.max_bytes;
  out.high_watermark = fetch.high_watermark.value();
  return out;
}

Partition::Answer FromWire(const FetchResponse::PartitionData& wire) {
  Partition::Answer answer;
  if (wire.error_code != 0) answer.status = KafkaStatus(static_cast<KafkaError>(wire.error_code));
  answer.high_watermark = Offset(wire.high_watermark);
  answer.log_start_offset = Offset(wire.log_start_offset);
  if (wire.diverging_epoch.epoch >= 0) {
    answer.diverging = EpochEndOffset{LeaderEpoch(wire.diverging_epoch.epoch),
                                      Offset(wire.diverging_epoch.end_offset)};
  }
  if (!wire.records.empty()) answer.records = wire.records.bytes();
  return answer;
}

}  // namespace

ReplicaFetcher::ReplicaFetcher(const FetcherEnv* env, NodeId leader) : env_(env), leader_(leader) {}

ReplicaFetcher::~ReplicaFetcher() {
  *alive_ = false;
  for (const TimerId timer : {connect_timer_, retry_timer_}) env_->loop->Cancel(timer);
}

void ReplicaFetcher::SetEndpoint(const std::optional<Endpoint>& endpoint) {
  if (endpoint == endpoint_) return;
  endpoint_ = endpoint;
  connect_backoff_ = Micros(0);
  env_->loop->Cancel(connect_timer_);
  connect_timer_ = TimerId::kNone;
  Disconnect();
  ScheduleSend();
}

void ReplicaFetcher::Add(const std::shared_ptr<Partition>& partition) {
  Entry& entry = entries_[partition->id()];
  entry.partition = partition;
  entry.backoff = Micros(0);
  entry.retry_at = MonoTime();
  touched_.insert(partition->id());
  ScheduleSend();
}

void ReplicaFetcher::Remove(const TopicPartition& partition) {
  const auto entry = entries_.find(partition);
  if (entry == entries_.end()) return;
  if (env_->bugs.accept_answer_after_leaving) left_[partition] = entry->second.partition;
  entries_.erase(entry);
  touched_.insert(partition);
  flushing_.erase(partition);
  ScheduleSend();
}

void ReplicaFetcher::ScheduleSend() {
  if (send_posted_) return;
  send_posted_ = true;
  env_->loop->Post([alive = alive_, this] {
    if (!*alive) return;
    send_posted_ = false;
    MaybeSend();
  });
}

void ReplicaFetcher::MaybeSend() {
  if (connection_ == nullptr) {
    Connect();
    return;
  }
  if (in_flight_.empty() && BUGGIFY("fetcher.forget_session", 0.01)) ResetSession();
  if (in_flight_.size() > 1 || WaitForFlushes()) return;
  // A second request is possible only within a session.
  if (!in_flight_.empty() && session_id_ == 0) return;
  bool urgent = false;
  const auto touched = touched_;
  InFlight request = Collect(&urgent);
  if (!in_flight_.empty() && !urgent) {
    touched_ = touched;
    return;
  }
  for (const TopicPartition& id : request.forgotten) sent_.erase(id);
  for (const auto& [id, fetch] : request.changed) sent_[id] = fetch;
  if (sent_.empty()) {  // nothing to fetch now; a later request starts a new session
    ResetSession();
    return;
  }
  Send(std::move(request));
}

bool ReplicaFetcher::WaitForFlushes() {
  for (const TopicPartition& id : touched_) {
    const auto it = entries_.find(id);
    if (it == entries_.end() || it->second.flushing) continue;
    it->second.flushing = it->second.partition->FlushForFetch([alive = alive_, this, id] {
      if (!*alive) return;
      flushing_.erase(id);
      const auto entry = entries_.find(id);
      if (entry != entries_.end()) entry->second.flushing = false;
      touched_.insert(id);
      ScheduleSend();
    });
    if (it->second.flushing && sent_.count(id) != 0) flushing_.insert(id);
  }
  return !flushing_.empty();
}

ReplicaFetcher::InFlight ReplicaFetcher::Collect(bool* urgent) {
  InFlight request;
  const MonoTime now = env_->loop->Now();
  std::optional<MonoTime> retry;
  for (const TopicPartition& id : std::exchange(touched_, {})) {
    const auto entry = entries_.find(id);
    const auto sent = sent_.find(id);
    std::optional<FetchPartition> fetch;
    if (entry != entries_.end() && !entry->second.flushing) {
      if (entry->second.retry_at > now) {
        touched_.insert(id);
        retry = std::min(retry.value_or(entry->second.retry_at), entry->second.retry_at);
      } else {
        fetch = entry->second.partition->NextFetch();
      }
    }
    if (!fetch.has_value()) {
      if (sent != sent_.end()) request.forgotten.push_back(id);
      continue;
    }
    fetch->max_bytes = BUGGIFY("fetcher.ask_for_one_byte", 0.05) ? 1 : env_->partition_max_bytes;
    if (sent != sent_.end() && sent->second == *fetch) continue;
    if (sent == sent_.end() || sent->second.current_leader_epoch != fetch->current_leader_epoch) {
      *urgent = true;
    }
    request.changed.emplace(id, *fetch);
  }
  if (retry.has_value()) ArmRetryTimer(*retry);
  return request;
}

void ReplicaFetcher::Send(InFlight request) {
  request.full = session_epoch_ == 0;
  FetchRequest message;
  message.replica_state.replica_id = env_->broker.value();
  message.replica_state.replica_epoch = env_->epoch.value();
  // The answer to the first request of a session comes at once: it brings the session's id.
  const bool wait = !request.full || sessionless_;
  message.max_wait_ms =
      wait ? static_cast<int32_t>(std::chrono::duration_cast<Millis>(env_->wait_max).count()) : 0;
  if (BUGGIFY("fetcher.wait_1ms", 0.05)) message.max_wait_ms = std::min(message.max_wait_ms, 1);
  message.min_bytes = 1;
  message.max_bytes = env_->response_max_bytes;
  message.session_id = session_id_;
  message.session_epoch = session_epoch_;
  const Requests& named = request.full ? sent_ : request.changed;
  for (const auto& [id, fetch] : named) {
    if (message.topics.empty() || message.topics.back().topic_id != id.topic_id) {
      message.topics.emplace_back().topic_id = id.topic_id;
    }
    message.topics.back().partitions.push_back(ToWire(fetch));
  }
  for (const TopicPartition& id : request.forgotten) {
    if (request.full) break;
    auto& topics = message.forgotten_topics_data;
    if (topics.empty() || topics.back().topic_id != id.topic_id) {
      topics.emplace_back().topic_id = id.topic_id;
    }
    topics.back().partitions.push_back(id.partition.value());
  }
  if (request.full) request.changed = sent_;
  if (!request.full) {
    session_epoch_ = session_epoch_ == std::numeric_limits<int32_t>::max() ? 1 : session_epoch_ + 1;
  }
  kafka::RequestHeader header;
  header.api_version = kFetchVersion;
  header.correlation_id = next_correlation_++;
  header.client_id = absl::StrFormat("broker-%d-fetcher", env_->broker.value());
  correlations_.push_back(header.correlation_id);
  in_flight_.push_back(std::move(request));
  FAILPOINT("fetcher.before_send");
  connection_->Send(kafka::RequestFrame(header, message), env_->wait_max + env_->request_timeout);
}

void ReplicaFetcher::Connect() {
  if (connecting_ || connect_timer_ != TimerId::kNone || !endpoint_.has_value() ||
      entries_.empty()) {
    return;
  }
  connecting_ = true;
  const uint64_t generation = ++connect_generation_;
  env_->network->Connect(
      *endpoint_, kConnectTimeout,
      [alive = alive_, this, generation](absl::StatusOr<std::unique_ptr<Connection>> stream) {
        if (!*alive || generation != connect_generation_) return;
        connecting_ = false;
        if (!stream.ok()) {
          VLOG(1) << "fetcher of leader " << leader_ << ": " << stream.status();
          RetryConnectLater();
          return;
        }
        connection_ = std::make_unique<KafkaClientConnection>(
            env_->loop, *std::move(stream), env_->response_max_bytes + kFrameSlack, this);
        ResetSession();
        connection_->Start();
        MaybeSend();
      });
}

void ReplicaFetcher::Disconnect() {
  ++connect_generation_;
  connecting_ = false;
  connection_.reset();
  in_flight_.clear();
  correlations_.clear();
  ResetSession();
}

void ReplicaFetcher::OnDisconnected(const absl::Status& why) {
  LOG(INFO) << "fetcher of leader " << leader_ << ": " << why;
  if (connection_ == nullptr) return;
  connection_->Close();
  // The connection is calling: it goes once the stack is unwound.
  env_->loop->Post([old = std::shared_ptr<KafkaClientConnection>(std::move(connection_))] {});
  Disconnect();
  RetryConnectLater();
}

void ReplicaFetcher::RetryConnectLater() {
  if (connect_timer_ != TimerId::kNone) return;
  connect_timer_ = env_->loop->RunAfter(NextBackoff(&connect_backoff_), [this] {
    connect_timer_ = TimerId::kNone;
    MaybeSend();
  });
}

void ReplicaFetcher::ResetSession() {
  session_id_ = 0;
  session_epoch_ = 0;
  sent_.clear();
  answered_.clear();
  flushing_.clear();
  for (const auto& [id, entry] : entries_) touched_.insert(id);
  for (InFlight& request : in_flight_) request.void_session = true;
}

void ReplicaFetcher::OnResponse(SharedBytes frame) {
  InFlight request = std::move(in_flight_.front());
  in_flight_.pop_front();
  HandleAnswers(request, std::move(frame));
  if (connection_ != nullptr) MaybeSend();
}

void ReplicaFetcher::HandleAnswers(const InFlight& request, SharedBytes frame) {
  kafka::Reader in(std::move(frame));
  const auto correlation = kafka::DecodeResponseHeader(in, kafka::ApiKey::kFetch, kFetchVersion);
  const int32_t expected = correlations_.front();
  correlations_.pop_front();
  auto response = kafka::DecodeMessage<FetchResponse>(in, kFetchVersion);
  if (!correlation.ok() || *correlation != expected || !response.ok()) {
    OnDisconnected(absl::InvalidArgumentError("a malformed response"));
    return;
  }
  if (BUGGIFY("fetcher.disconnect", 0.001)) {
    OnDisconnected(absl::UnavailableError("connection reset by peer"));
    return;
  }
  if (request.void_session) return;
  connect_backoff_ = Micros(0);
  if (response->error_code != 0) {
    const auto error = static_cast<KafkaError>(response->error_code);
    VLOG(1) << "fetcher of leader " << leader_ << ": " << KafkaStatus(error);
    const bool session = error == KafkaError::kFetchSessionIdNotFound ||
                         error == KafkaError::kInvalidFetchSessionEpoch;
    ResetSession();
    if (!session || request.full) {
      for (auto& [id, entry] : entries_) Delay(id, &entry);
    }
    return;
  }
  if (request.full) {
    answered_.clear();
    session_id_ = response->session_id;
    session_epoch_ = session_id_ == 0 ? 0 : 1;
    sessionless_ = session_id_ == 0;
  }
  for (const TopicPartition& id : request.forgotten) answered_.erase(id);
  for (const auto& [id, fetch] : request.changed) answered_[id] = fetch;
  for (const auto& topic : response->responses) {
    for (const auto& partition : topic.partitions) {
      HandleAnswer({topic.topic_id, PartitionIndex(partition.partition_index)},
                   FromWire(partition));
    }
  }
  if (session_id_ == 0) {  // without a session every request is a full one
    sent_.clear();
    for (const auto& [id, entry] : entries_) touched_.insert(id);
  }
}

void ReplicaFetcher::HandleAnswer(const TopicPartition& id, const Partition::Answer& answer) {
  const auto asked = answered_.find(id);
  auto entry = entries_.find(id);
  if (entry == entries_.end() && left_.contains(id)) {  // scenario A11
    const auto partition = left_.at(id).lock();
    const auto now = partition == nullptr ? std::nullopt : partition->NextFetch();
    if (now.has_value()) partition->OnAnswer(*now, answer);
  }
  if (asked == answered_.end() || entry == entries_.end()) return;  // it left this fetcher
  const auto partition = entry->second.partition;
  const Partition::AnswerResult result = BUGGIFY("fetcher.drop_answer", 0.005)
                                             ? Partition::AnswerResult::kRetry
                                             : partition->OnAnswer(asked->second, answer);
  entry = entries_.find(id);  // the partition may have gone offline and left
  if (entry == entries_.end()) return;
  touched_.insert(id);
  if (result == Partition::AnswerResult::kRetry) {
    Delay(id, &entry->second);
  } else if (answer.status.ok()) {
    entry->second.backoff = Micros(0);
  }
}

void ReplicaFetcher::Delay(const TopicPartition& id, Entry* entry) {
  entry->retry_at = env_->loop->Now() + NextBackoff(&entry->backoff);
  touched_.insert(id);
  ArmRetryTimer(entry->retry_at);
}

Micros ReplicaFetcher::NextBackoff(Micros* backoff) {
  *backoff = std::clamp(*backoff * 2, env_->backoff_min, env_->backoff_max);
  if (BUGGIFY("fetcher.retry_at_once", 0.3)) return Micros(1);
  return Micros(env_->random->Between(backoff->count() / 2, backoff->count()));
}

void ReplicaFetcher::ArmRetryTimer(MonoTime at) {
  if (retry_timer_ != TimerId::kNone) {
    if (retry_due_ <= at) return;
    env_->loop->Cancel(retry_timer_);
  }
  retry_due_ = at;
  const Micros delay = std::max(at - env_->loop->Now(), Micros(0));
  retry_timer_ = env_->loop->RunAfter(delay, [this] {
    retry_timer_ = TimerId::kNone;
    MaybeSend();
  });
}

}  // namespace quorate
