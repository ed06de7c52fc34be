#include "tests/sim/clients/sim_client.h"

#include <chrono>
#include <utility>

#include "proto/kafka/messages/metadata.h"

namespace quorate::sim {
namespace {

constexpr Micros kMetadataPause = std::chrono::milliseconds(50);
constexpr Micros kMetadataTimeout = std::chrono::seconds(2);
constexpr int16_t kMetadataVersion = 12;

}  // namespace

SimClient::SimClient(Internet& internet, Process& process, std::vector<Endpoint> bootstrap,
                     std::vector<std::string> topics)
    : process_(process),
      network_(internet, process),
      bootstrap_(std::move(bootstrap)),
      topics_(std::move(topics)) {}

const LeaderView* SimClient::LeaderOf(const PartitionName& partition) const {
  const auto it = leaders_.find(partition);
  return it == leaders_.end() || it->second.leader < 0 ? nullptr : &it->second;
}

const Uuid* SimClient::TopicId(const std::string& topic) const {
  const auto it = topic_ids_.find(topic);
  return it == topic_ids_.end() ? nullptr : &it->second;
}

std::string SimClient::TopicName(const Uuid& id) const {
  for (const auto& [name, known] : topic_ids_) {
    if (known == id) return name;
  }
  return "";
}

KafkaPeer* SimClient::PeerAt(const Endpoint& at) {
  std::unique_ptr<KafkaPeer>& peer = peers_[at];
  if (peer != nullptr && peer->broken()) {
    // It may be in the middle of telling so.
    loop().Post([old = std::shared_ptr<KafkaPeer>(std::move(peer))] {});
  }
  if (peer == nullptr) {
    peer = std::make_unique<KafkaPeer>(&loop(), &network_, at, name());
    peer->on_overdue = [this] {
      if (on_overdue) on_overdue();
    };
  }
  return peer.get();
}

KafkaPeer* SimClient::PeerOf(int32_t broker) {
  const auto it = brokers_.find(broker);
  return it == brokers_.end() ? nullptr : PeerAt(it->second);
}

KafkaPeer* SimClient::AnyPeer() { return PeerAt(bootstrap_[random().Below(bootstrap_.size())]); }

void SimClient::RefreshMetadata() {
  if (asking_) return;
  asking_ = true;
  const Micros pause(random().Between(1000, kMetadataPause.count()));
  loop().RunAfter(pause, [this] { AskForMetadata(); });
}

void SimClient::AskForMetadata() {
  kafka::MetadataRequest request;
  request.topics.emplace();
  for (const std::string& topic : topics_) request.topics->emplace_back().name = topic;
  request.allow_auto_topic_creation = false;
  AnyPeer()->Call<kafka::MetadataRequest, kafka::MetadataResponse>(
      kMetadataVersion, request, kMetadataTimeout,
      [this](absl::StatusOr<kafka::MetadataResponse> response) {
        asking_ = false;
        if (!response.ok()) return RefreshMetadata();
        for (const auto& broker : response->brokers) {
          brokers_[broker.node_id] = {broker.host, broker.port};
        }
        for (const auto& topic : response->topics) {
          if (topic.error_code != 0 || !topic.name) continue;
          topic_ids_[*topic.name] = topic.topic_id;
          for (const auto& partition : topic.partitions) {
            LeaderView& view = leaders_[{*topic.name, partition.partition_index}];
            // A broker behind the others may tell old news.
            if (partition.leader_epoch < view.epoch) continue;
            view = {partition.leader_id, partition.leader_epoch};
          }
        }
        for (const auto& listener : listeners_) listener();
      });
}

}  // namespace quorate::sim
