#include "storage/log_files.h"

#include "absl/strings/str_format.h"
#include "storage/checkpoint_text.h"

namespace quorate {
namespace {
constexpr std::string_view kMetadataStart = "version: 0\ntopic_id: ";
}  // namespace

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string PartitionMetadataText(const Uuid& topic_id) {
  return std::string(kMetadataStart) + topic_id.ToString();
}

std::optional<Uuid> ParsePartitionMetadata(std::string_view text) {
  if (!text.starts_with(kMetadataStart)) return std::nullopt;
  text.remove_prefix(kMetadataStart.size());
  while (text.ends_with('\n')) text.remove_suffix(1);
  return Uuid::Parse(text);
}

std::string TruncationMarkText(const TruncationMark& mark) {
  return absl::StrFormat("0\n2\nend %d\nstart %d\n", mark.end.value(), mark.start.value());
}

std::optional<TruncationMark> ParseTruncationMark(std::string_view text) {
  const auto lines = CheckpointLines(text);
  if (!lines.ok() || lines->size() != 2) return std::nullopt;
  std::string_view first = (*lines)[0];
  std::string_view second = (*lines)[1];
  int64_t end = 0;
  int64_t start = 0;
  if (!TakeLastNumber(&first, &end) || first != "end" || end < 0 ||
      !TakeLastNumber(&second, &start) || second != "start" || start < -1) {
    return std::nullopt;
  }
  return TruncationMark{Offset(end), Offset(start)};
}

}  // namespace quorate
