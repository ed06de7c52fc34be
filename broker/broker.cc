#include "broker/broker.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "broker/control/isr_channel.h"
#include "broker/handlers/group_handlers.h"
#include "controller/image/metadata_delta.h"

namespace quorate {
namespace {

constexpr char kReplicationListener[] = "REPLICATION";

ReplicaManagerOptions ReplicaOptions(const BrokerEnv& env, const BrokerConfig& config) {
  ReplicaManagerOptions options;
  options.broker = config.node_id;
  options.log_directories = config.log_dirs;
  options.static_config = config.static_configs;
  options.replica_lag_max = config.replica_lag_time_max;
  options.replica_fetch_wait_max = config.replica_fetch_wait_max;
  options.replica_fetch_max_bytes = config.replica_fetch_max_bytes;
  options.replica_fetch_response_max_bytes = config.replica_fetch_response_max_bytes;
  options.bugs = env.bugs;
  return options;
}

GroupCoordinatorOptions GroupOptions(const BrokerEnv& env, const BrokerConfig& config) {
  GroupCoordinatorOptions options;
  options.keep_groups_when_deposed = env.bugs.keep_groups_when_deposed;
  options.limits.initial_rebalance_delay = config.group_initial_rebalance_delay;
  options.limits.min_session_timeout = config.group_min_session_timeout;
  options.limits.max_session_timeout = config.group_max_session_timeout;
  options.limits.max_size = static_cast<size_t>(std::max(config.group_max_size, 0));
  options.topic_partitions = std::max(config.offsets_topic_partitions, 1);
  options.topic_replication_factor = config.offsets_topic_replication_factor;
  options.offsets_retention = config.offsets_retention;
  options.offsets_check_interval = config.offsets_check_interval;
  options.offset_metadata_max_bytes =
      static_cast<size_t>(std::max(config.offset_metadata_max_bytes, 0));
  return options;
}

ConnectionLimits LimitsOf(const BrokerConfig& config) {
  ConnectionLimits limits;
  limits.frames.max_frame_bytes = config.socket_request_max_bytes;
  limits.frames.max_other_frame_bytes =
      std::min(limits.frames.max_other_frame_bytes, config.socket_request_max_bytes);
  limits.max_idle = config.connections_max_idle;
  return limits;
}

BrokerListener Advertise(const BrokerListenerConfig& config, const Endpoint& bound) {
  BrokerListener out;
  out.name = config.name;
  out.security_protocol = config.security_protocol;
  out.host = config.advertised.host;
  if (out.host.empty()) out.host = config.bind.host.empty() ? "localhost" : config.bind.host;
  out.port = config.advertised.port != 0 ? config.advertised.port : bound.port;
  return out;
}

}  // namespace

Broker::Broker(BrokerEnv env, BrokerConfig config)
    : env_(std::move(env)),
      config_(std::move(config)),
      images_(env_.loop),
      registry_(env_.loop),
      request_memory_(env_.loop, static_cast<size_t>(config_.queued_max_request_bytes)) {
  const auto epoch_now = [this] { return epoch(); };
  channel_ = std::make_unique<ControllerChannel>(env_.loop, env_.rpc, env_.random, env_.controllers,
                                                 env_.leader_hint);
  isr_channel_ = std::make_unique<IsrChannel>(env_.loop, channel_.get(), config_.cluster_id,
                                              config_.node_id, epoch_now);
  ReplicaManagerEnv replica_env;
  replica_env.loop = env_.loop;
  replica_env.pool = env_.pool;
  replica_env.file_system = env_.file_system;
  replica_env.network = env_.network;
  replica_env.random = env_.random;
  replica_env.isr_updater = isr_channel_.get();
  replica_env.on_directory_failed = env_.on_directory_failed;
  replicas_ = std::make_unique<ReplicaManager>(replica_env, ReplicaOptions(env_, config_));
  replica_api_ = std::make_unique<ReplicaManagerApi>(replicas_.get());
  topics_ = std::make_unique<TopicCreator>(env_.loop, channel_.get(), &images_, config_.cluster_id,
                                           config_.node_id, epoch_now);
  producer_ids_ = std::make_unique<ProducerIdAllocator>(
      env_.loop, channel_.get(), ProducerIdAllocator::Identity{config_.cluster_id, config_.node_id},
      epoch_now);
  sessions_ = std::make_unique<FetchSessionCache>(&env_.loop->clock(), env_.random,
                                                  config_.max_fetch_sessions);
  handler_env_.loop = env_.loop;
  handler_env_.config = &config_;
  handler_env_.images = &images_;
  handler_env_.controller = channel_.get();
  handler_env_.replicas = replica_api_.get();
  handler_env_.topics = topics_.get();
  handler_env_.producer_ids = producer_ids_.get();
  handler_env_.sessions = sessions_.get();
  handler_env_.broker_epoch = epoch_now;
  RegisterHandlers(registry_, handler_env_);
  offsets_log_ = std::make_unique<ReplicaOffsetsLog>(env_.loop, env_.pool, replicas_.get(),
                                                     config_.offsets_commit_timeout);
  groups_ = std::make_unique<GroupCoordinator>(
      GroupCoordinatorEnv{env_.loop, env_.random, offsets_log_.get(), &images_},
      GroupOptions(env_, config_));
  RegisterGroupHandlers(registry_, {handler_env_, groups_.get()});
}

Broker::~Broker() { *alive_ = false; }

BrokerEpoch Broker::epoch() const {
  return lifecycle_ == nullptr ? kNoBrokerEpoch : lifecycle_->epoch();
}

absl::Status Broker::StartListeners() {
  QCHECK(!config_.listeners.empty());
  for (const BrokerListenerConfig& listener : config_.listeners) {
    ListenerOptions options;
    options.name = listener.name;
    options.bind = listener.bind;
    options.limits = LimitsOf(config_);
    options.max_connections = config_.max_connections;
    options.max_connections_per_host = config_.max_connections_per_ip;
    listeners_.push_back(std::make_unique<KafkaListener>(env_.loop, env_.network, options,
                                                         &request_memory_, &registry_));
    Q_RETURN_IF_ERROR(listeners_.back()->Start());
  }
  ListenerOptions internal;
  internal.name = kReplicationListener;
  internal.internal = true;
  internal.bind = config_.internal_bind;
  if (internal.bind.host.empty()) internal.bind.host = config_.listeners.front().bind.host;
  internal.limits = LimitsOf(config_);
  replication_listener_ = std::make_unique<KafkaListener>(env_.loop, env_.network, internal,
                                                          &request_memory_, &registry_);
  Q_RETURN_IF_ERROR(replication_listener_->Start());
  replication_listener_->Serve();
  return absl::OkStatus();
}

BrokerRegistration Broker::MakeRegistration(BrokerEpoch previous_epoch) {
  BrokerRegistration out;
  out.node_id = config_.node_id;
  out.cluster_id = config_.cluster_id;
  out.incarnation = Uuid::Generate(*env_.random);
  for (size_t i = 0; i < listeners_.size(); ++i) {
    out.listeners.push_back(Advertise(config_.listeners[i], listeners_[i]->local()));
  }
  out.replication_listener.name = kReplicationListener;
  out.replication_listener.security_protocol = "PLAINTEXT";
  out.replication_listener.host = config_.internal_advertised_host;
  if (out.replication_listener.host.empty()) {
    out.replication_listener.host = config_.internal_bind.host;
  }
  if (out.replication_listener.host.empty()) {
    out.replication_listener.host = out.listeners.front().host;
  }
  out.replication_listener.port = replication_listener_->local().port;
  out.rack = config_.rack;
  out.previous_epoch = previous_epoch;
  out.log_directory_ids = config_.log_directory_ids;
  return out;
}

absl::Status Broker::Start() {
  env_.loop->AssertOnLoop();
  QCHECK(lifecycle_ == nullptr);
  Q_ASSIGN_OR_RETURN(const BrokerEpoch previous_epoch, replicas_->Start());
  if (absl::Status status = StartListeners(); !status.ok()) {
    listeners_.clear();
    replication_listener_.reset();
    return status;
  }
  BrokerLifecycle::Observer* const observer = this;
  lifecycle_ =
      std::make_unique<BrokerLifecycle>(env_.loop, channel_.get(), config_.heartbeat_interval,
                                        MakeRegistration(previous_epoch), observer);
  lifecycle_->Start();
  groups_->Start();
  return absl::OkStatus();
}

void Broker::OnImage(const ImagePtr& image, const std::shared_ptr<const MetadataDelta>& delta) {
  env_.loop->Post([this, alive = alive_, image, delta] {
    if (*alive) ApplyImage(image, *delta);
  });
}

void Broker::OnLeaderChange() {
  env_.loop->Post([this, alive = alive_] {
    if (*alive) channel_->OnLeaderChange();
  });
}

void Broker::OnControllersChange(std::map<NodeId, Endpoint> controllers) {
  env_.loop->AssertOnLoop();
  channel_->SetControllers(std::move(controllers));
}

void Broker::ApplyImage(const ImagePtr& image, const MetadataDelta& delta) {
  // Partitions first: whoever waits for this image may use them at once.
  if (replicas_started_) {
    replicas_->ApplyImage(image, delta);
  } else {
    MaybeStartReplicas(image);
  }
  images_.Update(image);
  groups_->OnImage(delta);
  if (lifecycle_ != nullptr) lifecycle_->OnImage(*image);
}

bool Broker::MaybeStartReplicas(const ImagePtr& image) {
  const BrokerImage* self = image->FindBroker(config_.node_id);
  if (replicas_started_ || stopping_ || self == nullptr || epoch() == kNoBrokerEpoch ||
      self->epoch != epoch()) {
    return false;
  }
  replicas_started_ = true;
  replicas_->ApplyImage(image, WholeAsDelta(*image));
  return true;
}

void Broker::OnRegistered(BrokerEpoch epoch) {
  replicas_->SetBrokerEpoch(epoch);
  // The image may have been faster than the answer.
  const ImagePtr image = images_.image();
  MaybeStartReplicas(image);
  lifecycle_->OnImage(*image);
}

void Broker::OnActive(bool active) {
  if (active) {
    for (const auto& listener : listeners_) listener->Serve();
  }
  if (env_.on_active) env_.on_active(active);
}

void Broker::Shutdown(Task done) {
  QCHECK(lifecycle_ != nullptr && !stopping_);
  stopping_ = true;
  LOG(INFO) << "broker " << config_.node_id << " shuts down";
  lifecycle_->Shutdown(config_.controlled_shutdown_max,
                       [this, alive = alive_, done = std::move(done)]() mutable {
                         if (!*alive) return;
                         StopListeners([this, alive, done = std::move(done)]() mutable {
                           if (!*alive) return;
                           replicas_->Stop(/*clean=*/true, std::move(done));
                         });
                       });
}

void Broker::StopListeners(Task done) {
  auto left = std::make_shared<size_t>(listeners_.size() + 1);
  auto finish = std::make_shared<Task>(std::move(done));
  const auto one_done = [left, finish] {
    if (--*left == 0) (*finish)();
  };
  for (const auto& listener : listeners_) listener->Stop(config_.drain_max, one_done);
  replication_listener_->Stop(config_.drain_max, one_done);
}

const Endpoint& Broker::endpoint(std::string_view listener) const {
  for (const auto& candidate : listeners_) {
    if (candidate->name() == listener) return candidate->local();
  }
  QCHECK(false && "no such listener");
  return listeners_.front()->local();
}

const Endpoint& Broker::replication_endpoint() const {
  QCHECK(replication_listener_ != nullptr);
  return replication_listener_->local();
}

size_t Broker::connection_count() const {
  size_t count = replication_listener_ == nullptr ? 0 : replication_listener_->connection_count();
  for (const auto& listener : listeners_) count += listener->connection_count();
  return count;
}

}  // namespace quorate
