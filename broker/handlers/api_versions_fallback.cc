#include "broker/handlers/api_versions.h"
#include "proto/kafka/error.h"
#include "proto/kafka/messages/api_versions.h"

namespace quorate {

void AnswerUnknownApiVersionsVersion(const RequestContext& context, Responder responder) {
  kafka::ApiVersionsResponse response;
  response.error_code = Code(kafka::KafkaError::kUnsupportedVersion);
  const kafka::ApiVersionRange& range = kafka::ApiFor(kafka::ApiKey::kApiVersions);
  auto& own = response.api_keys.emplace_back();
  own.api_key = static_cast<int16_t>(range.key);
  own.min_version = range.min_version;
  own.max_version = range.max_version;
  responder.Reply(kafka::ResponseFrame(context.header.correlation_id, 0, response));
}

}  // namespace quorate
