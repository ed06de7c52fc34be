#include "broker/group/group_shard.h"

#include <glog/logging.h>

#include "base/check.h"

namespace quorate {

GroupSlot* GroupShard::Find(const std::string& group_id) {
  const auto it = slots_.find(group_id);
  return it == slots_.end() ? nullptr : it->second.get();
}

GroupSlot& GroupShard::FindOrAdd(const std::string& group_id) {
  auto& slot = slots_[group_id];
  if (slot == nullptr) slot = std::make_unique<GroupSlot>(group_id, limits_);
  return *slot;
}

void GroupShard::Replay(const LogRecord& record) {
  const auto decoded = DecodeRecord(record);
  if (!decoded.ok()) {
    // A newer broker wrote it, or it is damaged. Guessing could give a wrong offset; the rest of
    // the partition is good.
    if (++skipped_records_ <= 10) {
      LOG(WARNING) << "offsets partition " << partition_
                   << ": a record is skipped: " << decoded.status().message();
    }
    return;
  }
  if (const auto* offset = std::get_if<OffsetRecord>(&*decoded)) {
    ReplayOffset(*offset);
  } else {
    ReplayGroup(std::get<GroupRecord>(*decoded));
  }
}

void GroupShard::ReplayOffset(const OffsetRecord& record) {
  if (record.value.has_value()) {
    FindOrAdd(record.group_id).offsets[record.key] = *record.value;
  } else if (GroupSlot* slot = Find(record.group_id); slot != nullptr) {
    slot->offsets.erase(record.key);
  }
}

void GroupShard::ReplayGroup(const GroupRecord& record) {
  if (active_) {
    // Living groups know their members themselves.
    FindOrAdd(record.group_id).recorded = record.value.has_value();
    return;
  }
  GroupSlot& slot = FindOrAdd(record.group_id);
  slot.loaded = record.value;
  slot.recorded = record.value.has_value();
}

void GroupShard::Activate(GroupTime time) {
  QCHECK(!active_);
  active_ = true;
  for (auto it = slots_.begin(); it != slots_.end();) {
    GroupSlot& slot = *it->second;
    if (slot.loaded.has_value()) {
      slot.group = Group(it->first, limits_, *slot.loaded, time);
      slot.loaded.reset();
    }
    it = slot.IsBlank() ? slots_.erase(it) : std::next(it);
  }
}

}  // namespace quorate
