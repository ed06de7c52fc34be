#include "controller/image/stored_image.h"

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "controller/image/entry_records.h"
#include "controller/image/image_loader.h"
#include "controller/image/image_records.h"

namespace quorate {
namespace {

constexpr std::string_view kPositionKey = "!position";
// Raised when an older version could not read what is stored.
constexpr std::string_view kFormat = "1";
constexpr size_t kBatchBytes = 1 << 20;

// --- Keys ---

void AppendBigEndian(uint64_t value, int bytes, std::string* out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

std::string TopicKey(char kind, const Uuid& id) {
  std::string key(1, kind);
  key.append(reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size());
  return key;
}

std::string FeatureKey(std::string_view name) { return "A" + std::string(name); }
std::string BrokerKey(NodeId id) {
  std::string key = "B";
  AppendBigEndian(static_cast<uint32_t>(id.value()), 4, &key);
  return key;
}
std::string PartitionKey(const Uuid& topic, PartitionIndex index) {
  std::string key = TopicKey('D', topic);
  AppendBigEndian(static_cast<uint32_t>(index.value()), 4, &key);
  return key;
}
std::string ConfigKey(const ConfigResource& resource, std::string_view key) {
  std::string out = "E";
  out.push_back(static_cast<char>(resource.type));
  AppendBigEndian(resource.name.size(), 2, &out);
  return out.append(resource.name).append(key);
}
std::string ProducerIdsKey() { return "F"; }

// --- Values ---

std::string Framed(const std::vector<std::string>& records) {
  std::string out;
  for (const std::string& record : records) {
    AppendBigEndian(record.size(), 4, &out);
    out.append(record);
  }
  return out;
}

absl::Status AddFramed(std::string_view value, ImageBuilder* builder) {
  while (!value.empty()) {
    size_t size = 0;
    if (value.size() < 4) return absl::DataLossError("a value is cut");
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(value[i]);
    value.remove_prefix(4);
    if (value.size() < size) return absl::DataLossError("a value is cut");
    Q_RETURN_IF_ERROR(builder->Add(value.substr(0, size)));
    value.remove_prefix(size);
  }
  return absl::OkStatus();
}

// --- The position: lines of format, cluster, index, term, hash ---

std::string EncodePosition(const std::string& cluster_id, const MetadataImage& image) {
  return absl::StrFormat("%s\n%s\n%d\n%d\n%s\n", std::string(kFormat), cluster_id,
                         image.index().value(), image.term().value(), image.hash().ToString());
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t end; (end = text.find('\n')) != std::string_view::npos;) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool ParseNumber(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value >= 0;
}

// --- Entries into a batch ---

// Turns entries of `to` into changes of a store. What an entry's name stands for in `to` is put, or
// deleted if there is nothing.
class ChangeWriter {
 public:
  explicit ChangeWriter(const MetadataImage& to) : to_(to) {}

  void Broker(NodeId id) {
    const BrokerImage* broker = to_.FindBroker(id);
    if (broker == nullptr) return batch_.Delete(BrokerKey(id));
    batch_.Put(BrokerKey(id), Framed(RecordsOf(*broker)));
  }
  void Topic(const TopicImage& topic) {
    batch_.Put(TopicKey('C', topic.id), Framed({RecordOf(topic)}));
  }
  void Partition(const Uuid& topic, PartitionIndex index, const PartitionState& state) {
    batch_.Put(PartitionKey(topic, index), Framed({RecordOf(topic, index, state)}));
  }
  void TopicGone(const TopicImage& topic) {
    batch_.Delete(TopicKey('C', topic.id));
    for (const auto& [index, state] : topic.partitions) {
      batch_.Delete(PartitionKey(topic.id, index));
    }
  }
  // `old`: what is stored of it, may be null.
  void Configs(const ConfigResource& resource, const ConfigMap* old) {
    if (old != nullptr) {
      for (const auto& [key, value] : *old) batch_.Delete(ConfigKey(resource, key));
    }
    const ConfigMap* configs = to_.configs().Find(resource);
    if (configs == nullptr) return;
    for (const auto& [key, value] : *configs) {
      batch_.Put(ConfigKey(resource, key), Framed({RecordOf(resource, key, value)}));
    }
  }
  void ProducerIds() {
    if (to_.next_producer_id() == ProducerId(0)) return;
    batch_.Put(ProducerIdsKey(), Framed({RecordOfProducerIds(to_.next_producer_id())}));
  }
  // `from` is what is stored.
  void Features(const MetadataImage& from) {
    for (const auto& [name, level] : from.features()) batch_.Delete(FeatureKey(name));
    for (const auto& [name, level] : to_.features()) {
      batch_.Put(FeatureKey(name), Framed({RecordOfFeature(name, level)}));
    }
  }
  void Position(const std::string& cluster_id) {
    batch_.Put(std::string(kPositionKey), EncodePosition(cluster_id, to_));
  }

  size_t bytes() const { return batch_.bytes(); }
  StateBatch Take() { return std::exchange(batch_, StateBatch()); }

 private:
  const MetadataImage& to_;
  StateBatch batch_;
};

}  // namespace

absl::StatusOr<std::optional<StoredPosition>> ReadPosition(StateStore& store) {
  Q_ASSIGN_OR_RETURN(const auto text, store.Get(kPositionKey));
  if (!text) return std::optional<StoredPosition>();
  const std::vector<std::string_view> lines = Lines(*text);
  if (lines.empty() || lines[0] != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the stored image has format '%s', this version reads '%s'",
                        lines.empty() ? "" : std::string(lines[0]), std::string(kFormat)));
  }
  StoredPosition position;
  int64_t index = 0;
  int64_t term = 0;
  if (lines.size() != 5 || !ParseNumber(lines[2], &index) || !ParseNumber(lines[3], &term)) {
    return absl::DataLossError("the stored image's position is malformed");
  }
  return StoredPosition{std::string(lines[1]), LogIndex(index), Term(term), std::string(lines[4])};
}

absl::StatusOr<MetadataImage> ReadImage(StateStore& store, const StoredPosition& position,
                                        bool trust) {
  ImageBuilder builder(position.index, position.term);
  absl::Status added;
  Q_RETURN_IF_ERROR(store.Scan("", [&](std::string_view key, std::string_view value) {
    if (key != kPositionKey) added = AddFramed(value, &builder);
    return added.ok();
  }));
  if (!added.ok()) return absl::FailedPreconditionError(added.message());
  MetadataImage image = std::move(builder).Take();
  if (image.hash().ToString() != position.hash && !trust) {
    return absl::FailedPreconditionError(
        absl::StrFormat("the stored image at index %d has the hash %s, it should be %s",
                        position.index.value(), image.hash().ToString(), position.hash));
  }
  return image;
}

absl::Status WriteImage(StateStore& store, const std::string& cluster_id,
                        const MetadataImage& image) {
  ChangeWriter out(image);
  out.Features(MetadataImage());
  for (const auto& [id, broker] : image.brokers()) out.Broker(id);
  for (const auto& [id, topic] : image.topics()) {
    out.Topic(topic);
    for (const auto& [index, state] : topic.partitions) {
      if (out.bytes() >= kBatchBytes) Q_RETURN_IF_ERROR(store.Write(out.Take()));
      out.Partition(id, index, state);
    }
  }
  for (const auto& [resource, configs] : image.configs()) {
    if (out.bytes() >= kBatchBytes) Q_RETURN_IF_ERROR(store.Write(out.Take()));
    out.Configs(resource, nullptr);
  }
  out.ProducerIds();
  out.Position(cluster_id);
  return store.Write(out.Take());
}

absl::Status WriteChanges(StateStore& store, const std::string& cluster_id,
                          const MetadataImage& from, const MetadataImage& to,
                          const MetadataDelta& delta) {
  ChangeWriter out(to);
  for (NodeId id : delta.brokers) out.Broker(id);
  for (const Uuid& id : delta.topics_deleted) {
    if (const TopicImage* topic = from.FindTopic(id)) out.TopicGone(*topic);
  }
  for (const Uuid& id : delta.topics_created) {
    if (const TopicImage* topic = to.FindTopic(id)) out.Topic(*topic);
  }
  for (const TopicPartition& partition : delta.partitions) {
    const PartitionState* state = to.FindPartition(partition);
    if (state != nullptr) out.Partition(partition.topic_id, partition.partition, *state);
  }
  for (const ConfigResource& resource : delta.configs) {
    out.Configs(resource, from.configs().Find(resource));
  }
  if (delta.producer_ids) out.ProducerIds();
  if (delta.features) out.Features(from);
  out.Position(cluster_id);
  return store.Write(out.Take());
}

}  // namespace quorate
