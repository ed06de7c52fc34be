#include "tests/sim/cluster/rot.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_format.h"
#include "storage/log_files.h"
#include "storage/offset_checkpoint_file.h"
#include "storage/record_batch.h"
#include "storage/recovery_point_file.h"

namespace quorate::sim {
namespace {

// A batch's bytes from here on are none of its base offset.
constexpr size_t kBehindBaseOffset = 8;

std::string LogDirectory(const PartitionName& partition) {
  return absl::StrFormat("%s/%s-%d", SimNode::kDirectory, partition.topic, partition.index);
}

}  // namespace

int64_t NotedEnd(SimNode& node, const PartitionName& partition) {
  SimFileSystem files(node.disk());
  const std::string directory = LogDirectory(partition);
  const auto mark_of_cut = files.ReadFile(directory + "/" + kTruncationMarkName);
  int64_t end = 0;
  const std::string mark = directory + "/" + kFlushMarkName;
  if (files.Exists(mark)) {
    const auto file = RecoveryPointFile::Open(&files, mark);
    if (file.ok()) end = (*file)->point().value();
  }
  const auto points = OffsetCheckpointFile(&files, absl::StrFormat("%s/%s", SimNode::kDirectory,
                                                                   kRecoveryPointCheckpointName))
                          .Read();
  if (points.ok()) {
    const auto it = points->find({partition.topic, PartitionIndex(partition.index)});
    if (it != points->end()) end = std::max(end, it->second.value());
  }
  if (!mark_of_cut.ok()) return end;
  const auto cut = ParseTruncationMark(*mark_of_cut);
  return cut ? std::min(end, cut->end.value()) : end;
}

int64_t ReadBackFrom(SimNode& node, const PartitionName& partition, int64_t end) {
  int64_t from = 0;
  for (const auto& [name, bytes] : node.disk().Copy(LogDirectory(partition)).files) {
    int64_t base = 0;
    if (!name.ends_with(".log")) continue;
    if (std::from_chars(name.data() + 1, name.data() + name.size(), base).ec != std::errc()) {
      continue;
    }
    if (base < end) from = std::max(from, base);
  }
  return from;
}

std::string FlipBitAt(SimNode& node, const PartitionName& partition, int64_t offset,
                      Random& random) {
  const SimDisk::Tree tree = node.disk().Copy(LogDirectory(partition));
  for (const auto& [name, bytes] : tree.files) {
    if (!name.ends_with(".log")) continue;
    for (size_t at = 0; at < bytes.size();) {
      const auto batch = RecordBatchView::Parse(std::string_view(bytes).substr(at));
      if (!batch.ok()) break;
      const auto size = static_cast<size_t>(batch->size_bytes());
      if (batch->base_offset().value() <= offset && offset <= batch->last_offset().value()) {
        return node.disk().FlipBitIn(LogDirectory(partition) + name, at + kBehindBaseOffset,
                                     at + size, random);
      }
      at += size;
    }
  }
  return "";
}

}  // namespace quorate::sim
