#include "broker/handlers/handler_registry.h"

#include "absl/strings/str_format.h"
#include "broker/handlers/api_versions.h"

namespace quorate {

void HandlerRegistry::Add(int16_t key, Listeners where, Run run) {
  QCHECK(kafka::FindApi(key) != nullptr);
  const bool fresh = entries_.emplace(key, Entry{where, std::move(run), 0}).second;
  QCHECK(fresh);
}

std::vector<kafka::ApiVersionRange> HandlerRegistry::Served(bool internal) const {
  std::vector<kafka::ApiVersionRange> served;
  for (const auto& [key, entry] : entries_) {
    if (internal && entry.where != Listeners::kBoth) continue;
    served.push_back(*kafka::FindApi(key));
  }
  return served;
}

std::map<kafka::ApiKey, int64_t> HandlerRegistry::request_counts() const {
  std::map<kafka::ApiKey, int64_t> counts;
  for (const auto& [key, entry] : entries_) {
    counts[static_cast<kafka::ApiKey>(key)] = entry.requests;
  }
  return counts;
}

void HandlerRegistry::HandleFrame(std::shared_ptr<const ConnectionInfo> connection,
                                  SharedBytes frame, Responder responder) {
  kafka::Reader in(std::move(frame));
  auto header = kafka::DecodeRequestHeader(in);
  if (!header.ok()) {
    responder.Close(header.status());
    return;
  }
  RequestContext context;
  context.connection = std::move(connection);
  context.header = std::move(header).value();
  context.received = loop_->Now();
  auto found = entries_.find(context.header.api_key);
  const bool served =
      found != entries_.end() && (!context.internal() || found->second.where == Listeners::kBoth);
  const kafka::ApiVersionRange* range = kafka::FindApi(context.header.api_key);
  if (!served || range == nullptr) {
    responder.Close(absl::UnimplementedError(absl::StrFormat(
        "API key %d is not served on listener %s", context.header.api_key, context.listener())));
    return;
  }
  ++found->second.requests;
  if (!range->Decodes(context.version())) {
    if (context.header.key() == kafka::ApiKey::kApiVersions) {
      AnswerUnknownApiVersionsVersion(context, std::move(responder));
      return;
    }
    responder.Close(absl::UnimplementedError(
        absl::StrFormat("version %d of %s is not served (%d..%d are)", context.version(),
                        std::string(range->name), range->codec_min_version, range->max_version)));
    return;
  }
  found->second.run(context, in, std::move(responder));
}

void HandlerRegistry::OnConnectionClosed(const ConnectionInfo& connection) {
  for (const auto& observer : closed_observers_) observer(connection.id);
}

}  // namespace quorate
