#include "proto/kafka/codec_support.h"

#include "absl/strings/str_format.h"

namespace quorate::kafka {

absl::Status UnsupportedVersion(std::string_view message, int version, int min, int max) {
  return absl::UnimplementedError(
      absl::StrFormat("%s version %d; versions %d to %d are known", message, version, min, max));
}

absl::Status UnknownRecordType(std::string_view message, int type) {
  return absl::UnimplementedError(absl::StrFormat("record type %d is no %s", type, message));
}

}  // namespace quorate::kafka
