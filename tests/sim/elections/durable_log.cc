#include "tests/sim/elections/durable_log.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include "storage/record_batch.h"

namespace quorate::sim {

int64_t DurableLogEnd(const SimDisk& disk, const std::string& directory) {
  std::vector<std::string> segments;
  for (const std::string& path : disk.DurableFiles(directory)) {
    if (path.ends_with(".log")) segments.push_back(path);
  }
  int64_t end = 0;
  // An earlier segment was synced whole before the next but one began.
  const size_t first = segments.size() > 2 ? segments.size() - 2 : 0;
  for (size_t i = first; i < segments.size(); ++i) {
    const int64_t base =
        std::strtoll(segments[i].substr(segments[i].rfind('/') + 1).c_str(), nullptr, 10);
    if (i == first) end = base;
    if (base != end) break;
    std::string_view bytes = disk.DurableContents(segments[i]);
    while (!bytes.empty()) {
      const auto batch = RecordBatchView::Parse(bytes);
      if (!batch.ok() || !batch->VerifyCrc() || batch->base_offset().value() != end) break;
      end = batch->next_offset().value();
      bytes.remove_prefix(static_cast<size_t>(batch->size_bytes()));
    }
  }
  return end;
}

}  // namespace quorate::sim
