#include "broker/replica/replica_manager_impl.h"

#include <glog/logging.h>

#include <set>
#include <utility>

#include "base/check.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

// Partitions one retention task looks at.
constexpr int kRetentionChunk = 200;

}  // namespace

ReplicaManager::Impl::Impl(const ReplicaManagerEnv& env, ReplicaManagerOptions options)
    : env_(env),
      options_(std::move(options)),
      shared_(std::make_shared<PartitionEnv>()),
      logs_(LogManager::Env{env.loop, env.pool, env.file_system, env.random,
                            [this](const std::string& directory, const absl::Status& why) {
                              OnDirectoryFailed(directory, why);
                            }},
            options_.log_directories, options_.checkpoint_interval, options_.bugs.keep_clean_mark),
      purgatory_(env.loop, [this](const TopicPartition& id,
                                  FetchPartitionResult* error) { return Resolve(id, error); }),
      image_(std::make_shared<const MetadataImage>()) {
  shared_->loop = env.loop;
  shared_->pool = env.pool;
  shared_->logs = &logs_;
  shared_->purgatory = &purgatory_;
  shared_->isr_updater = env.isr_updater;
  shared_->events = this;
  shared_->broker = options_.broker;
  shared_->lag_max = options_.replica_lag_max;
  shared_->bugs = options_.bugs;
  shared_->brokers = [this](NodeId broker) { return ViewOf(broker); };
  fetcher_env_ = FetcherEnv{env.loop,
                            env.network,
                            env.random,
                            options_.broker,
                            kNoBrokerEpoch,
                            options_.replica_fetch_wait_max,
                            options_.replica_fetch_max_bytes,
                            options_.replica_fetch_response_max_bytes,
                            options_.fetch_backoff_min,
                            options_.fetch_backoff_max,
                            options_.replica_request_timeout,
                            options_.bugs};
}

ReplicaManager::Impl::~Impl() {
  env_.loop->Cancel(retention_timer_);
  for (const auto& [id, partition] : partitions_) partition->CancelTimers();
  for (const auto& [name, partition] : retiring_) partition->CancelTimers();
  shared_->alive = false;
}

Partition* ReplicaManager::Impl::Find(const TopicPartition& id) const {
  const auto it = partitions_.find(id);
  return it == partitions_.end() ? nullptr : it->second.get();
}

absl::Status ReplicaManager::Impl::Missing(const TopicPartition& id, LeaderHint* hint) const {
  const TopicImage* const topic = image_->FindTopic(id.topic_id);
  if (topic == nullptr) return KafkaStatus(KafkaError::kUnknownTopicId);
  const PartitionState* const state = topic->FindPartition(id.partition);
  if (state == nullptr) return KafkaStatus(KafkaError::kUnknownTopicOrPartition);
  *hint = LeaderHint{state->leader, state->leader_epoch};
  return KafkaStatus(KafkaError::kNotLeaderOrFollower);
}

std::shared_ptr<Partition> ReplicaManager::Impl::Resolve(const TopicPartition& id,
                                                         FetchPartitionResult* error) const {
  const auto it = partitions_.find(id);
  if (it != partitions_.end()) return it->second;
  error->status = Missing(id, &error->current_leader);
  return nullptr;
}

BrokerView ReplicaManager::Impl::ViewOf(NodeId broker) const {
  const BrokerImage* const image = image_->FindBroker(broker);
  if (image == nullptr) return {};
  return BrokerView{image->epoch, image->IsActive(), image->fenced};
}

ReplicaConfig ReplicaManager::Impl::ConfigOf(const std::string& topic) const {
  ReplicaConfig config = ResolveReplicaConfig(*image_, topic, options_.broker,
                                              options_.static_config, options_.preallocate_bytes);
  config.log.bugs = options_.bugs.storage;
  return config;
}

void ReplicaManager::Impl::ApplyImage(ImagePtr image, const MetadataDelta& delta) {
  if (stopping_) return;
  const ImagePtr previous = std::exchange(image_, std::move(image));
  ApplyDeletions(delta);
  ApplyConfigs(delta);
  for (const TopicPartition& id : delta.partitions) ApplyPartition(id);
  // The first image holds this broker's registration: what it does not assign was taken away.
  if (!std::exchange(first_image_applied_, true)) SetAsideUnassigned();
  ApplyBrokers(delta);
  ArmRetention();
}

void ReplicaManager::Impl::SetAsideUnassigned() {
  std::set<std::string> assigned;
  for (const auto& [id, partition] : partitions_) {
    assigned.insert(partition->log_name().DirectoryName());
  }
  logs_.SetAsideUnassigned(assigned);
}

void ReplicaManager::Impl::ApplyBrokers(const MetadataDelta& delta) {
  for (const NodeId broker : delta.brokers) {
    const auto fetcher = fetchers_.find(broker);
    if (fetcher != fetchers_.end()) fetcher->second->SetEndpoint(EndpointOf(broker));
  }
}

void ReplicaManager::Impl::ApplyDeletions(const MetadataDelta& delta) {
  for (const Uuid& topic : delta.topics_deleted) {
    std::vector<TopicPartition> gone;
    for (auto it = partitions_.lower_bound({topic, PartitionIndex(0)});
         it != partitions_.end() && it->first.topic_id == topic; ++it) {
      gone.push_back(it->first);
    }
    for (const TopicPartition& id : gone) Drop(id);
  }
}

void ReplicaManager::Impl::ApplyConfigs(const MetadataDelta& delta) {
  std::set<Uuid> topics;
  bool all = false;
  for (const ConfigResource& resource : delta.configs) {
    if (resource.type == ConfigResourceType::kTopic) {
      const TopicImage* const topic = image_->FindTopicByName(resource.name);
      if (topic != nullptr) topics.insert(topic->id);
    } else {
      all = true;  // a broker's dynamic configs, or the cluster's
    }
  }
  if (all) {
    for (const auto& [id, partition] : partitions_) topics.insert(id.topic_id);
  }
  for (const Uuid& topic : topics) {
    std::optional<ReplicaConfig> config;
    for (auto it = partitions_.lower_bound({topic, PartitionIndex(0)});
         it != partitions_.end() && it->first.topic_id == topic; ++it) {
      if (!config.has_value()) config = ConfigOf(it->second->log_name().topic);
      it->second->UpdateConfig(*config);
    }
  }
}

void ReplicaManager::Impl::ApplyPartition(const TopicPartition& id) {
  const TopicImage* const topic = image_->FindTopic(id.topic_id);
  const PartitionState* const state =
      topic == nullptr ? nullptr : topic->FindPartition(id.partition);
  if (state == nullptr || !Contains(state->replicas, options_.broker)) {
    Drop(id);
    return;
  }
  std::shared_ptr<Partition>& slot = partitions_[id];
  if (slot == nullptr) {
    slot = std::make_shared<Partition>(shared_, LogName{topic->name, id.partition, id.topic_id},
                                       ConfigOf(topic->name));
    Open(slot);
  }
  const std::shared_ptr<Partition> partition = slot;
  partition->Apply(*state);
}

void ReplicaManager::Impl::Open(const std::shared_ptr<Partition>& partition) {
  const std::string name = partition->log_name().DirectoryName();
  if (retiring_.count(name) != 0) {
    blocked_[name] = partition;
  } else {
    partition->StartOpen();
  }
}

void ReplicaManager::Impl::Drop(const TopicPartition& id) {
  const auto it = partitions_.find(id);
  if (it == partitions_.end()) return;
  const std::shared_ptr<Partition> partition = std::move(it->second);
  partitions_.erase(it);
  const std::string name = partition->log_name().DirectoryName();
  const auto blocked = blocked_.find(name);
  if (blocked != blocked_.end() && blocked->second.lock() == partition) blocked_.erase(blocked);
  retiring_.emplace(name, partition);
  partition->Retire([this, weak = std::weak_ptr<Partition>(partition)](std::unique_ptr<Log> log) {
    if (const auto retired = weak.lock()) OnRetired(retired, std::move(log));
  });
}

void ReplicaManager::Impl::OnRetired(const std::shared_ptr<Partition>& partition,
                                     std::unique_ptr<Log> log) {
  const std::string name = partition->log_name().DirectoryName();
  for (auto it = retiring_.lower_bound(name); it != retiring_.end() && it->first == name; ++it) {
    if (it->second != partition) continue;
    retiring_.erase(it);
    break;
  }
  if (stopping_) {
    if (log != nullptr) {
      to_close_.push_back({partition->log_name(), std::move(log), partition->high_watermark()});
    }
    FinishStop();
    return;
  }
  logs_.Remove(partition->log_name(), std::move(log));
  if (retiring_.count(name) != 0) return;
  const auto node = blocked_.extract(name);
  if (node.empty()) return;
  if (const auto next = node.mapped().lock()) next->StartOpen();
}

void ReplicaManager::Impl::Stop(bool clean, Task done) {
  QCHECK(!stopping_);
  stopping_ = true;
  stop_clean_ = clean;
  stop_done_ = std::move(done);
  fetchers_.clear();
  followed_.clear();
  env_.loop->Cancel(retention_timer_);
  retention_timer_ = TimerId::kNone;
  purgatory_.AnswerAll();
  blocked_.clear();
  auto partitions = std::exchange(partitions_, {});
  // All are noted before the first retires, so that the stop ends once and last.
  for (const auto& [id, partition] : partitions) {
    retiring_.emplace(partition->log_name().DirectoryName(), partition);
  }
  for (const auto& [id, partition] : partitions) {
    partition->Retire([this, weak = std::weak_ptr<Partition>(partition)](std::unique_ptr<Log> log) {
      if (const auto retired = weak.lock()) OnRetired(retired, std::move(log));
    });
  }
  if (partitions.empty()) FinishStop();
}

void ReplicaManager::Impl::FinishStop() {
  if (!retiring_.empty() || !stop_done_) return;
  logs_.CloseAll(std::exchange(to_close_, {}), stop_clean_, fetcher_env_.epoch,
                 std::exchange(stop_done_, nullptr));
}

void ReplicaManager::Impl::OnLogFailed(Partition* partition, const absl::Status& why) {
  logs_.FailDirectory(partition->directory(), why);
}

void ReplicaManager::Impl::OnDirectoryFailed(const std::string& directory,
                                             const absl::Status& why) {
  std::vector<std::shared_ptr<Partition>> lost;
  for (const auto& [id, partition] : partitions_) {
    if (partition->directory() == directory) lost.push_back(partition);
  }
  for (const auto& partition : lost) partition->GoOffline(why);
  if (env_.on_directory_failed) env_.on_directory_failed(directory, why);
}

// --- Fetchers ---

std::optional<Endpoint> ReplicaManager::Impl::EndpointOf(NodeId broker) const {
  const BrokerImage* const image = image_->FindBroker(broker);
  if (image == nullptr || image->replication_listener.port == 0) return std::nullopt;
  return Endpoint{image->replication_listener.host, image->replication_listener.port};
}

ReplicaFetcher* ReplicaManager::Impl::FetcherFor(NodeId leader) {
  std::unique_ptr<ReplicaFetcher>& fetcher = fetchers_[leader];
  if (fetcher == nullptr) {
    fetcher = std::make_unique<ReplicaFetcher>(&fetcher_env_, leader);
    fetcher->SetEndpoint(EndpointOf(leader));
  }
  return fetcher.get();
}

void ReplicaManager::Impl::OnFollowingChanged(Partition* partition) {
  if (stopping_) return;
  const bool follows =
      partition->role() == Partition::Role::kFollower && partition->leader() != kNoNode;
  const auto known = followed_.find(partition->id());
  if (known != followed_.end() && (!follows || known->second != partition->leader())) {
    const auto fetcher = fetchers_.find(known->second);
    if (fetcher != fetchers_.end()) {
      fetcher->second->Remove(partition->id());
      if (fetcher->second->empty() && !std::exchange(drop_posted_, true)) {
        env_.loop->Post([shared = shared_, this] {
          if (shared->alive) DropIdleFetchers();
        });
      }
    }
    followed_.erase(known);
  }
  if (!follows) return;
  followed_[partition->id()] = partition->leader();
  FetcherFor(partition->leader())->Add(partition->shared_from_this());
}

void ReplicaManager::Impl::DropIdleFetchers() {
  drop_posted_ = false;
  for (auto it = fetchers_.begin(); it != fetchers_.end();) {
    it = it->second->empty() ? fetchers_.erase(it) : std::next(it);
  }
}

// --- Observers ---

template <typename Call>
void ReplicaManager::Impl::Tell(const Partition& partition, Call call) {
  const std::string& topic = partition.log_name().topic;
  if (observers_.count(topic) == 0) return;
  env_.loop->Post([shared = shared_, this, topic, call] {
    if (!shared->alive) return;
    const auto observer = observers_.find(topic);
    if (observer != observers_.end()) call(observer->second);
  });
}

void ReplicaManager::Impl::Observe(const std::string& topic, PartitionObserver* observer) {
  if (observer == nullptr) {
    observers_.erase(topic);
    return;
  }
  observers_[topic] = observer;
  for (const auto& [id, partition] : partitions_) {
    if (partition->log_name().topic != topic) continue;
    if (partition->role() == Partition::Role::kLeader) OnBecomeLeader(partition.get());
  }
}

void ReplicaManager::Impl::OnBecomeLeader(Partition* partition) {
  Tell(*partition, [id = partition->id(), epoch = partition->leader_epoch()](
                       PartitionObserver* observer) { observer->OnBecomeLeader(id, epoch); });
}

void ReplicaManager::Impl::OnStopLeading(Partition* partition) {
  Tell(*partition,
       [id = partition->id()](PartitionObserver* observer) { observer->OnStopLeading(id); });
}

void ReplicaManager::Impl::OnHighWatermarkMoved(Partition* partition) {
  if (observers_.empty() || observers_.count(partition->log_name().topic) == 0) return;
  const bool posted = !high_watermarks_to_tell_.empty();
  high_watermarks_to_tell_.insert(partition->id());
  if (posted) return;
  env_.loop->Post([shared = shared_, this] {
    if (shared->alive) TellHighWatermarks();
  });
}

void ReplicaManager::Impl::TellHighWatermarks() {
  for (const TopicPartition& id : std::exchange(high_watermarks_to_tell_, {})) {
    const Partition* const partition = Find(id);
    if (partition == nullptr) continue;
    const auto observer = observers_.find(partition->log_name().topic);
    if (observer == observers_.end()) continue;
    observer->second->OnHighWatermark(id, partition->high_watermark());
  }
}

// --- Retention, figures ---

void ReplicaManager::Impl::ArmRetention() {
  if (retention_timer_ != TimerId::kNone || stopping_ || partitions_.empty()) return;
  retention_timer_ = env_.loop->RunAfter(options_.retention_check_interval, [this] {
    retention_timer_ = TimerId::kNone;
    RunRetention(TopicPartition{});
  });
}

void ReplicaManager::Impl::RunRetention(TopicPartition from) {
  if (stopping_) return;
  auto it = partitions_.lower_bound(from);
  for (int i = 0; i < kRetentionChunk && it != partitions_.end(); ++i, ++it) {
    it->second->RunRetention();
  }
  if (it == partitions_.end()) {
    ArmRetention();
    return;
  }
  env_.loop->Post([shared = shared_, this, next = it->first] {
    if (shared->alive) RunRetention(next);
  });
}

ReplicaManagerStats ReplicaManager::Impl::stats() const {
  ReplicaManagerStats stats;
  for (const auto& [id, partition] : partitions_) {
    ++stats.partitions;
    if (partition->role() == Partition::Role::kOffline) ++stats.offline_partitions;
    const LeaderState* const leader = partition->leader_state();
    if (leader == nullptr) continue;
    ++stats.leaders;
    if (leader->isr().size() < leader->replica_count()) ++stats.under_replicated;
    if (!leader->HasMinIsr(partition->config().min_isr)) ++stats.under_min_isr;
  }
  stats.parked_fetches = purgatory_.parked_count();
  stats.isr_shrinks = shared_->isr_shrinks;
  stats.isr_expands = shared_->isr_expands;
  stats.failed_isr_updates = shared_->failed_isr_updates;
  stats.truncations = shared_->truncations;
  stats.stray_directories = logs_.stray_count();
  return stats;
}

}  // namespace quorate
