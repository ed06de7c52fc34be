#include "cli/kafka/rdkafka_client.h"

#include <librdkafka/rdkafka.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

constexpr size_t kErrorText = 512;

absl::Status FromError(rd_kafka_resp_err_t error, std::string_view what) {
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  const std::string text =
      absl::StrFormat("%s: %s (%s)", what, rd_kafka_err2str(error), rd_kafka_err2name(error));
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return absl::NotFoundError(text);
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
      return absl::DeadlineExceededError(text);
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

using ConfPtr = std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)>;

void IgnoreLog(const rd_kafka_t*, int, const char*, const char*) {}

absl::StatusOr<ConfPtr> MakeConf(const ClientProperties& properties) {
  ConfPtr conf(rd_kafka_conf_new(), rd_kafka_conf_destroy);
  char error[kErrorText];
  for (const auto& [key, value] : properties) {
    if (rd_kafka_conf_set(conf.get(), key.c_str(), value.c_str(), error, sizeof(error)) !=
        RD_KAFKA_CONF_OK) {
      return absl::InvalidArgumentError(absl::StrFormat("%s=%s: %s", key, value, error));
    }
  }
  // Connection losses are part of life; errors that matter reach the caller by return value.
  if (!properties.contains("debug")) rd_kafka_conf_set_log_cb(conf.get(), IgnoreLog);
  return conf;
}

std::optional<std::string_view> Bytes(const void* data, size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(data), size);
}

std::vector<ClientHeader> HeadersOf(const rd_kafka_message_t* message) {
  std::vector<ClientHeader> headers;
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return headers;
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (size_t i = 0;
       rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    ClientHeader header{name, std::nullopt};
    if (value != nullptr) header.value.emplace(static_cast<const char*>(value), size);
    headers.push_back(std::move(header));
  }
  return headers;
}

// Errors that a client waits out.
bool IsTemporary(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(const ClientProperties& properties,
                                                           ReportHandler on_report) {
  Q_ASSIGN_OR_RETURN(ConfPtr conf, MakeConf(properties));
  std::unique_ptr<Producer> producer(new Producer());
  producer->on_report_ = std::move(on_report);
  rd_kafka_conf_set_opaque(conf.get(), producer.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), &Producer::OnReport);
  char error[kErrorText];
  producer->handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), error, sizeof(error));
  if (producer->handle_ == nullptr) return absl::InvalidArgumentError(error);
  static_cast<void>(conf.release());
  return producer;
}

Producer::~Producer() {
  if (handle_ == nullptr) return;
  rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void Producer::OnReport(rd_kafka_s*, const rd_kafka_message_s* message, void* self) {
  DeliveryReport report;
  report.status = FromError(message->err, "record not delivered");
  report.partition = message->partition;
  report.offset = message->offset;
  report.opaque = reinterpret_cast<uint64_t>(message->_private);
  static_cast<Producer*>(self)->on_report_(report);
}

absl::Status Producer::Produce(const std::string& topic, std::optional<std::string_view> key,
                               std::optional<std::string_view> value,
                               const std::vector<ClientHeader>& headers, uint64_t opaque) {
  while (true) {
    rd_kafka_headers_t* list = nullptr;
    if (!headers.empty()) {
      list = rd_kafka_headers_new(headers.size());
      for (const ClientHeader& header : headers) {
        rd_kafka_header_add(list, header.name.c_str(), -1,
                            header.value ? header.value->data() : nullptr,
                            header.value ? static_cast<ssize_t>(header.value->size()) : 0);
      }
    }
    void* key_bytes = key ? const_cast<char*>(key->data()) : nullptr;
    const size_t key_size = key ? key->size() : 0;
    void* value_bytes = value ? const_cast<char*>(value->data()) : nullptr;
    const size_t value_size = value ? value->size() : 0;
    void* tag = reinterpret_cast<void*>(opaque);
    const rd_kafka_resp_err_t error = rd_kafka_producev(
        handle_, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_KEY(key_bytes, key_size),
        RD_KAFKA_V_VALUE(value_bytes, value_size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_OPAQUE(tag), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
    if (list != nullptr) rd_kafka_headers_destroy(list);
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) return FromError(error, "record not accepted");
    Poll(100);
  }
}

void Producer::Poll(int timeout_ms) { rd_kafka_poll(handle_, timeout_ms); }

absl::Status Producer::Flush(int timeout_ms) {
  if (rd_kafka_flush(handle_, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrFormat("%d records not acknowledged within %d ms",
                                                     rd_kafka_outq_len(handle_), timeout_ms));
}

std::optional<std::string> Producer::fatal_error() const {
  char text[kErrorText];
  if (rd_kafka_fatal_error(handle_, text, sizeof(text)) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return std::string(text);
}

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(const ClientProperties& properties) {
  Q_ASSIGN_OR_RETURN(ConfPtr conf, MakeConf(properties));
  std::unique_ptr<Consumer> consumer(new Consumer());
  char error[kErrorText];
  consumer->handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), error, sizeof(error));
  if (consumer->handle_ == nullptr) return absl::InvalidArgumentError(error);
  static_cast<void>(conf.release());
  rd_kafka_poll_set_consumer(consumer->handle_);
  return consumer;
}

Consumer::~Consumer() { Close(); }

void Consumer::DropMessage() {
  if (message_ != nullptr) rd_kafka_message_destroy(message_);
  message_ = nullptr;
}

void Consumer::Close() {
  if (handle_ == nullptr) return;
  DropMessage();
  rd_kafka_consumer_close(handle_);
  rd_kafka_destroy(handle_);
  handle_ = nullptr;
}

absl::Status Consumer::Subscribe(const std::vector<std::string>& topics) {
  rd_kafka_topic_partition_list_t* list =
      rd_kafka_topic_partition_list_new(static_cast<int>(topics.size()));
  for (const std::string& topic : topics) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const rd_kafka_resp_err_t error = rd_kafka_subscribe(handle_, list);
  rd_kafka_topic_partition_list_destroy(list);
  return FromError(error, "subscribe");
}

absl::Status Consumer::Assign(const std::string& topic,
                              const std::vector<std::pair<int32_t, int64_t>>& positions) {
  rd_kafka_topic_partition_list_t* list =
      rd_kafka_topic_partition_list_new(static_cast<int>(positions.size()));
  for (const auto& [partition, offset] : positions) {
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
  }
  const rd_kafka_resp_err_t error = rd_kafka_assign(handle_, list);
  rd_kafka_topic_partition_list_destroy(list);
  return FromError(error, "assign");
}

absl::StatusOr<Consumer::Polled> Consumer::Poll(int timeout_ms) {
  QCHECK(handle_ != nullptr);
  DropMessage();
  message_ = rd_kafka_consumer_poll(handle_, timeout_ms);
  Polled polled;
  if (message_ == nullptr) return polled;
  if (message_->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    polled.end_of_partition = message_->partition;
    return polled;
  }
  if (message_->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (IsTemporary(message_->err)) return polled;
    return FromError(message_->err, rd_kafka_message_errstr(message_));
  }
  ConsumedRecord record;
  record.topic = rd_kafka_topic_name(message_->rkt);
  record.partition = message_->partition;
  record.offset = message_->offset;
  rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  record.timestamp_ms = rd_kafka_message_timestamp(message_, &kind);
  record.append_time = kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  record.key = Bytes(message_->key, message_->key_len);
  record.value = Bytes(message_->payload, message_->len);
  record.headers = HeadersOf(message_);
  polled.record = std::move(record);
  return polled;
}

absl::Status Consumer::Commit() {
  const rd_kafka_resp_err_t error = rd_kafka_commit(handle_, nullptr, /*async=*/0);
  if (error == RD_KAFKA_RESP_ERR__NO_OFFSET) return absl::OkStatus();
  return FromError(error, "offsets not committed");
}

absl::StatusOr<std::pair<int64_t, int64_t>> Consumer::QueryWatermarks(const std::string& topic,
                                                                      int32_t partition,
                                                                      int timeout_ms) {
  std::pair<int64_t, int64_t> bounds;
  Q_RETURN_IF_ERROR(
      FromError(rd_kafka_query_watermark_offsets(handle_, topic.c_str(), partition, &bounds.first,
                                                 &bounds.second, timeout_ms),
                absl::StrFormat("offsets of %s-%d", topic, partition)));
  return bounds;
}

absl::StatusOr<int32_t> Consumer::PartitionCount(const std::string& topic, int timeout_ms) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(handle_, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(handle_, /*all_topics=*/0, handle, &metadata, timeout_ms);
  absl::StatusOr<int32_t> count = absl::NotFoundError(absl::StrFormat("no topic %s", topic));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    count = FromError(error, "metadata");
  } else {
    for (int i = 0; i < metadata->topic_cnt; ++i) {
      const rd_kafka_metadata_topic& entry = metadata->topics[i];
      if (topic == entry.topic && entry.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = entry.partition_cnt;
      }
    }
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(handle);
  return count;
}

}  // namespace quorate
