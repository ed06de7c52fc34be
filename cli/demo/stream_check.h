// cli/demo/stream_check.h
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/demo/package_index.h"

namespace quorate {

// Compares what a consumer gets with what was produced: nothing lost, nothing twice, order per key
// kept, bytes equal. Pure.
class StreamCheck {
 public:
  // `input` outlives the check; records of one key are expected in its order.
  explicit StreamCheck(const std::vector<PackageStanza>& input);

  void OnRecord(int32_t partition, int64_t offset, std::string_view key, std::string_view value);

  int64_t records() const { return records_; }
  int64_t lost() const;  // produced, never consumed
  int64_t duplicates() const { return duplicates_; }
  int64_t misordered() const { return misordered_; }  // another stanza of the key was due
  int64_t foreign() const { return foreign_; }        // key or bytes that were never produced
  bool complete() const { return records_ >= static_cast<int64_t>(expected_total_); }
  bool ok() const { return lost() == 0 && duplicates_ == 0 && misordered_ == 0 && foreign_ == 0; }

 private:
  struct Key {
    std::vector<const std::string*> values;  // in order of production
    size_t next = 0;
  };
  std::map<std::string_view, Key> keys_;
  std::map<int32_t, int64_t> last_offset_;
  size_t expected_total_;
  int64_t records_ = 0;
  int64_t duplicates_ = 0;
  int64_t misordered_ = 0;
  int64_t foreign_ = 0;
};

}  // namespace quorate
