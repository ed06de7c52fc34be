// cli/demo/package_index.h
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate {

// One stanza of the distribution's package index.
struct PackageStanza {
  std::string name;  // of the package; several stanzas may share it
  std::string text;  // the whole stanza, without the empty line behind it
};

// Runs `apt-cache dumpavail` and splits its output.
// ERRORS: kUnavailable if the command fails or prints no stanza.
absl::StatusOr<std::vector<PackageStanza>> ReadPackageIndex();

// Splits text into stanzas at empty lines; one without a "Package:" field is an error.
absl::StatusOr<std::vector<PackageStanza>> SplitStanzas(std::string_view text);

}  // namespace quorate
