#include "proto/kafka/status_to_error.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace quorate::kafka {
namespace {

constexpr char kPayload[] = "quorate/kafka_error";

absl::StatusCode CanonicalCode(KafkaError error) {
  switch (error) {
    case KafkaError::kNone:
      return absl::StatusCode::kOk;
    case KafkaError::kUnknownServerError:
      return absl::StatusCode::kInternal;
    case KafkaError::kOffsetOutOfRange:
    case KafkaError::kPositionOutOfRange:
      return absl::StatusCode::kOutOfRange;
    case KafkaError::kUnknownTopicOrPartition:
    case KafkaError::kUnknownTopicId:
    case KafkaError::kGroupIdNotFound:
    case KafkaError::kResourceNotFound:
    case KafkaError::kTransactionalIdNotFound:
      return absl::StatusCode::kNotFound;
    case KafkaError::kTopicAlreadyExists:
    case KafkaError::kDuplicateResource:
      return absl::StatusCode::kAlreadyExists;
    case KafkaError::kRequestTimedOut:
      return absl::StatusCode::kDeadlineExceeded;
    case KafkaError::kTopicAuthorizationFailed:
    case KafkaError::kGroupAuthorizationFailed:
    case KafkaError::kClusterAuthorizationFailed:
    case KafkaError::kTransactionalIdAuthorizationFailed:
    case KafkaError::kDelegationTokenAuthorizationFailed:
      return absl::StatusCode::kPermissionDenied;
    case KafkaError::kSaslAuthenticationFailed:
      return absl::StatusCode::kUnauthenticated;
    case KafkaError::kUnsupportedVersion:
      return absl::StatusCode::kUnimplemented;
    case KafkaError::kCorruptMessage:
    case KafkaError::kKafkaStorageError:
      return absl::StatusCode::kDataLoss;
    case KafkaError::kThrottlingQuotaExceeded:
      return absl::StatusCode::kResourceExhausted;
    case KafkaError::kInvalidRequest:
    case KafkaError::kInvalidConfig:
    case KafkaError::kInvalidTopicException:
    case KafkaError::kInvalidPartitions:
    case KafkaError::kInvalidReplicationFactor:
    case KafkaError::kInvalidReplicaAssignment:
    case KafkaError::kInvalidRecord:
    case KafkaError::kMessageTooLarge:
      return absl::StatusCode::kInvalidArgument;
    default:
      return IsRetriable(error) ? absl::StatusCode::kUnavailable
                                : absl::StatusCode::kFailedPrecondition;
  }
}

std::optional<KafkaError> Carried(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  int16_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return ErrorFromCode(code);
}

}  // namespace

absl::Status KafkaStatus(KafkaError error, std::string message) {
  if (error == KafkaError::kNone) return absl::OkStatus();
  if (message.empty()) message = std::string(Message(error));
  absl::Status status(CanonicalCode(error), message);
  status.SetPayload(kPayload, absl::Cord(std::to_string(Code(error))));
  return status;
}

KafkaError ErrorFor(const absl::Status& status) {
  if (status.ok()) return KafkaError::kNone;
  if (const std::optional<KafkaError> carried = Carried(status)) return *carried;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return KafkaError::kInvalidRequest;
    case absl::StatusCode::kNotFound:
      return KafkaError::kUnknownTopicOrPartition;
    case absl::StatusCode::kAlreadyExists:
      return KafkaError::kDuplicateResource;
    case absl::StatusCode::kPermissionDenied:
      return KafkaError::kClusterAuthorizationFailed;
    case absl::StatusCode::kUnauthenticated:
      return KafkaError::kSaslAuthenticationFailed;
    case absl::StatusCode::kOutOfRange:
      return KafkaError::kOffsetOutOfRange;
    case absl::StatusCode::kUnimplemented:
      return KafkaError::kUnsupportedVersion;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return KafkaError::kRequestTimedOut;
    case absl::StatusCode::kUnavailable:
      return KafkaError::kLeaderNotAvailable;
    case absl::StatusCode::kAborted:
      return KafkaError::kNotLeaderOrFollower;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kResourceExhausted:
      return KafkaError::kKafkaStorageError;
    default:
      return KafkaError::kUnknownServerError;
  }
}

}  // namespace quorate::kafka
