#include "storage/offset_checkpoint_file.h"

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "storage/checkpoint_text.h"

namespace quorate {

absl::StatusOr<OffsetCheckpointFile::Offsets> OffsetCheckpointFile::Read() const {
  absl::StatusOr<std::string> text = file_system_->ReadFile(path_);
  if (absl::IsNotFound(text.status())) return Offsets();
  if (!text.ok()) return text.status();
  absl::StatusOr<std::vector<std::string_view>> lines = CheckpointLines(*text);
  if (!lines.ok()) {
    return absl::DataLossError(
        absl::StrFormat("%s: %s", path_, std::string(lines.status().message())));
  }
  Offsets offsets;
  for (std::string_view line : *lines) {
    int64_t offset = 0;
    int64_t partition = 0;
    if (!TakeLastNumber(&line, &offset) || !TakeLastNumber(&line, &partition) || line.empty() ||
        partition < 0 || partition > INT32_MAX || offset < 0) {
      return absl::DataLossError(absl::StrFormat("%s: malformed line", path_));
    }
    offsets[{std::string(line), PartitionIndex(static_cast<int32_t>(partition))}] = Offset(offset);
  }
  return offsets;
}

absl::Status OffsetCheckpointFile::Write(const Offsets& offsets) const {
  std::string text = absl::StrFormat("0\n%d\n", offsets.size());
  for (const auto& [key, offset] : offsets) {
    absl::StrAppendFormat(&text, "%s %d %d\n", key.first, key.second.value(), offset.value());
  }
  return file_system_->WriteFileAtomically(path_, text);
}

}  // namespace quorate
