// ApiVersions (18): what this listener serves, and the cluster's features.
#include "proto/kafka/messages/api_versions.h"

#include <map>
#include <string>
#include <utility>

#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::ApiVersionsResponse;
using kafka::KafkaError;

struct Feature {
  std::string_view name;
  int16_t min;
  int16_t max;
  int16_t finalized;  // where the metadata log says nothing
};

// metadata.version 30 is 4.3-IV0, 7 is 3.3-IV3 (protocol.md, 1.1 and 2.3).
constexpr Feature kFeatures[] = {
    {"eligible.leader.replicas.version", 0, 1, 1},
    {"kraft.version", 0, 1, 1},
    {"metadata.version", 7, 30, 30},
};

ApiVersionsResponse::ApiVersion ToWire(const kafka::ApiVersionRange& range) {
  ApiVersionsResponse::ApiVersion out;
  out.api_key = static_cast<int16_t>(range.key);
  out.min_version = range.min_version;
  out.max_version = range.max_version;
  return out;
}

// KIP-511: letters, digits, '.', '-', beginning and ending with a letter or digit.
bool IsValidSoftwareText(const std::string& text) {
  if (text.empty()) return false;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  for (char c : text) {
    if (!plain(c) && c != '.' && c != '-') return false;
  }
  return plain(text.front()) && plain(text.back());
}

void AddFeatures(const MetadataImage& image, int16_t version, ApiVersionsResponse* out) {
  for (const Feature& feature : kFeatures) {
    // Before version 4 clients take a minimum of 0 for an error (KIP-584).
    if (feature.min > 0 || version >= 4) {
      auto& supported = out->supported_features.emplace_back();
      supported.name = std::string(feature.name);
      supported.min_version = feature.min;
      supported.max_version = feature.max;
    }
    const int32_t* stored = image.features().Find(std::string(feature.name));
    const auto level = static_cast<int16_t>(stored != nullptr ? *stored : feature.finalized);
    if (level == 0) continue;
    auto& finalized = out->finalized_features.emplace_back();
    finalized.name = std::string(feature.name);
    finalized.min_version_level = level;
    finalized.max_version_level = level;
  }
  out->finalized_features_epoch = image.index().value();
}

}  // namespace

void RegisterApiVersions(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<kafka::ApiVersionsRequest, ApiVersionsResponse>(
      Listeners::kBoth,
      [&registry, env](const RequestContext& context, const kafka::ApiVersionsRequest& request,
                       Reply<ApiVersionsResponse> reply) {
        ApiVersionsResponse response;
        if (context.version() >= 3 && (!IsValidSoftwareText(request.client_software_name) ||
                                       !IsValidSoftwareText(request.client_software_version))) {
          response.error_code = Code(KafkaError::kInvalidRequest);
          reply.Send(response);
          return;
        }
        for (const auto& range : registry.Served(context.internal())) {
          response.api_keys.push_back(ToWire(range));
        }
        if (context.version() >= 3) {
          AddFeatures(*env.images->image(), context.version(), &response);
        }
        reply.Send(response);
      });
}

}  // namespace quorate
