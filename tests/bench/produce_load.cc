// tests/bench/produce_load.cc
//
// Produces one load with librdkafka and prints what happened as one line of JSON; also creates and
// deletes topics with any configuration. The same program measures Quorate and its peer.
//
// One thread produces and takes the delivery reports; librdkafka's own threads do the rest.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/flags.h"
#include "tests/bench/latency_histogram.h"

namespace quorate::bench {
namespace {

constexpr std::string_view kUsage =
    "usage: produce_load --bootstrap=HOST:PORT --topic=NAME [--do=produce|create|delete]\n"
    "  produce: --records=N --seconds=S (the first one reached ends it) --record-size=BYTES\n"
    "    --acks=all|1|0 --linger=MS --batch-size=BYTES --compression=CODEC\n"
    "    --payload=random|text --rate=RECORDS_PER_S (0: as fast as it goes)\n"
    "    --queue-kb=N (bound of unacknowledged records)\n"
    "  create: --partitions=N --replication=N --config=NAME=VALUE (repeatable)";
constexpr int kAdminTimeoutMs = 30'000;
constexpr int kDrainTimeoutMs = 60'000;
constexpr size_t kPayloads = 64;  // Different values, taken in turn.

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "produce_load: %s\n", why.c_str());
  std::exit(1);
}

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Tally is what the delivery reports add up to. Thread-compatible: owned by the producing thread.
struct Tally {
  LatencyHistogram latency;  // Produce call to delivery report.
  int64_t acked = 0;
  int64_t failed = 0;
  std::string first_error;
  int64_t last_ack_ns = 0;  // 0 = none yet.
  int64_t longest_gap_ns = 0;
};

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* tally = static_cast<Tally*>(opaque);
  const int64_t now = NowNs();
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (tally->failed++ == 0) tally->first_error = rd_kafka_err2str(message->err);
    return;
  }
  ++tally->acked;
  tally->latency.Add(now - static_cast<int64_t>(reinterpret_cast<intptr_t>(message->_private)));
  if (tally->last_ack_ns != 0) {
    tally->longest_gap_ns = std::max(tally->longest_gap_ns, now - tally->last_ack_ns);
  }
  tally->last_ack_ns = now;
}

using Client = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

void Set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  std::array<char, 256> error{};
  if (rd_kafka_conf_set(conf, name, value.c_str(), error.data(), error.size()) !=
      RD_KAFKA_CONF_OK) {
    Fail(error.data());
  }
}

Client Connect(const Flags& flags, Tally* tally) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  Set(conf, "bootstrap.servers", flags.Text("bootstrap", ""));
  Set(conf, "acks", flags.Text("acks", "all"));
  Set(conf, "linger.ms", flags.Text("linger", "5"));
  Set(conf, "batch.size", flags.Text("batch-size", "1000000"));
  Set(conf, "batch.num.messages", "1000000");
  Set(conf, "compression.type", flags.Text("compression", "none"));
  Set(conf, "queue.buffering.max.messages", "2000000");
  Set(conf, "queue.buffering.max.kbytes", flags.Text("queue-kb", "65536"));
  rd_kafka_conf_set_dr_msg_cb(conf, OnDelivery);
  rd_kafka_conf_set_opaque(conf, tally);
  std::array<char, 256> error{};
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
  if (client == nullptr) Fail(error.data());
  return Client(client, rd_kafka_destroy);
}

// Waits for an admin operation's event and fails with its error, if it has one.
void AwaitAdmin(rd_kafka_queue_t* queue) {
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kAdminTimeoutMs + 5000);
  if (event == nullptr) Fail("no answer to the admin request");
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail(rd_kafka_event_error_string(event));
  }
  size_t count = 0;
  const rd_kafka_topic_result_t** topics = nullptr;
  if (const auto* created = rd_kafka_event_CreateTopics_result(event)) {
    topics = rd_kafka_CreateTopics_result_topics(created, &count);
  } else if (const auto* deleted = rd_kafka_event_DeleteTopics_result(event)) {
    topics = rd_kafka_DeleteTopics_result_topics(deleted, &count);
  }
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_topic_result_error(topics[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* text = rd_kafka_topic_result_error_string(topics[i]);
      Fail(text != nullptr ? text : rd_kafka_err2str(rd_kafka_topic_result_error(topics[i])));
    }
  }
  rd_kafka_event_destroy(event);
}

void CreateOrDelete(const Flags& flags, bool create) {
  Tally unused;
  Client client = Connect(flags, &unused);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  const std::string name = flags.Text("topic", "");
  if (create) {
    std::array<char, 256> error{};
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(
        name.c_str(), static_cast<int>(flags.Number("partitions", 1)),
        static_cast<int>(flags.Number("replication", 1)), error.data(), error.size());
    if (topic == nullptr) Fail(error.data());
    for (const std::string& config : flags.All("config")) {
      const size_t equals = config.find('=');
      if (equals == std::string::npos) Fail("--config needs NAME=VALUE");
      rd_kafka_NewTopic_set_config(topic, config.substr(0, equals).c_str(),
                                   config.substr(equals + 1).c_str());
    }
    rd_kafka_CreateTopics(client.get(), &topic, 1, nullptr, queue);
    AwaitAdmin(queue);
    rd_kafka_NewTopic_destroy(topic);
  } else {
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_DeleteTopics(client.get(), &topic, 1, nullptr, queue);
    AwaitAdmin(queue);
    rd_kafka_DeleteTopic_destroy(topic);
  }
  rd_kafka_queue_destroy(queue);
  std::printf("{}\n");
}

// Returns the values to send: random bytes, or text that compresses about as log lines do.
std::vector<std::string> Payloads(size_t size, bool text) {
  std::mt19937_64 random(20'240'607);  // Fixed: both sides get the same bytes.
  std::vector<std::string> words;
  for (int i = 0; i < 200; ++i) {
    std::string word(3 + random() % 8, ' ');
    for (char& letter : word) letter = static_cast<char>('a' + random() % 26);
    words.push_back(word + " ");
  }
  std::vector<std::string> payloads(kPayloads);
  for (std::string& payload : payloads) {
    while (payload.size() < size) {
      if (text) {
        payload += words[random() % words.size()];
      } else {
        payload.push_back(static_cast<char>(random()));
      }
    }
    payload.resize(size);
  }
  return payloads;
}

// Sends until a bound is reached, at most `rate` records a second, then waits for every report.
// Returns when the first record was handed over, in steady-clock nanoseconds.
int64_t Send(const Flags& flags, rd_kafka_t* client, rd_kafka_topic_t* topic) {
  const auto size = static_cast<size_t>(flags.Number("record-size", 1000));
  const std::vector<std::string> payloads =
      Payloads(size, flags.Text("payload", "random") == "text");
  const int64_t records = flags.Number("records", 100'000'000);
  const int64_t rate = flags.Number("rate", 0);
  const int64_t start = NowNs();
  const int64_t end = start + flags.Number("seconds", 10) * 1'000'000'000;
  for (int64_t sent = 0; sent < records; ++sent) {
    int64_t now = NowNs();
    if (rate > 0) {
      const int64_t due = start + sent * (1'000'000'000 / rate);
      while ((now = NowNs()) < due) {
        rd_kafka_poll(client, due - now > 2'000'000 ? 1 : 0);
      }
      now = due;  // Latency counts from when the record was due: an open loop.
    }
    if (now >= end) break;
    const std::string& payload = payloads[static_cast<size_t>(sent) % kPayloads];
    // The payload outlives the client, so librdkafka neither copies nor frees it.
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, 0, const_cast<char*>(payload.data()),
                            payload.size(), nullptr, 0,
                            reinterpret_cast<void*>(static_cast<intptr_t>(now))) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        Fail(rd_kafka_err2str(rd_kafka_last_error()));
      }
      rd_kafka_poll(client, 5);
      now = rate > 0 ? now : NowNs();
    }
    if (sent % 64 == 0) rd_kafka_poll(client, 0);
  }
  if (rd_kafka_flush(client, kDrainTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Fail("records still unacknowledged a minute after the last one was sent");
  }
  return start;
}

void Produce(const Flags& flags) {
  Tally tally;
  Client client = Connect(flags, &tally);
  rd_kafka_topic_t* topic =
      rd_kafka_topic_new(client.get(), flags.Text("topic", "").c_str(), nullptr);
  // The connections and the metadata are not part of the load.
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client.get(), 0, topic, &metadata, kAdminTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(rd_kafka_err2str(error));
  rd_kafka_metadata_destroy(metadata);

  const int64_t start = Send(flags, client.get(), topic);
  rd_kafka_topic_destroy(topic);
  if (tally.acked == 0) Fail("nothing was acknowledged: " + tally.first_error);
  const double seconds = static_cast<double>(tally.last_ack_ns - start) / 1e9;
  const double bytes =
      static_cast<double>(tally.acked) * static_cast<double>(flags.Number("record-size", 1000));
  std::printf(
      R"({"acked":%lld,"failed":%lld,"error":"%s","seconds":%.3f,"bytes":%.0f,"rec_s":%.0f,)"
      R"("mb_s":%.2f,"latency_ms":%s,"longest_gap_ms":%.3f})"
      "\n",
      static_cast<long long>(tally.acked), static_cast<long long>(tally.failed),
      tally.first_error.c_str(), seconds, bytes, static_cast<double>(tally.acked) / seconds,
      bytes / seconds / 1e6, tally.latency.ToJson().c_str(),
      static_cast<double>(tally.longest_gap_ns) / 1e6);
}

int Main(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {"bootstrap", "topic", "do", "records", "seconds", "record-size", "acks",
                     "linger", "batch-size", "compression", "payload", "rate", "queue-kb",
                     "partitions", "replication", "config"},
                    kUsage);
  if (!flags.Has("bootstrap") || !flags.Has("topic")) Fail(std::string(kUsage));
  const std::string what = flags.Text("do", "produce");
  if (what == "produce") {
    Produce(flags);
  } else if (what == "create" || what == "delete") {
    CreateOrDelete(flags, what == "create");
  } else {
    Fail(std::string(kUsage));
  }
  return 0;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
