#include "tests/sim/checkers/read_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {

void ReadChecker::OnRead(const std::string& reader, bool last, const PartitionName& partition,
                         int64_t offset, const RecordName& record) {
  const auto [it, is_new] = seen_[partition].emplace(offset, Seen{record, reader, last});
  it->second.at_last = it->second.at_last || last;
  if (is_new || it->second.record == record) return;
  verdict_.Add(
      "consistent-read",
      absl::StrFormat("%s: at offset %d %s read %s and %s reads %s", partition.ToString(), offset,
                      it->second.reader, it->second.record.ToString(), reader, record.ToString()),
      {partition, offset});
}

void ReadChecker::Finish() {
  for (const auto& [name, offsets] : seen_) {
    for (const auto& [offset, seen] : offsets) {
      if (seen.at_last) continue;
      verdict_.Add("consistent-read",
                   absl::StrFormat("%s: %s, which %s read at offset %d, is gone", name.ToString(),
                                   seen.record.ToString(), seen.reader, offset));
    }
  }
}

}  // namespace quorate::sim
