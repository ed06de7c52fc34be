// broker/broker.h
//
// Broker is the composition of a node's broker half: listeners and handlers, partitions, the life
// as a registered broker, and the channel to the controller.
//
//   clients  -> KafkaListener -> HandlerRegistry -> handlers -> ReplicaManager
//   image    -> Broker::OnImage -> ReplicaManager, ImageView, BrokerLifecycle
//   handlers, ISR proposals, producer ids, new topics, lifecycle -> ControllerChannel -> controller
//
// Owned by one loop, the broker's; OnImage and OnLeaderChange may be called from any.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/blocking_pool.h"
#include "base/event_loop.h"
#include "base/file_system.h"
#include "base/network.h"
#include "base/random.h"
#include "base/rpc.h"
#include "broker/control/broker_config.h"
#include "broker/control/broker_lifecycle.h"
#include "broker/control/controller_channel.h"
#include "broker/group/group_coordinator.h"
#include "broker/group/replica_offsets_log.h"
#include "broker/handlers/handler_env.h"
#include "broker/net/kafka_listener.h"
#include "broker/replica/replica_manager.h"
#include "controller/image/image_loader.h"

namespace quorate {

class IsrChannel;

// What a broker stands on. All pointers outlive it.
struct BrokerEnv {
  EventLoop* loop = nullptr;
  BlockingPool* pool = nullptr;
  FileSystem* file_system = nullptr;
  Network* network = nullptr;  // of `loop`
  RpcClient* rpc = nullptr;
  Random* random = nullptr;  // of `loop`
  // Control endpoints of the voters.
  std::map<NodeId, Endpoint> controllers;
  // Who leads the quorum; called on `loop`.
  ControllerChannel::LeaderHint leader_hint;
  // A log directory failed for good; see ReplicaManagerEnv.
  std::function<void(const std::string& directory, const absl::Status& why)> on_directory_failed;
  // The broker became able to serve, or was fenced. May be empty.
  std::function<void(bool active)> on_active;
  BugSwitches bugs;
};

class Broker final : public ImagePublisher, private BrokerLifecycle::Observer {
 public:
  Broker(BrokerEnv env, BrokerConfig config);
  ~Broker() override;
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Binds the listeners, looks into the log directories and begins to register. Clients are served
  // once the broker is active for the first time. Call once, on the loop.
  // BLOCKS: a few small files per log directory.
  // ERRORS: as Network::Listen and ReplicaManager::Start; nothing runs then.
  absl::Status Start();

  // ImagePublisher. From any loop; takes effect on the broker's.
  void OnImage(const ImagePtr& image, const std::shared_ptr<const MetadataDelta>& delta) override;

  // The quorum's leader changed (the hint tells to whom). From any loop.
  void OnLeaderChange();
  // The voters or their addresses changed. On the broker's loop.
  void OnControllersChange(std::map<NodeId, Endpoint> controllers);

  // Controlled shutdown: leaders move away, outstanding requests are answered, logs are flushed
  // and closed. Bounded by controlled_shutdown_max + drain_max + the time of the flush. `done`
  // runs on the loop; nothing but destruction may follow. Call at most once, after Start.
  void Shutdown(Task done);

  bool active() const { return lifecycle_ != nullptr && lifecycle_->active(); }
  BrokerEpoch epoch() const;
  // The bound endpoint of a client listener. REQUIRES: Start succeeded, there is such a listener.
  const Endpoint& endpoint(std::string_view listener) const;
  const Endpoint& replication_endpoint() const;

  // For further handlers, registered before Start.
  HandlerRegistry& registry() { return registry_; }
  const HandlerEnv& handler_env() const { return handler_env_; }
  ReplicaManager& replicas() { return *replicas_; }
  const GroupCoordinator& groups() const { return *groups_; }
  const ImageView& images() const { return images_; }
  size_t connection_count() const;

 private:
  void OnRegistered(BrokerEpoch epoch) override;
  void OnActive(bool active) override;

  absl::Status StartListeners();
  BrokerRegistration MakeRegistration(BrokerEpoch previous_epoch);
  void ApplyImage(const ImagePtr& image, const MetadataDelta& delta);
  // The first image with our registration starts the partitions; true if it was given to them.
  bool MaybeStartReplicas(const ImagePtr& image);
  void StopListeners(Task done);

  const BrokerEnv env_;
  const BrokerConfig config_;
  // The order is that of dependence: what is below may use what is above.
  ImageView images_;
  std::unique_ptr<ControllerChannel> channel_;
  std::unique_ptr<IsrChannel> isr_channel_;
  std::unique_ptr<ReplicaManager> replicas_;
  std::unique_ptr<ReplicaManagerApi> replica_api_;
  std::unique_ptr<TopicCreator> topics_;
  std::unique_ptr<ProducerIdAllocator> producer_ids_;
  std::unique_ptr<FetchSessionCache> sessions_;
  std::unique_ptr<ReplicaOffsetsLog> offsets_log_;
  std::unique_ptr<GroupCoordinator> groups_;
  HandlerEnv handler_env_;
  HandlerRegistry registry_;
  std::unique_ptr<BrokerLifecycle> lifecycle_;
  RequestMemory request_memory_;
  std::vector<std::unique_ptr<KafkaListener>> listeners_;
  std::unique_ptr<KafkaListener> replication_listener_;
  bool replicas_started_ = false;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
