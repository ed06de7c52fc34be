#include "cli/demo/package_index.h"

#include <cstdio>

#include "absl/strings/str_format.h"

namespace quorate {
namespace {

constexpr std::string_view kField = "Package: ";

}  // namespace

absl::StatusOr<std::vector<PackageStanza>> SplitStanzas(std::string_view text) {
  std::vector<PackageStanza> stanzas;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\n\n"), text.size());
    std::string_view stanza = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    while (stanza.ends_with('\n')) stanza.remove_suffix(1);
    if (stanza.empty()) continue;
    if (!stanza.starts_with(kField)) {
      return absl::InvalidArgumentError(
          absl::StrFormat("stanza %d does not begin with '%s'", stanzas.size() + 1, kField));
    }
    const size_t line_end = std::min(stanza.find('\n'), stanza.size());
    stanzas.push_back(
        {std::string(stanza.substr(kField.size(), line_end - kField.size())), std::string(stanza)});
  }
  return stanzas;
}

absl::StatusOr<std::vector<PackageStanza>> ReadPackageIndex() {
  FILE* pipe = popen("apt-cache dumpavail 2>/dev/null", "re");
  if (pipe == nullptr) return absl::UnavailableError("apt-cache does not start");
  std::string text;
  char buffer[1 << 16];
  size_t got = 0;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) text.append(buffer, got);
  const int result = pclose(pipe);
  if (result != 0) return absl::UnavailableError("apt-cache dumpavail failed");
  absl::StatusOr<std::vector<PackageStanza>> stanzas = SplitStanzas(text);
  if (stanzas.ok() && stanzas->empty()) {
    return absl::UnavailableError("the package index is empty; run apt-get update");
  }
  return stanzas;
}

}  // namespace quorate
