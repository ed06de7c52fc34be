#include "controller/image/cause.h"

#include "absl/strings/str_format.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {

std::string EncodeCause(const Cause& cause) {
  pb::Cause out;
  out.set_trigger(cause.trigger);
  out.set_principal(cause.principal);
  out.set_broker_id(cause.broker.value());
  out.set_client_id(cause.client_id);
  out.set_request_id(cause.request_id);
  out.set_reason(cause.reason);
  return out.SerializeAsString();
}

absl::StatusOr<Cause> DecodeCause(std::string_view bytes) {
  if (bytes.empty()) return Cause{};
  pb::Cause in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(absl::StrFormat("a cause of %d bytes does not parse", bytes.size()));
  }
  return Cause{.trigger = in.trigger(),
               .principal = in.principal(),
               .broker = NodeId(in.broker_id()),
               .client_id = in.client_id(),
               .request_id = in.request_id(),
               .reason = in.reason()};
}

std::string ToString(const Cause& cause) {
  std::string out = cause.trigger.empty() ? "unknown" : cause.trigger;
  if (!cause.principal.empty()) out += " by " + cause.principal;
  if (!cause.reason.empty()) out += ": " + cause.reason;
  return out;
}

}  // namespace quorate
