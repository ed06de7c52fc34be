// cli/kafka/rdkafka_client.h
//
// Producer and Consumer: thin, blocking owners of librdkafka handles, for the command line tools
// and the demo. librdkafka is an independent witness: nothing of Quorate's own protocol code is
// used here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct rd_kafka_s;
struct rd_kafka_message_s;

namespace quorate {

// librdkafka's own configuration keys and values.
using ClientProperties = std::map<std::string, std::string>;

struct ClientHeader {
  std::string name;
  std::optional<std::string> value;
};

// One delivered or failed record; `opaque` is what Produce was given.
struct DeliveryReport {
  absl::Status status;
  int32_t partition = -1;
  int64_t offset = -1;
  uint64_t opaque = 0;
};

// Produces records. Owned by one thread, which also gets the reports (inside Poll and Flush).
class Producer {
 public:
  using ReportHandler = std::function<void(const DeliveryReport&)>;

  // ERRORS: kInvalidArgument for a property librdkafka refuses.
  static absl::StatusOr<std::unique_ptr<Producer>> Create(const ClientProperties& properties,
                                                          ReportHandler on_report);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Queues one record; waits while the queue is full. nullopt = null key or value.
  // ERRORS: kInternal with librdkafka's reason.
  absl::Status Produce(const std::string& topic, std::optional<std::string_view> key,
                       std::optional<std::string_view> value,
                       const std::vector<ClientHeader>& headers, uint64_t opaque);

  // Delivers reports that are due, waiting for one at most `timeout_ms`.
  void Poll(int timeout_ms);

  // Waits until every record is reported, at most `timeout_ms`.
  // ERRORS: kDeadlineExceeded with how many are left.
  absl::Status Flush(int timeout_ms);

  // Why the client gave up for good, if it did.
  std::optional<std::string> fatal_error() const;

 private:
  Producer() = default;
  static void OnReport(rd_kafka_s* handle, const rd_kafka_message_s* message, void* self);
  rd_kafka_s* handle_ = nullptr;
  ReportHandler on_report_;
};

// A consumed record; the views hold until the next Poll.
struct ConsumedRecord {
  std::string_view topic;
  int32_t partition = -1;
  int64_t offset = -1;
  int64_t timestamp_ms = -1;
  bool append_time = false;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<ClientHeader> headers;
};

// Consumes records, as a group member or from assigned partitions. Owned by one thread.
class Consumer {
 public:
  static absl::StatusOr<std::unique_ptr<Consumer>> Create(const ClientProperties& properties);
  ~Consumer();  // closes; leaves the group
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  absl::Status Subscribe(const std::vector<std::string>& topics);
  // Reads given partitions from an offset (or librdkafka's -2 beginning, -1 end).
  absl::Status Assign(const std::string& topic,
                      const std::vector<std::pair<int32_t, int64_t>>& positions);

  struct Polled {
    std::optional<ConsumedRecord> record;
    std::optional<int32_t> end_of_partition;  // with enable.partition.eof
  };
  // Waits at most `timeout_ms` for something.
  // ERRORS: kUnavailable and others for errors that polling on does not cure (unknown topic, ...);
  // temporary ones (broker down) are not errors here.
  absl::StatusOr<Polled> Poll(int timeout_ms);

  // Commits what was polled so far, and waits for the answer.
  absl::Status Commit();
  // Leaves the group and closes; no other call after it.
  void Close();

  // First and next offset of a partition.
  absl::StatusOr<std::pair<int64_t, int64_t>> QueryWatermarks(const std::string& topic,
                                                              int32_t partition, int timeout_ms);
  // Number of partitions of `topic`. ERRORS: kNotFound; kUnavailable.
  absl::StatusOr<int32_t> PartitionCount(const std::string& topic, int timeout_ms);

 private:
  Consumer() = default;
  void DropMessage();
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_message_s* message_ = nullptr;
};

}  // namespace quorate
