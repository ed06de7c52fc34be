#include "raft/quorum_state_file.h"

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/big_endian.h"
#include "storage/crc32c.h"

namespace quorate {
namespace {

constexpr std::string_view kMagic = "QRQS";
constexpr uint16_t kVersion = 1;
constexpr size_t kHeaderBytes = 4 + 2 + 4;  // magic, version, length
constexpr size_t kCrcBytes = 4;

}  // namespace

std::string EncodeQuorumState(const raft::HardState& state) {
  pb::ElectionState message;
  message.set_term(state.term.value());
  message.set_voted_for(state.voted_for.node.value());
  if (state.voted_for.node != kNoNode) {
    message.set_voted_for_directory_id(state.voted_for.directory.ToBytes());
  }
  message.set_leader_id(state.leader.value());
  const std::string payload = message.SerializeAsString();
  std::string bytes(kMagic);
  AppendBigEndian<uint16_t>(kVersion, &bytes);
  AppendBigEndian<uint32_t>(static_cast<uint32_t>(payload.size()), &bytes);
  bytes += payload;
  AppendBigEndian<uint32_t>(Crc32c(bytes), &bytes);
  return bytes;
}

absl::StatusOr<raft::HardState> DecodeQuorumState(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kCrcBytes || bytes.substr(0, 4) != kMagic) {
    return absl::DataLossError("no quorum state record at position 0");
  }
  const size_t crc_at = bytes.size() - kCrcBytes;
  if (ReadBigEndian<uint32_t>(bytes, crc_at) != Crc32c(bytes.substr(0, crc_at))) {
    return absl::DataLossError(absl::StrFormat("checksum at position %d does not fit", crc_at));
  }
  const auto version = ReadBigEndian<uint16_t>(bytes, 4);
  if (version != kVersion) {
    return absl::DataLossError(absl::StrFormat("version %d at position 4 is not known", version));
  }
  pb::ElectionState message;
  if (ReadBigEndian<uint32_t>(bytes, 6) != crc_at - kHeaderBytes ||
      !message.ParseFromArray(bytes.data() + kHeaderBytes,
                              static_cast<int>(crc_at - kHeaderBytes)) ||
      message.term() < 0) {
    return absl::DataLossError("the record at position 10 is malformed");
  }
  raft::HardState state;
  state.term = Term(message.term());
  state.voted_for.node = NodeId(message.voted_for());
  if (message.voted_for_directory_id().size() == 16) {
    state.voted_for.directory = Uuid::FromBytes(message.voted_for_directory_id());
  }
  state.leader = NodeId(message.leader_id());
  return state;
}

absl::StatusOr<std::optional<raft::HardState>> ReadQuorumState(FileSystem* file_system,
                                                               const std::string& path) {
  if (!file_system->Exists(path)) return std::optional<raft::HardState>();
  Q_ASSIGN_OR_RETURN(const std::string bytes, file_system->ReadFile(path, 1 << 16));
  auto state = DecodeQuorumState(bytes);
  if (!state.ok()) {
    return absl::DataLossError(
        absl::StrFormat("%s: %s", path, std::string(state.status().message())));
  }
  return std::optional<raft::HardState>(*state);
}

absl::Status WriteQuorumState(FileSystem* file_system, const std::string& path,
                              const raft::HardState& state) {
  return file_system->WriteFileAtomically(path, EncodeQuorumState(state));
}

}  // namespace quorate
