// broker/group/group_records.h
//
// The records of __consumer_offsets, as a Kafka 4.3.1 broker writes and reads them.
//
//   key (type 1) group, topic, partition -> offset, leader epoch, metadata, times, topic id
//   key (type 2) group                   -> protocol, generation, leader, members
//   no value: a tombstone
//
// Written: offsets in version 4 (with the topic id), 1 if they carry an expiry of their own, else
// 3; groups in version 3. Read: 0..4 of both.
//
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "broker/group/group.h"
#include "broker/group/group_requests.h"
#include "broker/group/offsets_log.h"

namespace quorate {

// A record of an offset; nullopt = deleted.
struct OffsetRecord {
  std::string group_id;
  OffsetKey key;
  std::optional<CommittedOffset> value;
};
// A record of a group; nullopt = deleted.
struct GroupRecord {
  std::string group_id;
  std::optional<GroupSnapshot> value;
};
using CoordinatorRecord = std::variant<OffsetRecord, GroupRecord>;

LogRecord EncodeRecord(const OffsetRecord& record);
LogRecord EncodeRecord(const GroupRecord& record);

// The returned values own their bytes.
// ERRORS: kUnimplemented for a record type or value version that is not known (nothing may be
// concluded from it); kInvalidArgument for bytes that do not decode.
absl::StatusOr<CoordinatorRecord> DecodeRecord(const LogRecord& record);

}  // namespace quorate
