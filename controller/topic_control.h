// controller/topic_control.h
//
// TopicControl creates and deletes topics and adds partitions. Each topic of a request succeeds or
// fails on its own, and its records are committed together.
//
// Thread-compatible: owned by the controller loop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "controller/change_set.h"
#include "controller/controller_config.h"

namespace quorate {

namespace pb {
class CreatePartitionsRequest;
class CreatePartitionsRequest_Topic;
class CreatePartitionsResponse;
class CreateTopicsRequest;
class CreateTopicsRequest_Topic;
class CreateTopicsResponse;
class CreateTopicsResponse_Topic;
class DeleteTopicsRequest;
class DeleteTopicsResponse;
class IntList;
}  // namespace pb

// OK for 1..249 characters of [a-zA-Z0-9._-] other than "." and "..".
// ERRORS: INVALID_TOPIC_EXCEPTION with what is wrong.
absl::Status ValidateTopicName(std::string_view name);

// A topic of `image` whose name differs from `name` in '.' and '_' only (such names would share
// metric names), or empty.
std::string CollidingTopic(const MetadataImage& image, std::string_view name);

class TopicControl {
 public:
  // `random` gives topic ids and places. `max_batch_bytes` bounds the records of one topic.
  TopicControl(const ControllerConfig* config, Random* random, size_t max_batch_bytes)
      : config_(*config), random_(*random), max_batch_bytes_(max_batch_bytes) {}

  // Each fills one response entry per topic, in the request's order; an entry without an error is
  // what `changes` now holds.
  void Create(const pb::CreateTopicsRequest& request, ChangeSet* changes,
              pb::CreateTopicsResponse* response);
  void Delete(const pb::DeleteTopicsRequest& request, ChangeSet* changes,
              pb::DeleteTopicsResponse* response);
  void AddPartitions(const pb::CreatePartitionsRequest& request, ChangeSet* changes,
                     pb::CreatePartitionsResponse* response);

 private:
  absl::Status CreateOne(const pb::CreateTopicsRequest_Topic& topic, ChangeSet* changes,
                         pb::CreateTopicsResponse_Topic* out);
  absl::Status AddTo(const pb::CreatePartitionsRequest_Topic& topic, ChangeSet* changes);
  // The replicas of the new partitions of a topic: as assigned, or as placed.
  absl::StatusOr<std::vector<ReplicaList>> Assigned(
      const MetadataImage& image, const pb::CreateTopicsRequest_Topic& topic) const;
  absl::StatusOr<std::vector<ReplicaList>> Placed(const MetadataImage& image, int32_t partitions,
                                                  int32_t replication_factor);
  // Adds partitions `first`.. to the topic; those replicas that are live are its first ISR.
  absl::Status AddPartitionRecords(const Uuid& topic_id, int32_t first,
                                   const std::vector<ReplicaList>& partitions, ChangeSet* changes);
  // Ends the unit; or takes it back if it exceeds a batch.
  absl::Status EndTopic(const ChangeSet::Mark& before, ChangeSet* changes) const;

  const ControllerConfig& config_;
  Random& random_;
  const size_t max_batch_bytes_;
};

}  // namespace quorate
