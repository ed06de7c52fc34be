// proto/kafka/api.h
//
// The Kafka APIs this codec knows: keys, names, version ranges, and which header versions they use.
//
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace quorate::kafka {

// Numbers as in the protocol.
enum class ApiKey : int16_t {
  kProduce = 0,
  kFetch = 1,
  kListOffsets = 2,
  kMetadata = 3,
  kOffsetCommit = 8,
  kOffsetFetch = 9,
  kFindCoordinator = 10,
  kJoinGroup = 11,
  kHeartbeat = 12,
  kLeaveGroup = 13,
  kSyncGroup = 14,
  kDescribeGroups = 15,
  kListGroups = 16,
  kApiVersions = 18,
  kCreateTopics = 19,
  kDeleteTopics = 20,
  kInitProducerId = 22,
  kOffsetForLeaderEpoch = 23,
  kDescribeConfigs = 32,
  kCreatePartitions = 37,
  kDeleteGroups = 42,
  kIncrementalAlterConfigs = 44,
  kDescribeQuorum = 55,
  kDescribeCluster = 60,
  kDescribeTopicPartitions = 75,
  kAddRaftVoter = 80,
  kRemoveRaftVoter = 81,
};

// Versions of one API; all ranges are inclusive.
struct ApiVersionRange {
  ApiKey key;
  std::string_view name;
  int16_t min_version;        // advertised
  int16_t max_version;        // advertised, and the last the codec knows
  int16_t codec_min_version;  // >= min_version: Produce is advertised from 0, served from 3
  int16_t first_flexible_version;

  // Whether a request of `version` can be decoded.
  bool Decodes(int16_t version) const {
    return version >= codec_min_version && version <= max_version;
  }
};

// All APIs, by key.
std::span<const ApiVersionRange> ApiTable();

// The row of `key`; null if the codec does not know it.
const ApiVersionRange* FindApi(int16_t key);
const ApiVersionRange& ApiFor(ApiKey key);

// 2 from the API's first flexible version on, else 1.
int16_t RequestHeaderVersion(ApiKey key, int16_t version);
// 1 from the API's first flexible version on, else 0; always 0 for ApiVersions.
int16_t ResponseHeaderVersion(ApiKey key, int16_t version);

}  // namespace quorate::kafka
