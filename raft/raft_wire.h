// raft/raft_wire.h
//
// The core's messages as serialised Protocol Buffers (proto/quorate/raft.proto) and back. What
// comes from a peer is checked for range here: terms and indexes are not negative, directory ids
// have 16 bytes or none.
//
// Pure. Parsing gives kInvalidArgument for what is malformed, and kFailedPrecondition for a
// request of another cluster (scenario C29).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "raft/core/messages.h"

namespace quorate {

std::string Serialise(const raft::VoteRequest& message, const std::string& cluster_id);
std::string Serialise(const raft::FetchRequest& message, const std::string& cluster_id);
std::string Serialise(const raft::BeginTermRequest& message, const std::string& cluster_id);
std::string Serialise(const raft::EndTermRequest& message, const std::string& cluster_id);
std::string Serialise(const raft::FetchSnapshotRequest& message, const std::string& cluster_id);
std::string Serialise(const raft::VoteResponse& message);
// `batches` travel as they are.
std::string Serialise(const raft::FetchResponse& message, std::string_view batches);
std::string Serialise(const raft::FetchSnapshotResponse& message, std::string_view piece);
std::string Serialise(const raft::BeginTermResponse& message);
std::string Serialise(const raft::EndTermResponse& message);

absl::Status Parse(std::string_view bytes, const std::string& cluster_id, raft::VoteRequest* out);
absl::Status Parse(std::string_view bytes, const std::string& cluster_id, raft::FetchRequest* out);
absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::BeginTermRequest* out);
absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::EndTermRequest* out);
absl::Status Parse(std::string_view bytes, const std::string& cluster_id,
                   raft::FetchSnapshotRequest* out);
absl::Status Parse(std::string_view bytes, raft::VoteResponse* out);
// Checks the CRCs of the batches too and fills out->batches from them; the bytes go to `batches`.
absl::Status Parse(std::string_view bytes, raft::FetchResponse* out, SharedBytes* batches);
// The piece's bytes go to `piece`.
absl::Status Parse(std::string_view bytes, raft::FetchSnapshotResponse* out, SharedBytes* piece);
absl::Status Parse(std::string_view bytes, raft::BeginTermResponse* out);
absl::Status Parse(std::string_view bytes, raft::EndTermResponse* out);

}  // namespace quorate
