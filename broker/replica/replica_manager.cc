#include "broker/replica/replica_manager.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "broker/replica/replica_manager_impl.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

using kafka::KafkaError;
using kafka::KafkaStatus;

ReplicaManager::ReplicaManager(const ReplicaManagerEnv& env, ReplicaManagerOptions options)
    : impl_(std::make_unique<Impl>(env, std::move(options))) {}

ReplicaManager::~ReplicaManager() = default;

absl::StatusOr<BrokerEpoch> ReplicaManager::Start() { return impl_->logs().Start(); }

void ReplicaManager::SetBrokerEpoch(BrokerEpoch epoch) { impl_->SetBrokerEpoch(epoch); }

void ReplicaManager::ApplyImage(ImagePtr image, const MetadataDelta& delta) {
  impl_->ApplyImage(std::move(image), delta);
}

void ReplicaManager::Stop(bool clean, Task done) { impl_->Stop(clean, std::move(done)); }

void ReplicaManager::Append(AppendRequest request, AppendDone done) {
  Partition* const partition = impl_->Find(request.partition);
  if (partition == nullptr) {
    AppendOutcome outcome;
    outcome.status = impl_->Missing(request.partition, &outcome.current_leader);
    done(std::move(outcome));
    return;
  }
  partition->Append(std::move(request), std::move(done));
}

FetchId ReplicaManager::Fetch(FetchSpec spec, FetchDone done) {
  if (impl_->stopping()) spec.max_wait = Micros(0);
  return impl_->purgatory().Fetch(std::move(spec), std::move(done));
}

void ReplicaManager::CancelFetch(FetchId id) { impl_->purgatory().Cancel(id); }

void ReplicaManager::ListOffsets(std::vector<ListOffsetsQuery> queries, ListOffsetsDone done) {
  std::vector<ListOffsetsOutcome> outcomes;
  outcomes.reserve(queries.size());
  for (const ListOffsetsQuery& query : queries) {
    const Partition* const partition = impl_->Find(query.partition);
    if (partition != nullptr) {
      outcomes.push_back(partition->OffsetFor(query));
    } else {
      LeaderHint hint;
      outcomes.emplace_back().status = impl_->Missing(query.partition, &hint);
    }
  }
  done(std::move(outcomes));
}

std::vector<EpochEndOutcome> ReplicaManager::EndOffsetsFor(
    const std::vector<EpochEndQuery>& queries) const {
  std::vector<EpochEndOutcome> outcomes;
  outcomes.reserve(queries.size());
  for (const EpochEndQuery& query : queries) {
    const Partition* const partition = impl_->Find(query.partition);
    if (partition != nullptr) {
      outcomes.push_back(partition->EndOffsetFor(query));
    } else {
      LeaderHint hint;
      outcomes.emplace_back().status = impl_->Missing(query.partition, &hint);
    }
  }
  return outcomes;
}

std::optional<PartitionPositions> ReplicaManager::Positions(const TopicPartition& id) const {
  const Partition* const partition = impl_->Find(id);
  if (partition == nullptr) return std::nullopt;
  return partition->Positions();
}

absl::StatusOr<LogReadResult> ReplicaManager::Read(const TopicPartition& id, Offset from,
                                                   Offset upper, int64_t max_bytes) const {
  const Partition* const partition = impl_->Find(id);
  if (partition == nullptr || partition->log() == nullptr) {
    return absl::NotFoundError(absl::StrFormat("partition %s-%d is not open here",
                                               id.topic_id.ToString(), id.partition.value()));
  }
  return partition->log()->Read(from, upper, max_bytes, true);
}

void ReplicaManager::Observe(const std::string& topic, PartitionObserver* observer) {
  impl_->Observe(topic, observer);
}

ReplicaManagerStats ReplicaManager::stats() const { return impl_->stats(); }

std::string ReplicaManager::DirectoryOf(const TopicPartition& id) const {
  const Partition* const partition = impl_->Find(id);
  return partition == nullptr ? std::string() : partition->directory();
}

}  // namespace quorate
