// tests/sim/clients/group_member.h
//
// SimGroupMember: a member of a consumer group: finds the coordinator, joins, shares the partitions
// out if it is the leader, and, while it owns some, reads what is committed for them and commits
// ever higher numbers. After a call without an answer it joins anew as another member: what it sent
// may still arrive, and then must be refused. Alone in its group it needs no protocol: it commits
// for all partitions under the group's name (a simple consumer).
//
// Everything happens on its process' loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proto/kafka/error.h"
#include "proto/kafka/messages/join_group.h"
#include "proto/kafka/messages/offset_fetch.h"
#include "proto/kafka/messages/sync_group.h"
#include "tests/sim/clients/group_history.h"
#include "tests/sim/clients/history.h"
#include "tests/sim/clients/sim_client.h"

namespace quorate::sim {

class SimGroupMember {
 public:
  SimGroupMember(SimClient& client, std::string group, bool alone,
                 std::vector<PartitionName> partitions, History& history, GroupHistory& groups);

  Process& process() { return client_.process(); }
  const std::string& group() const { return group_; }
  void Start();
  // Joins anew and reads again what is committed for all it then owns.
  void Audit();
  // Partitions whose committed offset it read since it started, or since Audit.
  const std::set<PartitionName>& audited() const { return audited_; }
  // The coordinator was found once: the topic of offsets exists.
  bool found_coordinator() const { return coordinator_ >= 0 || ever_found_; }
  uint64_t commits() const { return commits_; }
  uint64_t joins() const { return joins_; }
  const std::string& last_error() const { return last_error_; }

 private:
  void Next(Micros delay, std::function<void()> step);
  void FindCoordinator();
  void Join();
  void OnJoined(const kafka::JoinGroupResponse& response);
  void Sync(const kafka::JoinGroupResponse& joined);
  void OnSynced(const kafka::SyncGroupResponse& response);
  void FetchCommitted();
  void OnCommitted(const kafka::OffsetFetchResponse& response,
                   const std::map<PartitionName, int64_t>& floors);
  void Work();
  void Heartbeat();
  void Commit();
  // The answer to a call has an error: goes on where that leaves it.
  void OnError(const char* what, kafka::KafkaError error);
  // A call had no answer: nothing that was sent may count from now on.
  void StartOver(const absl::Status& why);
  template <typename Request, typename Response>
  void Call(int16_t version, const Request& request, std::function<void(const Response&)> then);

  SimClient& client_;
  const std::string group_;
  const bool alone_;
  const std::vector<PartitionName> partitions_;
  History& history_;
  GroupHistory& groups_;
  int32_t coordinator_ = -1;
  bool ever_found_ = false;
  std::string member_;
  int32_t generation_ = -1;
  std::map<PartitionName, int64_t> owned_;  // with the number last committed or read; -1 = none
  uint64_t attempt_ = 0;                    // tells steps and answers of earlier attempts
  std::set<PartitionName> audited_;
  uint64_t commits_ = 0;
  uint64_t joins_ = 0;
  std::string last_error_ = "no answer yet";
};

}  // namespace quorate::sim
