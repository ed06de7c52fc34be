#include "raft/voters_record.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/big_endian.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

constexpr char kFileName[] = "/bootstrap-voters";

absl::Status BadRecord(std::string_view what) {
  return absl::DataLossError(absl::StrFormat("a voters record %s", what));
}

absl::StatusOr<Uuid> DirectoryOf(const std::string& bytes) {
  if (bytes.size() != 16) return BadRecord("with a directory id that is not of 16 bytes");
  return Uuid::FromBytes(bytes);
}

}  // namespace

std::string EncodeVoters(const raft::VoterSet& voters) {
  pb::VotersRecord record;
  for (const auto& [node, voter] : voters.voters()) {
    pb::Voter* out = record.add_voters();
    out->set_node_id(node.value());
    out->set_directory_id(voter.directory.ToBytes());
    out->mutable_address()->set_host(voter.endpoint.host);
    out->mutable_address()->set_port(voter.endpoint.port);
  }
  for (const raft::ReplicaKey& key : voters.removed()) {
    pb::ReplicaKey* out = record.add_removed();
    out->set_node_id(key.node.value());
    out->set_directory_id(key.directory.ToBytes());
  }
  return record.SerializeAsString();
}

absl::StatusOr<raft::VoterSet> DecodeVoters(std::string_view bytes) {
  pb::VotersRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadRecord("that cannot be read");
  }
  std::map<NodeId, raft::Voter> voters;
  for (const pb::Voter& in : record.voters()) {
    if (in.node_id() < 0) return BadRecord("with a voter of no node id");
    raft::Voter voter;
    Q_ASSIGN_OR_RETURN(voter.directory, DirectoryOf(in.directory_id()));
    voter.endpoint = {in.address().host(), in.address().port()};
    if (!voters.emplace(NodeId(in.node_id()), voter).second) {
      return BadRecord("that names a node twice");
    }
  }
  if (voters.empty()) return BadRecord("that names nobody");
  std::vector<raft::ReplicaKey> removed;
  for (const pb::ReplicaKey& in : record.removed()) {
    Q_ASSIGN_OR_RETURN(const Uuid directory, DirectoryOf(in.directory_id()));
    removed.push_back({NodeId(in.node_id()), directory});
  }
  return raft::VoterSet(std::move(voters), std::move(removed));
}

std::string EncodeVotersBatch(const raft::VoterSet& voters, Term term, WallMillis now) {
  BatchOptions options;
  options.leader_epoch = LeaderEpoch(term.value());
  options.control = true;
  RecordBatchBuilder builder(options);
  builder.AddControl(now, ControlRecordType::kRaftVoters, EncodeVoters(voters));
  return builder.Build();
}

absl::StatusOr<std::shared_ptr<const raft::VoterSet>> VotersOf(const RecordBatchView& batch) {
  if (!batch.is_control()) return std::shared_ptr<const raft::VoterSet>();
  Q_ASSIGN_OR_RETURN(RecordIterator records, RecordIterator::Open(batch));
  Q_ASSIGN_OR_RETURN(const std::optional<Record> record, records.Next());
  // A control record's key: version and type, two bytes each.
  if (!record || !record->key || record->key->size() < 4 || !record->value) {
    return absl::DataLossError(
        absl::StrFormat("the control record at %d is malformed", batch.base_offset().value()));
  }
  const auto type = static_cast<ControlRecordType>(ReadBigEndian<uint16_t>(*record->key, 2));
  if (type != ControlRecordType::kRaftVoters) return std::shared_ptr<const raft::VoterSet>();
  Q_ASSIGN_OR_RETURN(raft::VoterSet voters, DecodeVoters(*record->value));
  return std::make_shared<const raft::VoterSet>(std::move(voters));
}

absl::StatusOr<std::optional<raft::VoterSet>> ReadBootstrapVoters(
    FileSystem* file_system, const std::string& log_directory) {
  const std::string path = log_directory + kFileName;
  if (!file_system->Exists(path)) return std::optional<raft::VoterSet>();
  Q_ASSIGN_OR_RETURN(const std::string bytes, file_system->ReadFile(path, 1 << 20));
  const auto damaged = [&path](std::string_view what) {
    return absl::DataLossError(absl::StrFormat(
        "%s: %s: this node cannot know who votes; format it again, or copy the file from another "
        "of the first controllers",
        path, what));
  };
  const auto batches = ValidateBatches(bytes, BatchLimits{}, BatchOrigin{});
  if (!batches.ok()) return damaged(std::string(batches.status().message()));
  if (batches->size() != 1) return damaged("one batch expected");
  const auto voters = VotersOf(batches->front());
  if (!voters.ok()) return damaged(std::string(voters.status().message()));
  if (*voters == nullptr) return damaged("a voters record expected");
  return std::optional<raft::VoterSet>(**voters);
}

absl::Status WriteBootstrapVoters(FileSystem* file_system, const std::string& log_directory,
                                  const raft::VoterSet& voters) {
  Q_RETURN_IF_ERROR(file_system->CreateDirectories(log_directory));
  // The directory itself has to survive, too: what a node would find without it is no voters.
  Q_RETURN_IF_ERROR(file_system->SyncDirectory(log_directory.substr(0, log_directory.rfind('/'))));
  return file_system->WriteFileAtomically(log_directory + kFileName,
                                          EncodeVotersBatch(voters, Term(0), 0));
}

}  // namespace quorate
