// broker/group/group_requests.h
//
// What handlers ask of the group coordinator, and what they get. Errors are the client-visible
// codes of the Kafka protocol: the rules of groups are stated in terms of them.
//
// Values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/uuid.h"
#include "proto/kafka/error.h"

namespace quorate {

// One assignment strategy a member offers; `metadata` (its subscription) is opaque to us.
struct GroupProtocol {
  std::string name;
  SharedBytes metadata;
  bool operator==(const GroupProtocol&) const = default;
};

struct JoinRequest {
  std::string group_id;
  std::string member_id;                   // empty: a new member
  std::optional<std::string> instance_id;  // set: a static member (KIP-345)
  std::string client_id;
  std::string client_host;
  Micros session_timeout{0};
  Micros rebalance_timeout{0};
  std::string protocol_type;
  std::vector<GroupProtocol> protocols;  // in the order the member prefers
  // A new dynamic member is told its id first and joins with it (KIP-394, JoinGroup v4).
  bool require_known_member_id = false;
  // A replaced static leader may be told to keep the assignment (KIP-814, JoinGroup v9).
  bool can_skip_assignment = false;
};

struct JoinedMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  SharedBytes metadata;  // for the selected protocol
};

struct JoinResult {
  kafka::KafkaError error = kafka::KafkaError::kNone;
  int32_t generation = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::string leader;
  std::string member_id;
  bool skip_assignment = false;
  std::vector<JoinedMember> members;  // for the leader only
};

struct MemberAssignment {
  std::string member_id;
  SharedBytes assignment;
};

struct SyncRequest {
  std::string group_id;
  int32_t generation = -1;
  std::string member_id;
  std::optional<std::string> instance_id;
  std::optional<std::string> protocol_type;  // set: must be the group's
  std::optional<std::string> protocol_name;
  std::vector<MemberAssignment> assignments;  // from the leader
};

struct SyncResult {
  kafka::KafkaError error = kafka::KafkaError::kNone;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  SharedBytes assignment;
};

// A member as it names itself. With an empty member_id and an instance id: whoever holds it.
struct MemberIdentity {
  std::string member_id;
  std::optional<std::string> instance_id;
};

// Names a partition in the offsets of a group; topics by name, as in Kafka's records.
struct OffsetKey {
  std::string topic;
  int32_t partition = 0;
  auto operator<=>(const OffsetKey&) const = default;
};

struct CommittedOffset {
  int64_t offset = -1;
  int32_t leader_epoch = -1;  // of the last record consumed; -1 = not told
  std::string metadata;
  WallMillis commit_time = 0;
  WallMillis expire_time = -1;  // -1 = by offsets.retention.minutes
  Uuid topic_id;                // zero = not known (written by an older broker)
  bool operator==(const CommittedOffset&) const = default;
};

struct CommitRequest {
  std::string group_id;
  int32_t generation = -1;  // -1 with an empty member id: a consumer that manages its partitions
  std::string member_id;
  std::optional<std::string> instance_id;
  Micros retention{-1};  // negative = the broker's default
  struct Entry {
    OffsetKey key;
    Uuid topic_id;
    int64_t offset = -1;
    int32_t leader_epoch = -1;
    std::string metadata;
  };
  std::vector<Entry> entries;
};

struct GroupListing {
  std::string group_id;
  std::string protocol_type;
  std::string state;
};

struct DescribedMember {
  std::string member_id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  SharedBytes metadata;
  SharedBytes assignment;
};

struct GroupDescription {
  kafka::KafkaError error = kafka::KafkaError::kNone;  // kGroupIdNotFound: there is none
  std::string state;
  std::string protocol_type;
  std::string protocol;  // the selected one; empty unless stable
  std::vector<DescribedMember> members;
};

}  // namespace quorate
