// raft/core/snapshot_download.h
//
// SnapshotDownload is a snapshot on its way from the leader to a follower or an observer: pieces
// are asked for one after the other, then all is checked, then it is installed.
//
// It belongs to one leader in one term: pieces of two leaders are never put together (scenario E7),
// as equal states need not be equal files.
//
// Thread-compatible: owned by a RaftCore.
// Source: KIP-630.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "raft/core/messages.h"

namespace quorate::raft {

struct SnapshotDownload {
  uint64_t number = 0;  // names it to the driver; rising
  NodeId leader = kNoNode;
  Term term;
  SnapshotId snapshot;
  int64_t size = -1;      // of the whole, in bytes; -1: not known yet
  int64_t position = 0;   // how much has come
  bool checking = false;  // all of it has come; the driver looks it through
};

}  // namespace quorate::raft
