// InitProducerId (22): a fresh id for an idempotent producer. Transactions are refused.
#include "proto/kafka/messages/init_producer_id.h"

#include <memory>
#include <utility>

#include "broker/handlers/handler_env.h"
#include "proto/kafka/error.h"

namespace quorate {

using kafka::InitProducerIdRequest;
using kafka::InitProducerIdResponse;
using kafka::KafkaError;

void RegisterInitProducerId(HandlerRegistry& registry, const HandlerEnv& env) {
  registry.Register<InitProducerIdRequest, InitProducerIdResponse>(
      Listeners::kClient, [env](const RequestContext&, const InitProducerIdRequest& request,
                                Reply<InitProducerIdResponse> reply) {
        if (request.transactional_id.has_value()) {
          // Every client takes UNSUPPORTED_VERSION for final, and its text is the clearest there
          // is.
          InitProducerIdResponse response;
          response.error_code =
              Code(request.transactional_id->empty() ? KafkaError::kInvalidRequest
                                                     : KafkaError::kUnsupportedVersion);
          response.producer_epoch = -1;
          reply.Send(response);
          return;
        }
        // Without a transactional id an id and epoch in the request mean nothing: the answer is
        // always a fresh id.
        auto shared = std::make_shared<Reply<InitProducerIdResponse>>(std::move(reply));
        env.producer_ids->Allocate([shared](absl::StatusOr<ProducerId> id) {
          InitProducerIdResponse response;
          if (id.ok()) {
            response.producer_id = id->value();
            response.producer_epoch = 0;
          } else {
            // Retriable for every client.
            response.error_code = Code(KafkaError::kCoordinatorLoadInProgress);
            response.producer_epoch = -1;
          }
          shared->Send(response);
        });
      });
}

}  // namespace quorate
