#include "tests/sim/clients/committer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proto/kafka/error.h"
#include "proto/kafka/messages/find_coordinator.h"
#include "proto/kafka/messages/offset_commit.h"
#include "proto/kafka/messages/offset_fetch.h"

namespace quorate::sim {
namespace {

constexpr Micros kTimeout = std::chrono::seconds(4);
constexpr int16_t kFindVersion = 4;
constexpr int16_t kCommitVersion = 8;
constexpr int16_t kFetchVersion = 7;

}  // namespace

SimCommitter::SimCommitter(SimClient& client, std::string group, std::string topic, Micros pause,
                           Observer observer)
    : client_(client),
      group_(std::move(group)),
      topic_(std::move(topic)),
      pause_(pause),
      observer_(std::move(observer)) {}

void SimCommitter::Start() {
  client_.RefreshMetadata();
  FindCoordinator();
}

void SimCommitter::FindCoordinator() {
  kafka::FindCoordinatorRequest request;
  request.coordinator_keys = {group_};
  client_.AnyPeer()->Call<kafka::FindCoordinatorRequest, kafka::FindCoordinatorResponse>(
      kFindVersion, request, kTimeout,
      [this](absl::StatusOr<kafka::FindCoordinatorResponse> response) {
        if (response.ok() && response->coordinators.size() == 1 &&
            response->coordinators[0].error_code == 0) {
          coordinator_ = response->coordinators[0].node_id;
        }
        NextLater();
      });
}

void SimCommitter::NextLater() {
  const Micros pause(client_.random().Between(1'000, 2 * pause_.count()));
  client_.loop().RunAfter(pause, [this] { Next(); });
}

void SimCommitter::Lost() {
  coordinator_ = -1;
  client_.RefreshMetadata();
  NextLater();
}

void SimCommitter::Next() {
  if (settled_) return;
  if (coordinator_ < 0 || client_.PeerOf(coordinator_) == nullptr) return FindCoordinator();
  if (!stopped_ && client_.random().Chance(0.7)) return Commit();
  Read();
}

void SimCommitter::Commit() {
  kafka::OffsetCommitRequest request;
  request.group_id = group_;
  auto& topic = request.topics.emplace_back();
  topic.name = topic_;
  auto& partition = topic.partitions.emplace_back();
  partition.partition_index = 0;
  partition.committed_offset = next_;
  const int64_t sent = next_++;
  observer_.on_sent(group_, sent);
  client_.PeerOf(coordinator_)
      ->Call<kafka::OffsetCommitRequest, kafka::OffsetCommitResponse>(
          kCommitVersion, request, kTimeout,
          [this, sent](absl::StatusOr<kafka::OffsetCommitResponse> response) {
            const bool done = response.ok() && response->topics.size() == 1 &&
                              response->topics[0].partitions.size() == 1 &&
                              response->topics[0].partitions[0].error_code == 0;
            if (!done) return Lost();
            acked_ = std::max(acked_, sent);
            observer_.on_acked(group_, sent);
            NextLater();
          });
}

void SimCommitter::Read() {
  kafka::OffsetFetchRequest request;
  request.group_id = group_;
  auto& topic = request.topics->emplace_back();
  topic.name = topic_;
  topic.partition_indexes = {0};
  const int64_t acked = acked_;
  client_.PeerOf(coordinator_)
      ->Call<kafka::OffsetFetchRequest, kafka::OffsetFetchResponse>(
          kFetchVersion, request, kTimeout,
          [this, acked](absl::StatusOr<kafka::OffsetFetchResponse> response) {
            if (!response.ok() || response->error_code != 0 || response->topics.size() != 1 ||
                response->topics[0].partitions.size() != 1 ||
                response->topics[0].partitions[0].error_code != 0) {
              return Lost();
            }
            observer_.on_read(group_, acked, response->topics[0].partitions[0].committed_offset);
            settled_ = stopped_;
            NextLater();
          });
}

}  // namespace quorate::sim
