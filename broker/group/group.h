// broker/group/group.h
//
// Group is one classic consumer group: its members, generation and state. It answers who may do
// what; it knows neither clock nor log nor connections. Requests that wait are held as tickets
// that the owner chose; answers, and what has to be written, come out through GroupOutput.
//
//            member joins                all joined, or time is up
//   Empty ----------------> PreparingRebalance ----------------> CompletingRebalance
//     ^                       ^   |                                     | leader's assignment
//     | nobody left           |   +-- member joins, leaves, expires <---+ is written
//     +-----------------------+------------------------------------- Stable
//   Dead: being deleted.
//
// Pure. Its owner calls Tick when NextDeadline has come.
// Source: KIP-62, 134, 345, 394, 559, 814; scenarios K7..K9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "broker/group/group_requests.h"

namespace quorate {

enum class GroupState { kEmpty, kPreparingRebalance, kCompletingRebalance, kStable, kDead };

// As clients know it: "PreparingRebalance".
std::string_view ToString(GroupState state);

// Names a request that waits for its answer; kNone is none.
enum class GroupTicket : uint64_t { kNone = 0 };

struct GroupLimits {
  Micros min_session_timeout = std::chrono::seconds(6);      // group.min.session.timeout.ms
  Micros max_session_timeout = std::chrono::minutes(30);     // group.max.session.timeout.ms
  Micros initial_rebalance_delay = std::chrono::seconds(3);  // group.initial.rebalance.delay.ms
  size_t max_size = SIZE_MAX;                                // group.max.size
  // How long a new member whose join waits is believed without a sign of life.
  Micros new_member_timeout = std::chrono::minutes(5);
};

// A moment on both clocks.
struct GroupTime {
  MonoTime now;
  WallMillis wall = 0;
};

// What a group metadata record holds.
struct GroupSnapshot {
  struct Member {
    std::string member_id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    Micros session_timeout{0};
    Micros rebalance_timeout{0};
    SharedBytes subscription;
    SharedBytes assignment;
    bool operator==(const Member&) const = default;
  };
  std::string protocol_type;
  int32_t generation = 0;
  std::optional<std::string> protocol;
  std::optional<std::string> leader;
  WallMillis state_time = -1;
  std::vector<Member> members;  // by id
  bool operator==(const GroupSnapshot&) const = default;
};

// What a call brought about: answers to tickets, each at most once, and records to write. The
// owner reports each write's end to OnWritten.
struct GroupOutput {
  struct Join {
    GroupTicket ticket;
    JoinResult result;
  };
  struct Sync {
    GroupTicket ticket;
    SyncResult result;
  };
  struct Write {
    uint64_t id;
    GroupSnapshot snapshot;
  };
  std::vector<Join> joins;
  std::vector<Sync> syncs;
  std::vector<Write> writes;
};

class Group {
 public:
  // An empty group. `limits` outlives it.
  Group(std::string id, const GroupLimits* limits) : id_(std::move(id)), limits_(limits) {}
  // A group as its last record left it: stable if it has members, whose sessions begin anew.
  Group(std::string id, const GroupLimits* limits, const GroupSnapshot& snapshot, GroupTime time);

  // A member joins. `new_member_id` is its id if it has none. Answered now or when the rebalance
  // completes.
  void Join(const JoinRequest& request, const std::string& new_member_id, GroupTicket ticket,
            GroupTime time, GroupOutput& out);
  // A member asks for its assignment; the leader brings all of them. Answered once the assignment
  // is written.
  void Sync(const SyncRequest& request, GroupTicket ticket, GroupTime time, GroupOutput& out);
  // A sign of life. kRebalanceInProgress: rejoin.
  kafka::KafkaError Heartbeat(const MemberIdentity& member, int32_t generation, GroupTime time);
  // One outcome per member, in order.
  std::vector<kafka::KafkaError> Leave(const std::vector<MemberIdentity>& members, GroupTime time,
                                       GroupOutput& out);
  // Whether offsets may be committed; a member's commit is a sign of life too.
  kafka::KafkaError CheckCommit(const MemberIdentity& member, int32_t generation, GroupTime time);

  // Expires sessions and rebalances whose time is up.
  void Tick(GroupTime time, GroupOutput& out);
  // When Tick is due next; MonoTime::Max() if nothing waits.
  MonoTime NextDeadline() const;

  // The write `id` ended: kNone once committed.
  void OnWritten(uint64_t id, kafka::KafkaError error, GroupTime time, GroupOutput& out);

  // Empty -> Dead while the tombstones are written, and back if that failed.
  // REQUIRES: state() is kEmpty, or kDead for Revive.
  void MarkDead();
  void Revive();

  const std::string& id() const { return id_; }
  GroupState state() const { return state_; }
  int32_t generation() const { return generation_; }
  const std::string& protocol_type() const { return protocol_type_; }
  const std::optional<std::string>& leader() const { return leader_; }
  size_t size() const { return members_.size(); }
  bool HasMember(std::string_view member_id) const;
  // Nobody is in it or on the way in.
  bool IsIdle() const { return state_ == GroupState::kEmpty && pending_.empty(); }
  // Since when it is in its state; -1 if never written.
  WallMillis state_time() const { return state_time_; }

  GroupSnapshot Snapshot() const { return SnapshotWith({}); }
  GroupDescription Describe() const;

 private:
  struct Member {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string client_host;
    Micros session_timeout{0};
    Micros rebalance_timeout{0};
    std::vector<GroupProtocol> protocols;
    SharedBytes assignment;
    // Without a sign of life until then it is out; Max while a request of it waits.
    MonoTime session_deadline = MonoTime::Max();
    GroupTicket join = GroupTicket::kNone;  // set: has (re)joined the coming generation
    GroupTicket sync = GroupTicket::kNone;
    bool is_new = false;      // never had an answer to its join
    bool needs_sync = false;  // of the current generation
  };
  using Members = std::map<std::string, Member, std::less<>>;
  // A static member that came back while nothing else changed: answered once that is written.
  struct ReplacedStatic {
    GroupTicket ticket;
    JoinResult result;
  };

  // group_join.cc
  bool HasRoomFor(const JoinRequest& request) const;
  bool SupportsProtocols(const JoinRequest& request) const;
  void JoinNew(const JoinRequest& request, const std::string& id, GroupTicket ticket,
               GroupTime time, GroupOutput& out);
  void JoinKnown(const JoinRequest& request, GroupTicket ticket, GroupTime time, GroupOutput& out);
  void AddMember(const JoinRequest& request, const std::string& id, GroupTicket ticket,
                 GroupTime time, GroupOutput& out);
  void UpdateMember(Member& member, const JoinRequest& request);
  void Rejoin(Member& member, const JoinRequest& request, GroupTicket ticket, GroupTime time,
              GroupOutput& out);
  void ReplaceStatic(const JoinRequest& request, const std::string& id, GroupTicket ticket,
                     GroupTime time, GroupOutput& out);
  void ParkJoin(Member& member, GroupTicket ticket, GroupTime time, GroupOutput& out);
  JoinResult CurrentJoinResult(const Member& member) const;
  std::vector<JoinedMember> JoinedMembers() const;
  std::string SelectProtocol() const;

  // group.cc
  kafka::KafkaError Check(const MemberIdentity& member) const;
  kafka::KafkaError LeaveOne(const MemberIdentity& identity, GroupOutput& out);
  void RemoveMember(Members::iterator it, kafka::KafkaError error, GroupOutput& out);
  void AfterRemoval(GroupTime time, GroupOutput& out);
  void MaybePrepareRebalance(GroupTime time, GroupOutput& out);
  void PrepareRebalance(GroupTime time, GroupOutput& out);
  void MaybeCompleteJoin(GroupTime time, GroupOutput& out);
  void OnRebalanceDeadline(GroupTime time, GroupOutput& out);
  void CompleteJoin(GroupTime time, GroupOutput& out);
  bool ElectJoinedLeader();
  void AnswerSyncs(kafka::KafkaError error, GroupTime time, GroupOutput& out);
  void ExpireMissingSyncs(GroupTime time, GroupOutput& out);
  SyncResult SyncResultFor(const Member& member) const;
  Micros RebalanceTimeout() const;
  void SetState(GroupState state, GroupTime time);
  uint64_t Write(GroupSnapshot snapshot, GroupOutput& out);
  GroupSnapshot SnapshotWith(const std::map<std::string, SharedBytes>& assignments) const;

  std::string id_;
  const GroupLimits* limits_;
  GroupState state_ = GroupState::kEmpty;
  WallMillis state_time_ = -1;
  int32_t generation_ = 0;
  std::string protocol_type_;            // kept when the group becomes empty
  std::optional<std::string> protocol_;  // selected for this generation
  std::optional<std::string> leader_;    // a member, or none
  Members members_;
  std::map<std::string, std::string, std::less<>> static_ids_;  // instance id -> member id
  std::map<std::string, MonoTime, std::less<>> pending_;        // ids given out -> until when

  // PreparingRebalance: when it completes at the latest.
  MonoTime rebalance_deadline_ = MonoTime::Max();
  // The first rebalance after Empty waits for more members: whether it does, how much longer it
  // may be extended, whether anybody came since the last extension.
  bool initial_ = false;
  Micros initial_left_{0};
  bool newcomers_ = false;
  // CompletingRebalance, Stable: who has not synced by then is out.
  MonoTime sync_deadline_ = MonoTime::Max();

  uint64_t last_write_ = 0;
  uint64_t assignment_write_ = 0;  // the one that makes the group stable; 0 = none
  std::map<std::string, SharedBytes> pending_assignments_;
  std::map<uint64_t, ReplacedStatic> static_writes_;
};

}  // namespace quorate
