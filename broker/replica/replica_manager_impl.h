// broker/replica/replica_manager_impl.h
//
// The inside of ReplicaManager; for replica_manager.cc, tests and simulation checkers only.
//
// Thread-compatible: owned by the data loop.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/replica/fetch_purgatory.h"
#include "broker/replica/log_manager.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_fetcher.h"
#include "broker/replica/replica_manager.h"

namespace quorate {

class ReplicaManager::Impl final : public PartitionEvents {
 public:
  Impl(const ReplicaManagerEnv& env, ReplicaManagerOptions options);
  ~Impl() override;

  void ApplyImage(ImagePtr image, const MetadataDelta& delta);
  void Stop(bool clean, Task done);
  void SetBrokerEpoch(BrokerEpoch epoch) { fetcher_env_.epoch = epoch; }
  void Observe(const std::string& topic, PartitionObserver* observer);
  ReplicaManagerStats stats() const;

  // Null if it is not on this broker.
  Partition* Find(const TopicPartition& id) const;
  // Why a request for a partition that is not here is refused.
  absl::Status Missing(const TopicPartition& id, LeaderHint* hint) const;
  const std::map<TopicPartition, std::shared_ptr<Partition>>& partitions() const {
    return partitions_;
  }
  LogManager& logs() { return logs_; }
  FetchPurgatory& purgatory() { return purgatory_; }
  bool stopping() const { return stopping_; }
  // Runs retention on a few partitions and posts the rest.
  void RunRetention(TopicPartition from);

  // PartitionEvents
  void OnBecomeLeader(Partition* partition) override;
  void OnStopLeading(Partition* partition) override;
  void OnFollowingChanged(Partition* partition) override;
  void OnHighWatermarkMoved(Partition* partition) override;
  void OnLogFailed(Partition* partition, const absl::Status& why) override;

 private:
  BrokerView ViewOf(NodeId broker) const;
  ReplicaConfig ConfigOf(const std::string& topic) const;
  void SetAsideUnassigned();
  void ApplyBrokers(const MetadataDelta& delta);
  void ApplyDeletions(const MetadataDelta& delta);
  void ApplyConfigs(const MetadataDelta& delta);
  void ApplyPartition(const TopicPartition& id);
  void Open(const std::shared_ptr<Partition>& partition);
  void Drop(const TopicPartition& id);
  void OnRetired(const std::shared_ptr<Partition>& partition, std::unique_ptr<Log> log);
  void OnDirectoryFailed(const std::string& directory, const absl::Status& why);
  void ArmRetention();
  ReplicaFetcher* FetcherFor(NodeId leader);
  std::optional<Endpoint> EndpointOf(NodeId broker) const;
  void DropIdleFetchers();
  // Posts `call(observer)` if the topic of `partition` has one.
  template <typename Call>
  void Tell(const Partition& partition, Call call);
  void TellHighWatermarks();
  std::shared_ptr<Partition> Resolve(const TopicPartition& id, FetchPartitionResult* error) const;
  void FinishStop();

  const ReplicaManagerEnv env_;
  const ReplicaManagerOptions options_;
  FetcherEnv fetcher_env_;
  const std::shared_ptr<PartitionEnv> shared_;
  LogManager logs_;
  FetchPurgatory purgatory_;
  ImagePtr image_;
  std::map<TopicPartition, std::shared_ptr<Partition>> partitions_;

  // Partitions that left and still have something under way, by directory name; others of that
  // name wait in blocked_ for their turn to open.
  std::multimap<std::string, std::shared_ptr<Partition>> retiring_;
  std::map<std::string, std::weak_ptr<Partition>> blocked_;

  std::map<NodeId, std::unique_ptr<ReplicaFetcher>> fetchers_;
  std::map<TopicPartition, NodeId> followed_;  // in which fetcher a partition is
  bool drop_posted_ = false;

  std::map<std::string, PartitionObserver*> observers_;  // by topic name
  std::set<TopicPartition> high_watermarks_to_tell_;

  TimerId retention_timer_ = TimerId::kNone;
  bool stopping_ = false;
  bool first_image_applied_ = false;
  bool stop_clean_ = false;
  Task stop_done_;
  std::vector<LogManager::ToClose> to_close_;
};

}  // namespace quorate
