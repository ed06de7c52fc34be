#include "tests/sim/checkers/read_checker.h"

#include "absl/strings/str_format.h"

namespace quorate::sim {
namespace {

// Far above what the producers of a run write into a partition.
constexpr int64_t kHighestOffset = 10'000'000;

}  // namespace

void ReadChecker::OnRead(const std::string& reader, bool last, const PartitionName& partition,
                         int64_t offset, const RecordName& record) {
  std::vector<Seen>& offsets = seen_[partition];
  const size_t at = static_cast<size_t>(offset);
  if (offset < 0 || offset > kHighestOffset) {
    verdict_.Add("consistent-read",
                 absl::StrFormat("%s: %s reads %s at offset %d, where no run gets to",
                                 partition.ToString(), reader, record.ToString(), offset),
                 {partition, offset});
    return;
  }
  if (at >= offsets.size()) offsets.resize(at + 1);
  Seen& seen = offsets[at];
  if (!seen.read) seen = {true, record, reader, last};
  seen.at_last = seen.at_last || last;
  if (seen.record == record) return;
  verdict_.Add(
      "consistent-read",
      absl::StrFormat("%s: at offset %d %s read %s and %s reads %s", partition.ToString(), offset,
                      seen.reader, seen.record.ToString(), reader, record.ToString()),
      {partition, offset});
}

void ReadChecker::Finish() {
  for (const auto& [name, offsets] : seen_) {
    for (size_t offset = 0; offset < offsets.size(); ++offset) {
      const Seen& seen = offsets[offset];
      if (!seen.read || seen.at_last) continue;
      verdict_.Add("consistent-read",
                   absl::StrFormat("%s: %s, which %s read at offset %d, is gone", name.ToString(),
                                   seen.record.ToString(), seen.reader, offset));
    }
  }
}

}  // namespace quorate::sim
