#include "cli/node/node.h"

#include <glog/logging.h>

#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "broker/broker.h"
#include "cli/node/node_config.h"
#include "controller/image/image_loader.h"
#include "controller/image/image_records.h"
#include "controller/image/image_store.h"
#include "controller/quorum_controller.h"
#include "raft/raft_node.h"

namespace quorate {
// Joins Raft to what stands on it: committed batches go to the image loader, a new leader is made
// known to the broker. Lives on the control loop; `leader_for_data` on the data loop.
class Node::Bridge final : public MetadataListener {
 public:
  // `begin`: the image that the first batch follows; null = the empty one.
  Bridge(EventLoop* control_loop, EventLoop* data_loop, ImagePtr begin)
      : data_loop_(data_loop), loader_(control_loop, std::move(begin)) {}
  ~Bridge() override { *alive_ = false; }

  // Before the node starts.
  void SetQuorum(const RaftNode* quorum) { quorum_ = quorum; }
  void SetBroker(Broker* broker) {
    broker_ = broker;
    loader_.AddPublisher(broker);
  }
  void SetImageStore(ImageStore* store) { loader_.AddPublisher(store); }
  void StartController(const ControllerConfig& config, EventLoop* loop, Random* random,
                       MetadataQuorum* quorum, RpcServer* server) {
    controller_ = std::make_unique<QuorumController>(config, loop, random, quorum);
    controller_->Restore(*loader_.image());
    controller_->RegisterMethods(server);
  }

  void OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) override {
    for (const auto& batch : batches) {
      if (batch->control) PublishControllers();
    }
    if (!loader_.failure().ok()) return;
    std::vector<std::shared_ptr<const CommittedBatch>> committed;
    committed.reserve(batches.size());
    for (const auto& batch : batches) {
      committed.push_back(std::make_shared<const CommittedBatch>(
          CommittedBatch{batch->first, batch->term, batch->append_time, batch->cause,
                         batch->control, batch->records}));
    }
    if (absl::Status applied = loader_.Apply(committed); !applied.ok()) {
      LOG(ERROR) << "the metadata image stays as it is, this node follows no further: " << applied;
    }
  }

  void OnSnapshot(const std::shared_ptr<const MetadataSnapshot>& snapshot) override {
    PublishControllers();  // the voters may be others than those known so far
    absl::StatusOr<MetadataImage> image =
        ImageOfRecords(snapshot->end, snapshot->term, snapshot->records);
    if (image.ok()) return loader_.LoadSnapshot(*std::move(image));
    LOG(ERROR) << "the metadata image stays as it is: the snapshot at " << snapshot->end
               << " cannot be used: " << image.status();
  }

  // For snapshots: the last published image.
  std::shared_ptr<const SnapshotState> state() const;

  void OnLeaderChange(const QuorumLeader& leader) override {
    if (broker_ == nullptr) return;
    PublishControllers();
    data_loop_->Post([this, alive = std::weak_ptr<bool>(alive_), leader] {
      if (alive.expired()) return;
      leader_for_data_ = leader.leader;
      broker_->OnLeaderChange();
    });
  }

  void OnBecomeActive(Term term) override { LOG(INFO) << "active controller of term " << term; }

  NodeId leader_for_data() const { return leader_for_data_; }

 private:
  // The broker learns where the controllers are, if that changed.
  void PublishControllers() {
    if (broker_ == nullptr) return;
    std::map<NodeId, Endpoint> controllers = quorum_->VoterEndpoints();
    if (controllers.empty() || controllers == controllers_) return;
    controllers_ = controllers;
    data_loop_->Post([this, alive = std::weak_ptr<bool>(alive_),
                      controllers = std::move(controllers)]() mutable {
      if (!alive.expired()) broker_->OnControllersChange(std::move(controllers));
    });
  }

  EventLoop* const data_loop_;
  const RaftNode* quorum_ = nullptr;
  std::map<NodeId, Endpoint> controllers_;  // as last published
  ImageLoader loader_;
  Broker* broker_ = nullptr;
  std::unique_ptr<QuorumController> controller_;
  NodeId leader_for_data_ = kNoNode;  // owned by the data loop
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

namespace {

class ImageState final : public SnapshotState {
 public:
  explicit ImageState(ImagePtr image) : image_(std::move(image)) {}
  LogIndex end() const override { return image_->index(); }
  Term term() const override { return image_->term(); }
  absl::Status Write(
      size_t max_batch_bytes,
      absl::FunctionRef<absl::Status(std::vector<std::string>)> sink) const override {
    return WriteImageRecords(*image_, max_batch_bytes, sink);
  }

 private:
  const ImagePtr image_;
};

}  // namespace

std::shared_ptr<const SnapshotState> Node::Bridge::state() const {
  if (!loader_.failure().ok()) return nullptr;
  return std::make_shared<const ImageState>(loader_.image());
}

Node::Node(const NodeSeams& seams, const ServerConfig& config, const NodeIdentity& identity)
    : seams_(seams), config_(config), identity_(identity) {}

Node::~Node() = default;

absl::Status Node::StartControl() {
  RaftConfig raft_config = MakeRaftConfig(config_, identity_);
  raft_config.on_fatal = seams_.on_fatal;
  raft_config.bugs = seams_.raft_bugs;
  raft_config.storage_bugs = seams_.broker_bugs.storage;
  raft_config.snapshot_state = [this]() -> std::shared_ptr<const SnapshotState> {
    return bridge_ == nullptr ? nullptr : bridge_->state();
  };
  const RaftEnvironment environment{seams_.control_loop, seams_.pool,       seams_.files,
                                    seams_.rpc_server,   seams_.rpc_client, seams_.control_random};
  Q_ASSIGN_OR_RETURN(raft_, RaftNode::Open(raft_config, environment));
  ImageStoreOptions store;
  store.directory = config_.metadata_log_dir + "/" + std::string(kImageStoreName);
  store.cluster_id = identity_.cluster_id;
  store.delay = seams_.image_store_delay;
  store.index_before_image = seams_.controller_bugs.store_index_before_image;
  image_store_ = std::make_unique<ImageStore>(
      ImageStoreEnv{seams_.control_loop, seams_.pool, seams_.files, seams_.state_stores}, store);
  const ImagePtr stored = image_store_->Load(
      [this](LogIndex index, Term term) { return raft_->CheckPrefix(index, term); });
  if (stored != nullptr) raft_->StartDeliveryAt(stored->index());
  bridge_ = std::make_unique<Bridge>(seams_.control_loop, seams_.data_loop, stored);
  bridge_->SetImageStore(image_store_.get());
  raft_->AddListener(bridge_.get());
  bridge_->SetQuorum(raft_.get());
  if (config_.is_controller) {
    ControllerConfig controller = MakeControllerConfig(config_, identity_);
    controller.bugs = seams_.controller_bugs;
    bridge_->StartController(controller, seams_.control_loop, seams_.control_random, raft_.get(),
                             seams_.rpc_server);
  }
  if (config_.is_broker) {
    BrokerEnv env;
    env.loop = seams_.data_loop;
    env.pool = seams_.pool;
    env.file_system = seams_.files;
    env.network = seams_.data_network;
    env.rpc = seams_.rpc_client;
    env.random = seams_.data_random;
    for (const VoterConfig& voter : config_.voters) env.controllers[voter.id] = voter.endpoint;
    env.leader_hint = [bridge = bridge_.get()] { return bridge->leader_for_data(); };
    env.on_directory_failed = [fatal = seams_.on_fatal](const std::string& directory,
                                                        const absl::Status& why) {
      LOG(ERROR) << "log directory " << directory << " failed: " << why;
      fatal(why);
    };
    env.on_active = [](bool active) {
      LOG(INFO) << (active ? "the broker serves clients" : "the broker is fenced");
    };
    env.bugs = seams_.broker_bugs;
    broker_ = std::make_unique<Broker>(std::move(env), MakeBrokerConfig(config_, identity_));
    bridge_->SetBroker(broker_.get());
  }
  if (config_.controller_listener && config_.is_controller) {
    Q_RETURN_IF_ERROR(seams_.rpc_server->Start(config_.controller_listener->bind));
  }
  raft_->Start();
  return absl::OkStatus();
}

absl::Status Node::StartData() { return broker_ == nullptr ? absl::OkStatus() : broker_->Start(); }

void Node::Shutdown(Task done) {
  auto stop_raft = [this, done = std::move(done)]() mutable {
    raft_->Shutdown(
        [this, done = std::move(done)]() mutable { image_store_->Finish(std::move(done)); });
  };
  if (broker_ == nullptr) {
    stop_raft();
    return;
  }
  seams_.data_loop->Post([this, stop_raft = std::move(stop_raft)]() mutable {
    broker_->Shutdown([this, stop_raft = std::move(stop_raft)]() mutable {
      seams_.control_loop->Post(std::move(stop_raft));
    });
  });
}

}  // namespace quorate
