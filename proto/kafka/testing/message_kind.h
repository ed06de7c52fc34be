// proto/kafka/testing/message_kind.h
//
// Makes the MessageKind of one generated message; for the generated all_messages.cc.
#pragma once

#include <string>
#include <utility>

#include "proto/kafka/header.h"
#include "proto/kafka/testing/all_messages.h"

namespace quorate::kafka {

template <typename Message>
std::string Encoded(const Message& message, int16_t version) {
  Writer out;
  message.Encode(out, version);
  return out.ToString();
}

template <typename Message>
absl::StatusOr<Message> Decoded(SharedBytes bytes, int16_t version) {
  Reader in(std::move(bytes));
  return DecodeMessage<Message>(in, version);
}

template <typename Message>
MessageKind KindOf(int16_t key, MessageRole role) {
  MessageKind kind;
  kind.name = Message::kName;
  kind.key = key;
  kind.role = role;
  kind.min_version = Message::kMinVersion;
  kind.max_version = Message::kMaxVersion;
  kind.first_flexible_version = Message::kFirstFlexibleVersion;
  kind.default_bytes = [](int16_t version) { return Encoded(Message(), version); };
  kind.random_bytes = [](Random& random, int16_t version) {
    Message message;
    Randomize(message, random, version);
    return Encoded(message, version);
  };
  kind.decode = [](SharedBytes bytes, int16_t version) {
    return Decoded<Message>(std::move(bytes), version).status();
  };
  kind.survives_round_trip = [](SharedBytes bytes, int16_t version) {
    const absl::StatusOr<Message> message = Decoded<Message>(std::move(bytes), version);
    if (!message.ok()) return true;
    const auto again =
        Decoded<Message>(SharedBytes::FromString(Encoded(*message, version)), version);
    return again.ok() && *again == *message;
  };
  kind.random_round_trip = [](Random& random, int16_t version) {
    Message message;
    Randomize(message, random, version);
    const auto again =
        Decoded<Message>(SharedBytes::FromString(Encoded(message, version)), version);
    return again.ok() && *again == message;
  };
  return kind;
}

}  // namespace quorate::kafka
