#include "raft/recovery_point_file.h"

#include <array>

#include "base/status_macros.h"
#include "raft/big_endian.h"
#include "storage/crc32c.h"

namespace quorate {
namespace {

constexpr int64_t kSlotStride = 512;      // what a disk writes in one piece
constexpr size_t kSlotBytes = 8 + 8 + 4;  // sequence, index, crc

}  // namespace

absl::StatusOr<std::unique_ptr<RecoveryPointFile>> RecoveryPointFile::Open(
    FileSystem* file_system, const std::string& path) {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, file_system->Open(path, OpenMode::kCreate));
  auto result = std::unique_ptr<RecoveryPointFile>(new RecoveryPointFile(file));
  for (int slot = 0; slot < 2; ++slot) {
    std::array<char, kSlotBytes> buffer;
    Q_ASSIGN_OR_RETURN(const size_t length,
                       file->ReadAt(slot * kSlotStride, buffer.data(), buffer.size()));
    const std::string_view bytes(buffer.data(), length);
    if (length < kSlotBytes || ReadBigEndian<uint32_t>(bytes, 16) != Crc32c(bytes.substr(0, 16))) {
      continue;
    }
    const auto sequence = ReadBigEndian<uint64_t>(bytes, 0);
    const auto index = static_cast<int64_t>(ReadBigEndian<uint64_t>(bytes, 8));
    if (sequence > result->sequence_ && index >= 0) {
      result->sequence_ = sequence;
      result->point_ = LogIndex(index);
    }
  }
  return result;
}

absl::Status RecoveryPointFile::Write(LogIndex point) {
  std::string bytes;
  AppendBigEndian<uint64_t>(++sequence_, &bytes);
  AppendBigEndian<uint64_t>(static_cast<uint64_t>(point.value()), &bytes);
  AppendBigEndian<uint32_t>(Crc32c(bytes), &bytes);
  const std::string_view piece = bytes;
  Q_RETURN_IF_ERROR(
      file_->WriteAt(static_cast<int64_t>(sequence_ % 2) * kSlotStride, std::span(&piece, 1)));
  point_ = point;
  return absl::OkStatus();
}

}  // namespace quorate
