#include "proto/kafka/api.h"

#include <algorithm>

#include "base/check.h"

namespace quorate::kafka {
namespace {

constexpr ApiVersionRange kTable[] = {
#include "proto/kafka/api_table.inc"
};

}  // namespace

std::span<const ApiVersionRange> ApiTable() { return kTable; }

const ApiVersionRange* FindApi(int16_t key) {
  const auto* row = std::ranges::lower_bound(
      kTable, key, {}, [](const ApiVersionRange& r) { return static_cast<int16_t>(r.key); });
  if (row == std::end(kTable) || static_cast<int16_t>(row->key) != key) return nullptr;
  return row;
}

const ApiVersionRange& ApiFor(ApiKey key) {
  const ApiVersionRange* row = FindApi(static_cast<int16_t>(key));
  QCHECK(row != nullptr);
  return *row;
}

int16_t RequestHeaderVersion(ApiKey key, int16_t version) {
  return version >= ApiFor(key).first_flexible_version ? 2 : 1;
}

int16_t ResponseHeaderVersion(ApiKey key, int16_t version) {
  if (key == ApiKey::kApiVersions) return 0;
  return version >= ApiFor(key).first_flexible_version ? 1 : 0;
}

}  // namespace quorate::kafka
