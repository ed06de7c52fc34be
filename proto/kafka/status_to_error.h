// proto/kafka/status_to_error.h
//
// The one place where an absl::Status becomes a KafkaError and back.
//
// Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "proto/kafka/error.h"

namespace quorate::kafka {

// A status that ErrorFor turns into exactly `error`. Its canonical code is the one that says most
// about `error`; an empty `message` becomes Message(error). kNone gives OK.
absl::Status KafkaStatus(KafkaError error, std::string message = std::string());

// The error a client is told: the one a KafkaStatus carries, however often the status was copied,
// else one chosen by the canonical code:
//
//   kInvalidArgument, kFailedPrecondition  INVALID_REQUEST
//   kNotFound                              UNKNOWN_TOPIC_OR_PARTITION
//   kAlreadyExists                         DUPLICATE_RESOURCE
//   kPermissionDenied                      CLUSTER_AUTHORIZATION_FAILED
//   kUnauthenticated                       SASL_AUTHENTICATION_FAILED
//   kOutOfRange                            OFFSET_OUT_OF_RANGE
//   kUnimplemented                         UNSUPPORTED_VERSION
//   kDeadlineExceeded, kCancelled          REQUEST_TIMED_OUT
//   kUnavailable                           LEADER_NOT_AVAILABLE
//   kAborted                               NOT_LEADER_OR_FOLLOWER
//   kDataLoss, kResourceExhausted          KAFKA_STORAGE_ERROR
//   others                                 UNKNOWN_SERVER_ERROR
//
// A handler whose element needs another answer says so with KafkaStatus.
KafkaError ErrorFor(const absl::Status& status);

}  // namespace quorate::kafka
