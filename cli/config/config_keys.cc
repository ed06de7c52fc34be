#include "cli/config/config_keys.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "absl/strings/str_format.h"

namespace quorate {
namespace {

constexpr int64_t kInt32Max = INT32_MAX;

constexpr ConfigKey Text(std::string_view name, std::string_view value = "") {
  return {.name = name, .kind = ConfigKind::kString, .default_value = value};
}
constexpr ConfigKey List(std::string_view name, std::string_view value = "") {
  return {.name = name, .kind = ConfigKind::kList, .default_value = value};
}
constexpr ConfigKey Int(std::string_view name, std::string_view value, int64_t low, int64_t high) {
  return {
      .name = name, .kind = ConfigKind::kInteger, .default_value = value, .low = low, .high = high};
}
constexpr ConfigKey Bool(std::string_view name, std::string_view value) {
  return {.name = name, .kind = ConfigKind::kBoolean, .default_value = value};
}
constexpr ConfigKey Choice(std::string_view name, std::string_view value,
                           std::string_view choices) {
  return {.name = name, .kind = ConfigKind::kChoice, .default_value = value, .choices = choices};
}
constexpr ConfigKey NoEffect(std::string_view name, std::string_view note) {
  return {.name = name, .kind = ConfigKind::kNoEffect, .default_value = "", .note = note};
}

constexpr std::string_view kThreads = "one event loop serves each core; there is no pool to size";
constexpr std::string_view kNoLinger = "metadata records are written at once, without a linger";
constexpr std::string_view kNoTransactions = "transactions are not served yet";
constexpr std::string_view kNoCleaner = "compaction is not done yet";
constexpr std::string_view kNoRebalancer = "preferred leaders return by themselves";
constexpr std::string_view kKernel = "the kernel sizes socket buffers";

constexpr ConfigKey kKeys[] = {
    List("advertised.listeners"),
    NoEffect("auto.leader.rebalance.enable", kNoRebalancer),
    Bool("auto.create.topics.enable", "true"),
    NoEffect("background.threads", kThreads),
    Int("broker.heartbeat.interval.ms", "500", 50, 600000),
    Int("broker.id", "-1", -1, kInt32Max),
    Text("broker.rack"),
    Int("broker.session.timeout.ms", "1500", 200, 600000),
    Int("connections.max.idle.ms", "600000", 1, INT64_MAX),
    List("controller.listener.names", "CONTROLLER"),
    NoEffect("controller.quorum.append.linger.ms", kNoLinger),
    Bool("controller.quorum.auto.join.enable", "false"),
    List("controller.quorum.bootstrap.servers"),
    Int("controller.quorum.election.timeout.ms", "300", 10, 600000),
    NoEffect("controller.quorum.election.backoff.max.ms", "elections retry after a random delay"),
    Int("controller.quorum.fetch.timeout.ms", "1000", 50, 600000),
    Int("controller.quorum.request.timeout.ms", "2000", 50, 600000),
    List("controller.quorum.voters"),
    Int("default.replication.factor", "1", 1, 32767),
    Bool("delete.topic.enable", "true"),
    Int("fetch.max.bytes", "57671680", 1024, kInt32Max),
    Int("group.initial.rebalance.delay.ms", "3000", 0, kInt32Max),
    Int("group.max.session.timeout.ms", "1800000", 1, kInt32Max),
    Int("group.max.size", "2147483647", 1, kInt32Max),
    Int("group.min.session.timeout.ms", "6000", 1, kInt32Max),
    Text("inter.broker.listener.name"),
    List("listener.security.protocol.map"),
    List("listeners", "PLAINTEXT://:9092"),
    NoEffect("log.cleaner.dedupe.buffer.size", kNoCleaner),
    NoEffect("log.cleaner.enable", kNoCleaner),
    NoEffect("log.cleaner.threads", kNoCleaner),
    List("log.cleanup.policy", "delete"),
    Text("log.dir", "/tmp/quorate-logs"),
    List("log.dirs"),
    Int("log.flush.interval.messages", "9223372036854775807", 1, INT64_MAX),
    Int("log.flush.interval.ms", "9223372036854775807", 0, INT64_MAX),
    Int("log.index.interval.bytes", "4096", 0, kInt32Max),
    Int("log.index.size.max.bytes", "10485760", 4, kInt32Max),
    Choice("log.message.timestamp.type", "CreateTime", "CreateTime,LogAppendTime"),
    NoEffect("log.preallocate", "segments are always preallocated past their end"),
    Int("log.retention.bytes", "-1", -1, INT64_MAX),
    Int("log.retention.check.interval.ms", "300000", 1, INT64_MAX),
    Int("log.retention.hours", "168", -1, kInt32Max),
    Int("log.retention.minutes", "", -1, kInt32Max),
    Int("log.retention.ms", "", -1, INT64_MAX),
    Int("log.roll.hours", "168", 1, kInt32Max),
    Int("log.roll.ms", "", 1, INT64_MAX),
    Int("log.segment.bytes", "1073741824", 1 << 20, kInt32Max),
    Int("log.segment.delete.delay.ms", "60000", 0, INT64_MAX),
    Int("max.connections", "2147483647", 0, kInt32Max),
    Int("message.max.bytes", "1048588", 0, kInt32Max),
    Text("metadata.log.dir"),
    Int("metadata.log.max.record.bytes.between.snapshots", "20971520", 1, INT64_MAX),
    Int("metadata.log.max.snapshot.interval.ms", "3600000", 0, kInt32Max),
    Int("metadata.max.retention.bytes", "104857600", -1, INT64_MAX),
    Int("metadata.max.retention.ms", "604800000", -1, INT64_MAX),
    Int("min.insync.replicas", "1", 1, kInt32Max),
    Int("node.id", "", 0, kInt32Max),
    NoEffect("num.io.threads", kThreads),
    NoEffect("num.network.threads", kThreads),
    Int("num.partitions", "1", 1, 10000),
    NoEffect("num.recovery.threads.per.data.dir", kThreads),
    NoEffect("num.replica.fetchers", "one fetcher serves each leader broker"),
    Int("offsets.retention.minutes", "10080", 1, kInt32Max),
    Int("offsets.topic.num.partitions", "50", 1, 10000),
    Int("offsets.topic.replication.factor", "3", 1, 32767),
    NoEffect("offsets.topic.segment.bytes", "the topic's own segment.bytes counts"),
    List("process.roles"),
    Int("producer.id.expiration.ms", "86400000", 1, kInt32Max),
    Bool("quorate.allow.insecure.listeners", "false"),
    Int("quorate.broker.session.grace.ms", "50", 0, 60000),
    Choice("quorate.default.durability", "flush-before-ack", "flush-before-ack,os"),
    Text("quorate.internal.listener"),
    Int("quorate.metadata.snapshot.piece.bytes", "1048576", 256, kInt32Max),
    Int("replica.fetch.max.bytes", "1048576", 1, kInt32Max),
    Int("replica.fetch.response.max.bytes", "10485760", 1, kInt32Max),
    Int("replica.fetch.wait.max.ms", "500", 1, 60000),
    Int("replica.lag.time.max.ms", "30000", 100, INT64_MAX),
    NoEffect("replica.selector.class", "reads go to the leader"),
    NoEffect("replica.socket.timeout.ms", "broken streams are seen at once"),
    NoEffect("share.coordinator.state.topic.min.isr", "share groups are not served yet"),
    NoEffect("share.coordinator.state.topic.num.partitions", "share groups are not served yet"),
    NoEffect("share.coordinator.state.topic.replication.factor", "share groups are not served yet"),
    NoEffect("socket.receive.buffer.bytes", kKernel),
    Int("socket.request.max.bytes", "104857600", 1024, kInt32Max),
    NoEffect("socket.send.buffer.bytes", kKernel),
    NoEffect("transaction.max.timeout.ms", kNoTransactions),
    NoEffect("transaction.state.log.min.isr", kNoTransactions),
    NoEffect("transaction.state.log.num.partitions", kNoTransactions),
    NoEffect("transaction.state.log.replication.factor", kNoTransactions),
    NoEffect("transactional.id.expiration.ms", kNoTransactions),
    Bool("unclean.leader.election.enable", "false"),
    Choice("compression.type", "producer", "producer,uncompressed,gzip,snappy,lz4,zstd"),
};

std::vector<ConfigKey> SortedKeys() {
  std::vector<ConfigKey> keys(std::begin(kKeys), std::end(kKeys));
  std::sort(keys.begin(), keys.end(),
            [](const ConfigKey& a, const ConfigKey& b) { return a.name < b.name; });
  return keys;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

absl::Status Allowed(std::string what) { return absl::InvalidArgumentError(std::move(what)); }

}  // namespace

std::span<const ConfigKey> ConfigKeys() {
  static const std::vector<ConfigKey>* keys = new std::vector<ConfigKey>(SortedKeys());
  return *keys;
}

const ConfigKey* FindConfigKey(std::string_view name) {
  const std::span<const ConfigKey> keys = ConfigKeys();
  const auto it =
      std::lower_bound(keys.begin(), keys.end(), name,
                       [](const ConfigKey& key, std::string_view n) { return key.name < n; });
  return it != keys.end() && it->name == name ? &*it : nullptr;
}

std::optional<std::string_view> NearestConfigKey(std::string_view name) {
  std::optional<std::string_view> nearest;
  size_t best = name.size() / 3 + 1;
  for (const ConfigKey& key : ConfigKeys()) {
    const size_t distance = EditDistance(name, key.name);
    if (distance < best) {
      best = distance;
      nearest = key.name;
    }
  }
  return nearest;
}

absl::Status CheckConfigValue(const ConfigKey& key, std::string_view value) {
  switch (key.kind) {
    case ConfigKind::kInteger: {
      const std::optional<int64_t> number = ParseInteger(value);
      if (number && *number >= key.low && *number <= key.high) return absl::OkStatus();
      if (key.high == INT64_MAX) {
        return Allowed(absl::StrFormat("an integer of at least %d", key.low));
      }
      return Allowed(absl::StrFormat("an integer from %d to %d", key.low, key.high));
    }
    case ConfigKind::kBoolean:
      if (value == "true" || value == "false") return absl::OkStatus();
      return Allowed("true or false");
    case ConfigKind::kChoice: {
      const std::vector<std::string> choices = SplitList(key.choices);
      if (std::find(choices.begin(), choices.end(), value) != choices.end()) {
        return absl::OkStatus();
      }
      return Allowed(absl::StrFormat("one of %s", key.choices));
    }
    case ConfigKind::kString:
    case ConfigKind::kList:
    case ConfigKind::kNoEffect:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace quorate
