#include "storage/recovery_point_file.h"

#include <array>

#include "base/status_macros.h"
#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace quorate {
namespace {

constexpr int64_t kSlotStride = 512;      // what a disk writes in one piece
constexpr size_t kSlotBytes = 8 + 8 + 4;  // sequence, point, crc

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
    if (length < kSlotBytes ||
        static_cast<uint32_t>(LoadBe32(&buffer[16])) != Crc32c(bytes.substr(0, 16))) {
      continue;
    }
    const int64_t sequence = LoadBe64(&buffer[0]);
    const int64_t point = LoadBe64(&buffer[8]);
    if (sequence > result->sequence_ && point >= 0) {
      result->sequence_ = sequence;
      result->point_ = Offset(point);
    }
  }
  return result;
}

absl::Status RecoveryPointFile::Write(Offset point) {
  std::string bytes;
  AppendBe64(&bytes, ++sequence_);
  AppendBe64(&bytes, point.value());
  AppendBe32(&bytes, static_cast<int32_t>(Crc32c(bytes)));
  const std::string_view piece = bytes;
  Q_RETURN_IF_ERROR(file_->WriteAt(sequence_ % 2 * kSlotStride, std::span(&piece, 1)));
  point_ = point;
  return absl::OkStatus();
}

}  // namespace quorate
