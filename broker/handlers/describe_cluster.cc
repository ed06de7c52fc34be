// DescribeCluster (60): the brokers, as the asker's listener sees them.
#include "proto/kafka/messages/describe_cluster.h"

#include <utility>

#include "broker/handlers/handler_env.h"
#include "broker/handlers/topic_rules.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

using kafka::DescribeClusterRequest;
using kafka::DescribeClusterResponse;
using kafka::KafkaError;

constexpr int8_t kBrokers = 1;
constexpr int8_t kControllers = 2;

DescribeClusterResponse Describe(const HandlerEnv& env, const RequestContext& context,
                                 const DescribeClusterRequest& request) {
  DescribeClusterResponse response;
  response.endpoint_type = request.endpoint_type;
  response.cluster_id = env.config->cluster_id;
  if (request.endpoint_type != kBrokers) {
    response.error_code =
        Code(request.endpoint_type == kControllers ? KafkaError::kMismatchedEndpointType
                                                   : KafkaError::kUnsupportedEndpointType);
    response.error_message = "this is a broker: it describes brokers only";
    return response;
  }
  const ImagePtr image = env.images->image();
  response.controller_id = AdminTarget(*image, env.config->node_id, context.listener()).value();
  for (const auto& [id, broker] : image->brokers()) {
    if (broker.fenced && !request.include_fenced_brokers) continue;
    const BrokerListener* address = broker.FindListener(context.listener());
    if (address == nullptr) continue;
    auto& out = response.brokers.emplace_back();
    out.broker_id = id.value();
    out.host = address->host;
    out.port = address->port;
    out.rack = RackOf(broker);
    out.is_fenced = broker.fenced;
  }
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = kAllClusterOperations;
  }
  return response;
}

}  // namespace

void RegisterDescribeCluster(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<DescribeClusterRequest, DescribeClusterResponse>(
      Listeners::kClient,
      [env](const RequestContext& context, const DescribeClusterRequest& request,
            Reply<DescribeClusterResponse> reply) { reply.Send(Describe(env, context, request)); });
}

}  // namespace quorate
