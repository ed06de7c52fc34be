#include "controller/image/state_entry.h"

#include "controller/image/replay.h"

namespace quorate {
namespace {

// Appends fields so that no two sequences of fields give the same bytes: numbers have a fixed
// width, strings and lists their length in front.
class Writer {
 public:
  explicit Writer(char kind) { out_.push_back(kind); }

  Writer& Number(int64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      out_.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
    }
    return *this;
  }
  Writer& Text(std::string_view text) {
    Number(static_cast<int64_t>(text.size()));
    out_.append(text);
    return *this;
  }
  Writer& Id(const Uuid& id) {
    out_.append(reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size());
    return *this;
  }
  Writer& Replicas(const ReplicaList& list) {
    Number(static_cast<int64_t>(list.size()));
    for (NodeId id : list) Number(id.value());
    return *this;
  }
  Writer& Listener(const BrokerListener& listener) {
    return Text(listener.name)
        .Text(listener.host)
        .Number(listener.port)
        .Text(listener.security_protocol);
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace

std::string StateEntry(const BrokerImage& broker) {
  Writer out('b');
  out.Number(broker.id.value()).Id(broker.incarnation).Number(broker.epoch.value());
  out.Number(static_cast<int64_t>(broker.listeners.size()));
  for (const BrokerListener& listener : broker.listeners) out.Listener(listener);
  out.Listener(broker.replication_listener).Text(broker.rack);
  out.Number(broker.fenced).Number(broker.in_controlled_shutdown);
  for (const Uuid& id : broker.log_directories) out.Id(id);
  return out.Take();
}

std::string StateEntry(const TopicImage& topic) {
  return Writer('t').Id(topic.id).Text(topic.name).Take();
}

std::string StateEntry(const Uuid& topic, PartitionIndex index, const PartitionState& state) {
  return Writer('p')
      .Id(topic)
      .Number(index.value())
      .Replicas(state.replicas)
      .Replicas(state.isr)
      .Replicas(state.elr)
      .Replicas(state.last_known_elr)
      .Number(state.leader.value())
      .Number(state.leader_epoch.value())
      .Number(state.partition_epoch.value())
      .Number(state.leader_recovering)
      .Take();
}

std::string StateEntry(const ConfigResource& resource, std::string_view key,
                       std::string_view value) {
  return Writer('c')
      .Number(static_cast<int64_t>(resource.type))
      .Text(resource.name)
      .Text(key)
      .Text(value)
      .Take();
}

std::string ProducerIdsEntry(ProducerId next) { return Writer('i').Number(next.value()).Take(); }

std::string FeatureEntry(std::string_view name, int32_t level) {
  return Writer('f').Text(name).Number(level).Take();
}

StateHash ComputeHash(const MetadataImage& image) {
  StateHash hash;
  for (const auto& [id, broker] : image.brokers()) hash.Add(StateEntry(broker));
  for (const auto& [id, topic] : image.topics()) {
    hash.Add(StateEntry(topic));
    for (const auto& [index, state] : topic.partitions) hash.Add(StateEntry(id, index, state));
  }
  for (const auto& [resource, configs] : image.configs()) {
    for (const auto& [key, value] : configs) hash.Add(StateEntry(resource, key, value));
  }
  if (image.next_producer_id() > ProducerId(0)) {
    hash.Add(ProducerIdsEntry(image.next_producer_id()));
  }
  for (const auto& [name, level] : image.features()) hash.Add(FeatureEntry(name, level));
  return hash;
}

}  // namespace quorate
