#include "tests/sim/clients/group_member.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "proto/kafka/messages/find_coordinator.h"
#include "proto/kafka/messages/heartbeat.h"
#include "proto/kafka/messages/offset_commit.h"

namespace quorate::sim {
namespace {

using kafka::KafkaError;

constexpr int32_t kSessionMs = 3000;
constexpr int32_t kRebalanceMs = 3000;
constexpr Micros kTimeout = std::chrono::seconds(5);
constexpr char kProtocol[] = "sim";

// The assignment of one member: "topic-0,topic-1".
std::string Text(const std::vector<PartitionName>& partitions) {
  std::string text;
  for (const PartitionName& name : partitions) {
    text += (text.empty() ? "" : ",") + name.ToString();
  }
  return text;
}

}  // namespace

SimGroupMember::SimGroupMember(SimClient& client, std::string group, bool alone,
                               std::vector<PartitionName> partitions, History& history,
                               GroupHistory& groups)
    : client_(client),
      group_(std::move(group)),
      alone_(alone),
      partitions_(std::move(partitions)),
      history_(history),
      groups_(groups) {}

void SimGroupMember::Start() {
  client_.RefreshMetadata();
  Next(Micros(0), [this] { FindCoordinator(); });
}

void SimGroupMember::Audit() {
  audited_.clear();
  StartOver(absl::OkStatus());
}

void SimGroupMember::Next(Micros delay, std::function<void()> step) {
  client_.loop().RunAfter(delay, [this, attempt = attempt_, step = std::move(step)] {
    if (attempt == attempt_) step();
  });
}

void SimGroupMember::StartOver(const absl::Status& why) {
  if (!why.ok()) last_error_ = why.ToString();
  ++attempt_;
  coordinator_ = -1;
  member_.clear();
  generation_ = -1;
  owned_.clear();
  Next(Micros(client_.random().Between(20'000, 200'000)), [this] { FindCoordinator(); });
}

template <typename Request, typename Response>
void SimGroupMember::Call(int16_t version, const Request& request,
                          std::function<void(const Response&)> then) {
  KafkaPeer* const peer = coordinator_ < 0 ? client_.AnyPeer() : client_.PeerOf(coordinator_);
  if (peer == nullptr) {
    client_.RefreshMetadata();
    return StartOver(absl::UnavailableError("the coordinator's address is not known"));
  }
  peer->Call<Request, Response>(
      version, request, kTimeout,
      [this, attempt = attempt_, then = std::move(then)](absl::StatusOr<Response> response) {
        if (attempt != attempt_) return;
        if (!response.ok()) return StartOver(response.status());
        then(*response);
      });
}

void SimGroupMember::OnError(const char* what, KafkaError error) {
  last_error_ = absl::StrFormat("%s: %s", what, kafka::Name(error));
  switch (error) {
    case KafkaError::kRebalanceInProgress:
      // It keeps its name: the others wait for it.
      ++attempt_;
      owned_.clear();
      return Next(Micros(0), [this] { Join(); });
    case KafkaError::kUnknownMemberId:
    case KafkaError::kIllegalGeneration:
    case KafkaError::kFencedInstanceId:
    case KafkaError::kNotCoordinator:
    case KafkaError::kCoordinatorNotAvailable:
    case KafkaError::kCoordinatorLoadInProgress:
    case KafkaError::kRequestTimedOut:
    case KafkaError::kNotEnoughReplicas:
    case KafkaError::kUnknownTopicOrPartition:
      return StartOver(absl::OkStatus());
    default:
      history_.OnOutrage(
          "group", absl::StrFormat("%s gets %s for %s", client_.name(), kafka::Name(error), what),
          {});
      StartOver(absl::OkStatus());
  }
}

void SimGroupMember::FindCoordinator() {
  kafka::FindCoordinatorRequest request;
  request.key = group_;
  Call<kafka::FindCoordinatorRequest, kafka::FindCoordinatorResponse>(
      3, request, [this](const kafka::FindCoordinatorResponse& response) {
        const KafkaError error = kafka::ErrorFromCode(response.error_code);
        if (error != KafkaError::kNone) return OnError("its coordinator", error);
        coordinator_ = response.node_id;
        ever_found_ = true;
        if (!alone_) return Join();
        for (const PartitionName& name : partitions_) owned_[name] = -1;
        FetchCommitted();
      });
}

void SimGroupMember::Join() {
  ++joins_;
  kafka::JoinGroupRequest request;
  request.group_id = group_;
  request.session_timeout_ms = kSessionMs;
  request.rebalance_timeout_ms = kRebalanceMs;
  request.member_id = member_;
  request.protocol_type = kProtocol;
  request.protocols.emplace_back().name = kProtocol;
  Call<kafka::JoinGroupRequest, kafka::JoinGroupResponse>(
      7, request, [this](const kafka::JoinGroupResponse& response) { OnJoined(response); });
}

void SimGroupMember::OnJoined(const kafka::JoinGroupResponse& response) {
  const KafkaError error = kafka::ErrorFromCode(response.error_code);
  if (error == KafkaError::kMemberIdRequired) {
    member_ = response.member_id;
    return Join();
  }
  if (error != KafkaError::kNone) return OnError("a join", error);
  member_ = response.member_id;
  generation_ = response.generation_id;
  Sync(response);
}

void SimGroupMember::Sync(const kafka::JoinGroupResponse& joined) {
  kafka::SyncGroupRequest request;
  request.group_id = group_;
  request.generation_id = generation_;
  request.member_id = member_;
  request.protocol_type = kProtocol;
  request.protocol_name = kProtocol;
  if (joined.leader == member_ && !joined.members.empty()) {
    std::vector<std::vector<PartitionName>> shares(joined.members.size());
    for (size_t i = 0; i < partitions_.size(); ++i) {
      shares[(i + static_cast<size_t>(generation_)) % shares.size()].push_back(partitions_[i]);
    }
    for (size_t i = 0; i < shares.size(); ++i) {
      auto& assignment = request.assignments.emplace_back();
      assignment.member_id = joined.members[i].member_id;
      assignment.assignment = SharedBytes::FromString(Text(shares[i]));
    }
  }
  Call<kafka::SyncGroupRequest, kafka::SyncGroupResponse>(
      5, request, [this](const kafka::SyncGroupResponse& response) { OnSynced(response); });
}

void SimGroupMember::OnSynced(const kafka::SyncGroupResponse& response) {
  const KafkaError error = kafka::ErrorFromCode(response.error_code);
  if (error != KafkaError::kNone) return OnError("a sync", error);
  owned_.clear();
  const std::string text = "," + std::string(response.assignment.view()) + ",";
  for (const PartitionName& name : partitions_) {
    if (text.find("," + name.ToString() + ",") == std::string::npos) continue;
    groups_.OnOwner(generation_, name, member_);
    owned_[name] = -1;
  }
  FetchCommitted();
}

void SimGroupMember::FetchCommitted() {
  kafka::OffsetFetchRequest request;
  request.group_id = group_;
  std::map<PartitionName, int64_t> floors;
  for (const auto& [name, committed] : owned_) {
    auto& topic = request.topics->emplace_back();
    topic.name = name.topic;
    topic.partition_indexes.push_back(name.index);
    floors[name] = groups_.CommitFloor(group_, name);
  }
  if (owned_.empty()) return Work();
  Call<kafka::OffsetFetchRequest, kafka::OffsetFetchResponse>(
      7, request, [this, floors](const kafka::OffsetFetchResponse& response) {
        OnCommitted(response, floors);
      });
}

void SimGroupMember::OnCommitted(const kafka::OffsetFetchResponse& response,
                                 const std::map<PartitionName, int64_t>& floors) {
  KafkaError error = kafka::ErrorFromCode(response.error_code);
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0) error = kafka::ErrorFromCode(partition.error_code);
    }
  }
  if (error != KafkaError::kNone) return OnError("the committed offsets", error);
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) {
      const PartitionName name{topic.name, partition.partition_index};
      const auto floor = floors.find(name);
      if (floor == floors.end()) continue;
      groups_.OnCommittedRead(group_, name, floor->second, partition.committed_offset);
      owned_[name] = partition.committed_offset;
      audited_.insert(name);
    }
  }
  Work();
}

void SimGroupMember::Work() {
  const int64_t pause_high = alone_ ? 60'000 : 400'000;
  Next(Micros(client_.random().Between(20'000, pause_high)), [this] {
    if (owned_.empty() || client_.random().Chance(0.3)) {
      alone_ ? FetchCommitted() : Heartbeat();
    } else {
      Commit();
    }
  });
}

void SimGroupMember::Heartbeat() {
  kafka::HeartbeatRequest request;
  request.group_id = group_;
  request.generation_id = generation_;
  request.member_id = member_;
  Call<kafka::HeartbeatRequest, kafka::HeartbeatResponse>(
      4, request, [this](const kafka::HeartbeatResponse& response) {
        const KafkaError error = kafka::ErrorFromCode(response.error_code);
        if (error != KafkaError::kNone) return OnError("a heartbeat", error);
        Work();
      });
}

void SimGroupMember::Commit() {
  kafka::OffsetCommitRequest request;
  request.group_id = group_;
  request.generation_id_or_member_epoch = generation_;
  request.member_id = member_;
  for (auto& [name, committed] : owned_) {
    ++committed;
    auto& topic = request.topics.emplace_back();
    topic.name = name.topic;
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = name.index;
    partition.committed_offset = committed;
    groups_.OnCommitSent(group_, name, committed);
  }
  Call<kafka::OffsetCommitRequest, kafka::OffsetCommitResponse>(
      8, request, [this](const kafka::OffsetCommitResponse& response) {
        KafkaError error = KafkaError::kNone;
        for (const auto& topic : response.topics) {
          for (const auto& partition : topic.partitions) {
            const PartitionName name{topic.name, partition.partition_index};
            if (partition.error_code != 0) {
              error = kafka::ErrorFromCode(partition.error_code);
            } else if (owned_.contains(name)) {
              groups_.OnCommitAcked(group_, name, owned_.at(name));
              ++commits_;
            }
          }
        }
        if (error != KafkaError::kNone) return OnError("a commit", error);
        Work();
      });
}

}  // namespace quorate::sim
