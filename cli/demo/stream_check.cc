#include "cli/demo/stream_check.h"

#include <algorithm>

namespace quorate {

StreamCheck::StreamCheck(const std::vector<PackageStanza>& input) : expected_total_(input.size()) {
  for (const PackageStanza& stanza : input) keys_[stanza.name].values.push_back(&stanza.text);
}

void StreamCheck::OnRecord(int32_t partition, int64_t offset, std::string_view key,
                           std::string_view value) {
  ++records_;
  const auto [last, fresh] = last_offset_.try_emplace(partition, offset);
  if (!fresh && offset <= last->second) {
    ++duplicates_;  // The consumer went back.
    return;
  }
  last->second = offset;
  const auto it = keys_.find(key);
  if (it == keys_.end()) {
    ++foreign_;
    return;
  }
  Key& expected = it->second;
  if (expected.next < expected.values.size() && *expected.values[expected.next] == value) {
    ++expected.next;
    return;
  }
  const auto found = std::find_if(expected.values.begin(), expected.values.end(),
                                  [value](const std::string* text) { return *text == value; });
  if (found == expected.values.end()) {
    ++foreign_;
  } else if (static_cast<size_t>(found - expected.values.begin()) < expected.next) {
    ++duplicates_;
  } else {
    ++misordered_;
  }
}

int64_t StreamCheck::lost() const {
  int64_t lost = 0;
  for (const auto& [name, key] : keys_) {
    lost += static_cast<int64_t>(key.values.size() - key.next);
  }
  return lost;
}

}  // namespace quorate
