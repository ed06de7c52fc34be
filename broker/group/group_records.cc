#include "broker/group/group_records.h"

#include <utility>

#include "base/status_macros.h"
#include "proto/kafka/messages/group_metadata_record.h"
#include "proto/kafka/messages/offset_commit_record.h"
#include "proto/kafka/reader.h"

namespace quorate {
namespace {

constexpr int16_t kExpiringOffsetVersion = 1;
constexpr int16_t kOffsetVersion = 3;
constexpr int16_t kOffsetWithTopicIdVersion = 4;
constexpr int16_t kGroupVersion = 3;

int32_t ToMillis(Micros time) {
  return static_cast<int32_t>(std::chrono::duration_cast<Millis>(time).count());
}

GroupSnapshot ToSnapshot(const kafka::GroupMetadataValue& value) {
  GroupSnapshot snapshot;
  snapshot.protocol_type = value.protocol_type;
  snapshot.generation = value.generation;
  snapshot.protocol = value.protocol;
  snapshot.leader = value.leader;
  snapshot.state_time = value.current_state_timestamp;
  for (const auto& member : value.members) {
    auto& out = snapshot.members.emplace_back();
    out.member_id = member.member_id;
    out.instance_id = member.group_instance_id;
    out.client_id = member.client_id;
    out.client_host = member.client_host;
    out.session_timeout = Millis(member.session_timeout);
    // Version 0 had one timeout for both.
    out.rebalance_timeout =
        Millis(member.rebalance_timeout < 0 ? member.session_timeout : member.rebalance_timeout);
    out.subscription = SharedBytes::Copy(member.subscription.view());
    out.assignment = SharedBytes::Copy(member.assignment.view());
  }
  return snapshot;
}

CommittedOffset ToOffset(const kafka::OffsetCommitValue& value) {
  CommittedOffset offset;
  offset.offset = value.offset;
  offset.leader_epoch = value.leader_epoch;
  offset.metadata = value.metadata;
  offset.commit_time = value.commit_timestamp;
  offset.expire_time = value.expire_timestamp;
  offset.topic_id = value.topic_id;
  return offset;
}

}  // namespace

LogRecord EncodeRecord(const OffsetRecord& record) {
  kafka::OffsetCommitKey key;
  key.group = record.group_id;
  key.topic = record.key.topic;
  key.partition = record.key.partition;
  LogRecord out;
  out.key = key.ToBytes();
  if (!record.value.has_value()) return out;
  kafka::OffsetCommitValue value;
  value.offset = record.value->offset;
  value.leader_epoch = record.value->leader_epoch;
  value.metadata = record.value->metadata;
  value.commit_timestamp = record.value->commit_time;
  value.expire_timestamp = record.value->expire_time;
  value.topic_id = record.value->topic_id;
  int16_t version = value.topic_id.is_zero() ? kOffsetVersion : kOffsetWithTopicIdVersion;
  if (value.expire_timestamp >= 0) version = kExpiringOffsetVersion;
  out.value = value.ToBytes(version);
  return out;
}

LogRecord EncodeRecord(const GroupRecord& record) {
  kafka::GroupMetadataKey key;
  key.group = record.group_id;
  LogRecord out;
  out.key = key.ToBytes();
  if (!record.value.has_value()) return out;
  kafka::GroupMetadataValue value;
  value.protocol_type = record.value->protocol_type;
  value.generation = record.value->generation;
  value.protocol = record.value->protocol;
  value.leader = record.value->leader;
  value.current_state_timestamp = record.value->state_time;
  for (const auto& member : record.value->members) {
    auto& stored = value.members.emplace_back();
    stored.member_id = member.member_id;
    stored.group_instance_id = member.instance_id;
    stored.client_id = member.client_id;
    stored.client_host = member.client_host;
    stored.rebalance_timeout = ToMillis(member.rebalance_timeout);
    stored.session_timeout = ToMillis(member.session_timeout);
    stored.subscription = member.subscription;
    stored.assignment = member.assignment;
  }
  out.value = value.ToBytes(kGroupVersion);
  return out;
}

absl::StatusOr<CoordinatorRecord> DecodeRecord(const LogRecord& record) {
  const SharedBytes key_bytes = SharedBytes::Copy(record.key);
  kafka::Reader peek(key_bytes);
  const int16_t type = peek.Int16();
  Q_RETURN_IF_ERROR(peek.status());
  if (type == kafka::GroupMetadataKey::kRecordType) {
    Q_ASSIGN_OR_RETURN(const auto key, kafka::GroupMetadataKey::FromBytes(key_bytes));
    GroupRecord out{key.group, std::nullopt};
    if (record.value.has_value()) {
      Q_ASSIGN_OR_RETURN(const auto value,
                         kafka::GroupMetadataValue::FromBytes(SharedBytes::Copy(*record.value)));
      out.value = ToSnapshot(value);
    }
    return CoordinatorRecord(std::move(out));
  }
  Q_ASSIGN_OR_RETURN(const auto key, kafka::OffsetCommitKey::FromBytes(key_bytes));
  OffsetRecord out{key.group, {key.topic, key.partition}, std::nullopt};
  if (record.value.has_value()) {
    Q_ASSIGN_OR_RETURN(const auto value,
                       kafka::OffsetCommitValue::FromBytes(SharedBytes::Copy(*record.value)));
    out.value = ToOffset(value);
  }
  return CoordinatorRecord(std::move(out));
}

}  // namespace quorate
