// Committed offsets: commit, fetch, expiry, deletion of groups and topics.
#include <glog/logging.h>

#include <set>
#include <utility>

#include "base/check.h"
#include "broker/group/group_coordinator.h"

namespace quorate {

using kafka::KafkaError;

namespace {

int64_t ToMillis(Micros time) { return std::chrono::duration_cast<Millis>(time).count(); }

}  // namespace

void GroupCoordinator::Commit(const CommitRequest& request,
                              absl::AnyInvocable<void(std::vector<KafkaError>)> done) {
  std::vector<KafkaError> errors(request.entries.size(), KafkaError::kNone);
  const auto refuse = [&](KafkaError error) {
    errors.assign(errors.size(), error);
    done(std::move(errors));
  };
  GroupShard* shard = nullptr;
  KafkaError error = Locate(request.group_id, &shard);
  if (error != KafkaError::kNone) return refuse(error);
  GroupSlot* slot = shard->Find(request.group_id);
  if (slot == nullptr && request.generation >= 0) return refuse(KafkaError::kIllegalGeneration);
  const GroupTime time = Time();
  if (slot != nullptr) {
    error =
        slot->group.CheckCommit({request.member_id, request.instance_id}, request.generation, time);
    if (error != KafkaError::kNone) return refuse(error);
  }
  std::vector<LogRecord> records;
  for (size_t i = 0; i < request.entries.size(); ++i) {
    const auto& entry = request.entries[i];
    if (entry.metadata.size() > options_.offset_metadata_max_bytes) {
      errors[i] = KafkaError::kOffsetMetadataTooLarge;
      continue;
    }
    CommittedOffset offset;
    offset.offset = entry.offset;
    offset.leader_epoch = entry.leader_epoch;
    offset.metadata = entry.metadata;
    offset.commit_time = time.wall;
    if (request.retention >= Micros(0)) {
      offset.expire_time = time.wall + ToMillis(request.retention);
    }
    offset.topic_id = entry.topic_id;
    records.push_back(EncodeRecord(OffsetRecord{request.group_id, entry.key, std::move(offset)}));
  }
  if (records.empty()) return done(std::move(errors));
  if (slot == nullptr) slot = &shard->FindOrAdd(request.group_id);
  ++slot->pending_writes;
  env_.log->Append(shard->partition(), shard->epoch(), records,
                   [this, alive = alive_, partition = shard->partition(), shard_id = shard->id(),
                    group_id = request.group_id, records, errors = std::move(errors),
                    done = std::move(done)](const absl::Status& status) mutable {
                     if (!*alive) return;
                     const WriteOutcome outcome = OutcomeOf(status);
                     OnRecordsWritten(partition, shard_id, group_id, records, outcome);
                     for (KafkaError& entry : errors) {
                       if (entry == KafkaError::kNone) entry = outcome.error;
                     }
                     done(std::move(errors));
                   });
}

// An append of `records` of one group ended: what is committed becomes visible, in log order.
void GroupCoordinator::OnRecordsWritten(PartitionIndex partition, uint64_t shard_id,
                                        const std::string& group_id,
                                        const std::vector<LogRecord>& records,
                                        const WriteOutcome& outcome) {
  GroupShard* shard = FindShard(partition, shard_id);
  if (shard == nullptr) return;
  GroupSlot* slot = shard->Find(group_id);
  QCHECK(slot != nullptr);
  --slot->pending_writes;
  if (outcome.error == KafkaError::kNone) {
    for (const LogRecord& record : records) shard->Replay(record);
  }
  if (outcome.reload) return Reload(partition);
  ForgetIfBlank(*shard, group_id);
}

GroupCoordinator::FetchedOffsets GroupCoordinator::FetchOffsets(
    const std::string& group_id, const std::optional<std::vector<OffsetKey>>& keys) const {
  FetchedOffsets fetched;
  GroupShard* shard = nullptr;
  fetched.error = Locate(group_id, &shard);
  if (fetched.error != KafkaError::kNone) return fetched;
  const GroupSlot* slot = shard->Find(group_id);
  if (!keys.has_value()) {
    if (slot == nullptr) return fetched;
    for (const auto& [key, offset] : slot->offsets) fetched.offsets.emplace_back(key, offset);
    return fetched;
  }
  for (const OffsetKey& key : *keys) {
    std::optional<CommittedOffset> offset;
    if (slot != nullptr) {
      if (const auto it = slot->offsets.find(key); it != slot->offsets.end()) offset = it->second;
    }
    fetched.offsets.emplace_back(key, std::move(offset));
  }
  return fetched;
}

void GroupCoordinator::Delete(const std::string& group_id,
                              absl::AnyInvocable<void(KafkaError)> done) {
  GroupShard* shard = nullptr;
  const KafkaError error =
      group_id.empty() ? KafkaError::kInvalidGroupId : Locate(group_id, &shard);
  if (error != KafkaError::kNone) return done(error);
  GroupSlot* slot = shard->Find(group_id);
  if (slot == nullptr || slot->group.state() == GroupState::kDead) {
    return done(KafkaError::kGroupIdNotFound);
  }
  if (!slot->group.IsIdle()) return done(KafkaError::kNonEmptyGroup);
  // Writes that are still under way come before the tombstones in the log, and offsets they bring
  // are not among these: they keep the group.
  if (slot->pending_writes > 0) return done(KafkaError::kNonEmptyGroup);
  std::vector<OffsetKey> keys;
  for (const auto& [key, offset] : slot->offsets) keys.push_back(key);
  Remove(*shard, *slot, keys, /*whole=*/true, std::move(done));
}

void GroupCoordinator::Remove(GroupShard& shard, GroupSlot& slot,
                              const std::vector<OffsetKey>& keys, bool whole, AfterWrites done) {
  const std::string group_id = slot.group.id();
  std::vector<LogRecord> records;
  for (const OffsetKey& key : keys) {
    records.push_back(EncodeRecord(OffsetRecord{group_id, key, std::nullopt}));
  }
  if (whole) {
    records.push_back(EncodeRecord(GroupRecord{group_id, std::nullopt}));
    slot.group.MarkDead();
  }
  QCHECK(!records.empty());
  ++slot.pending_writes;
  env_.log->Append(
      shard.partition(), shard.epoch(), records,
      [this, alive = alive_, partition = shard.partition(), shard_id = shard.id(), group_id,
       records, whole, done = std::move(done)](const absl::Status& status) mutable {
        if (!*alive) return;
        if (GroupShard* current = FindShard(partition, shard_id); whole && current != nullptr) {
          // Empty again; with its records gone it is forgotten.
          current->Find(group_id)->group.Revive();
        }
        const WriteOutcome outcome = OutcomeOf(status);
        OnRecordsWritten(partition, shard_id, group_id, records, outcome);
        if (done) done(outcome.error);
      });
}

bool GroupCoordinator::IsExpired(const GroupSlot& slot, const CommittedOffset& offset,
                                 WallMillis wall) const {
  if (offset.expire_time >= 0) return offset.expire_time <= wall;
  // A group's offsets live on for the retention time after its last member left (K4, KIP-211).
  const WallMillis since = std::max(offset.commit_time, slot.group.state_time());
  // Stored times may be anything.
  return since <= wall &&
         wall - std::max<WallMillis>(since, 0) >= ToMillis(options_.offsets_retention);
}

void GroupCoordinator::CleanUp() {
  cleanup_timer_ = env_.loop->RunAfter(options_.offsets_check_interval, [this] { CleanUp(); });
  const ImagePtr image = env_.images->image();
  const WallMillis wall = Time().wall;
  struct Removal {
    PartitionIndex partition;
    uint64_t shard_id;
    std::string group_id;
    std::vector<OffsetKey> keys;
    bool whole;
  };
  std::vector<Removal> removals;
  for (auto& [partition, shard] : shards_) {
    if (!shard->active()) continue;
    for (auto& [id, slot] : shard->slots()) {
      // Only who has nobody in it and nothing on its way to the log.
      if (!slot->group.IsIdle() || slot->pending_writes > 0) continue;
      std::vector<OffsetKey> keys;
      for (const auto& [key, offset] : slot->offsets) {
        if (IsExpired(*slot, offset, wall)) keys.push_back(key);
      }
      const bool whole = keys.size() == slot->offsets.size();
      if (whole || !keys.empty()) removals.push_back({partition, shard->id(), id, keys, whole});
    }
  }
  for (const Removal& removal : removals) {
    GroupShard* shard = FindShard(removal.partition, removal.shard_id);
    GroupSlot* slot = shard == nullptr ? nullptr : shard->Find(removal.group_id);
    if (slot == nullptr || !slot->group.IsIdle() || slot->pending_writes > 0) continue;
    LOG(INFO) << "group " << removal.group_id << ": " << removal.keys.size() << " offsets expired"
              << (removal.whole ? ", the group goes with them" : "");
    Remove(*shard, *slot, removal.keys, removal.whole, nullptr);
  }
}

void GroupCoordinator::OnImage(const MetadataDelta& delta) {
  if (delta.topics_deleted.empty()) return;
  std::map<std::string, Uuid> deleted;
  for (const Uuid& id : delta.topics_deleted) {
    const TopicImage* topic = delta.previous->FindTopic(id);
    if (topic != nullptr) deleted.emplace(topic->name, id);
  }
  struct Removal {
    PartitionIndex partition;
    uint64_t shard_id;
    std::string group_id;
    std::vector<OffsetKey> keys;
  };
  std::vector<Removal> removals;
  for (auto& [partition, shard] : shards_) {
    if (!shard->active()) continue;
    for (auto& [id, slot] : shard->slots()) {
      Removal removal{partition, shard->id(), id, {}};
      for (const auto& [key, offset] : slot->offsets) {
        const auto it = deleted.find(key.topic);
        if (it == deleted.end()) continue;
        // Offsets of a topic created anew under the name stay.
        if (offset.topic_id.is_zero() || offset.topic_id == it->second) removal.keys.push_back(key);
      }
      if (!removal.keys.empty()) removals.push_back(std::move(removal));
    }
  }
  for (const Removal& removal : removals) {
    GroupShard* shard = FindShard(removal.partition, removal.shard_id);
    GroupSlot* slot = shard == nullptr ? nullptr : shard->Find(removal.group_id);
    if (slot != nullptr) Remove(*shard, *slot, removal.keys, /*whole=*/false, nullptr);
  }
}

}  // namespace quorate
