#include "controller/cluster_control.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "proto/kafka/status_to_error.h"
#include "proto/quorate/controller.pb.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

absl::Status CheckCluster(const ControllerConfig& config, const pb::CallerHeader& caller) {
  if (config.cluster_id.empty() || caller.cluster_id() == config.cluster_id) {
    return absl::OkStatus();
  }
  return KafkaStatus(
      KafkaError::kInconsistentClusterId,
      absl::StrFormat("this is cluster %s, not %s", config.cluster_id, caller.cluster_id()));
}

absl::Status CheckRegistration(const pb::RegisterBrokerRequest& request) {
  const auto invalid = [](const std::string& why) {
    return KafkaStatus(KafkaError::kInvalidRegistration, why);
  };
  if (request.caller().broker_id() < 0) return invalid("the broker id is negative");
  if (request.incarnation_id().size() != 16) return invalid("the incarnation id is no id");
  if (request.listeners_size() == 0) return invalid("there is no listener for clients");
  for (const std::string& id : request.log_directory_ids()) {
    if (id.size() != 16) return invalid("a log directory id is no id");
  }
  return absl::OkStatus();
}

// The process still has every log directory that it had.
bool HasDirectoriesOf(const BrokerImage& old, const pb::RegisterBrokerRequest& request) {
  return std::all_of(old.log_directories.begin(), old.log_directories.end(), [&](const Uuid& id) {
    const std::string bytes = id.ToBytes();
    return std::any_of(request.log_directory_ids().begin(), request.log_directory_ids().end(),
                       [&](const std::string& now) { return now == bytes; });
  });
}

pb::MetadataRecord RegistrationRecord(const pb::RegisterBrokerRequest& request, BrokerEpoch epoch) {
  pb::MetadataRecord record;
  auto* out = record.mutable_register_broker();
  out->set_broker_id(request.caller().broker_id());
  out->set_incarnation_id(request.incarnation_id());
  out->set_broker_epoch(epoch.value());
  *out->mutable_listeners() = request.listeners();
  *out->mutable_replication_listener() = request.replication_listener();
  out->set_rack(request.rack());
  out->set_fenced(true);
  *out->mutable_log_directory_ids() = request.log_directory_ids();
  return record;
}

bool SameListener(const BrokerListener& a, const pb::ListenerEndpoint& b) {
  return a.name == b.name() && a.host == b.host() && a.port == b.port() &&
         a.security_protocol == b.security_protocol();
}

// The registration holds what the request asks for, and has not begun to act.
bool IsRepeated(const BrokerImage& old, const pb::RegisterBrokerRequest& request) {
  // A live process that registers anew names the epoch it has; a copy that is late does not.
  const bool anew = !old.fenced && BrokerEpoch(request.previous_broker_epoch()) == old.epoch;
  if (old.incarnation.ToBytes() != request.incarnation_id() || anew || old.in_controlled_shutdown ||
      old.rack != request.rack() ||
      old.listeners.size() != static_cast<size_t>(request.listeners_size()) ||
      !SameListener(old.replication_listener, request.replication_listener()) ||
      old.log_directories.size() != static_cast<size_t>(request.log_directory_ids_size())) {
    return false;
  }
  for (size_t i = 0; i < old.listeners.size(); ++i) {
    if (!SameListener(old.listeners[i], request.listeners(static_cast<int>(i)))) return false;
  }
  return HasDirectoriesOf(old, request);
}

}  // namespace

absl::Status ClusterControl::EpochGuard(const MetadataImage& image,
                                        const pb::CallerHeader& caller) const {
  Q_RETURN_IF_ERROR(CheckCluster(config_, caller));
  const BrokerImage* broker = image.FindBroker(NodeId(caller.broker_id()));
  if (broker == nullptr) {
    return KafkaStatus(KafkaError::kBrokerIdNotRegistered,
                       absl::StrFormat("broker %d is not registered", caller.broker_id()));
  }
  if (broker->epoch != BrokerEpoch(caller.broker_epoch())) {
    return KafkaStatus(
        KafkaError::kStaleBrokerEpoch,
        absl::StrFormat("broker %d is registered with epoch %d, not %d", caller.broker_id(),
                        broker->epoch.value(), caller.broker_epoch()));
  }
  return absl::OkStatus();
}

absl::Status ClusterControl::ClientGuard(const MetadataImage& image,
                                         const pb::CallerHeader& caller) const {
  if (caller.broker_id() < 0) return CheckCluster(config_, caller);
  return EpochGuard(image, caller);
}

absl::StatusOr<BrokerEpoch> ClusterControl::Register(const pb::RegisterBrokerRequest& request,
                                                     bool alive, ChangeSet* changes) const {
  Q_RETURN_IF_ERROR(CheckCluster(config_, request.caller()));
  Q_RETURN_IF_ERROR(CheckRegistration(request));
  const NodeId id(request.caller().broker_id());
  using Leaving = ReplicationControl::Leaving;
  Leaving leaving = Leaving::kUnclean;
  if (const BrokerImage* found = changes->image().FindBroker(id)) {
    const BrokerImage old = *found;
    const bool same_process = old.incarnation.ToBytes() == request.incarnation_id();
    if (!same_process && alive) {
      return KafkaStatus(
          KafkaError::kDuplicateBrokerRegistration,
          absl::StrFormat("another live process is registered as broker %d", id.value()));
    }
    if (IsRepeated(old, request)) return old.epoch;
    const bool clean = same_process || BrokerEpoch(request.previous_broker_epoch()) == old.epoch;
    if (!HasDirectoriesOf(old, request)) {
      leaving = Leaving::kDiskChanged;
    } else if (clean) {
      leaving = Leaving::kFenced;
    }
    if (!old.fenced) SetFenced(old, true, changes);
  }
  // The registration comes last: a controller that fails half way leaves the old one in place, and
  // the process, registering again, is found as unclean again.
  replication_.RemoveBroker(id, leaving, changes);
  const BrokerEpoch epoch(changes->next_index().value());
  changes->Add(RegistrationRecord(request, epoch));
  changes->EndUnit();
  return epoch;
}

void ClusterControl::SetFenced(const BrokerImage& broker, bool fenced, ChangeSet* changes) const {
  pb::MetadataRecord record;
  record.mutable_broker_change()->set_broker_id(broker.id.value());
  record.mutable_broker_change()->set_broker_epoch(broker.epoch.value());
  record.mutable_broker_change()->set_fenced(fenced);
  changes->Add(record);
  changes->EndUnit();
}

void ClusterControl::Fence(NodeId id, ChangeSet* changes) const {
  const BrokerImage* broker = changes->image().FindBroker(id);
  if (broker == nullptr || broker->fenced) return;
  SetFenced(BrokerImage(*broker), true, changes);
  replication_.RemoveBroker(id, ReplicationControl::Leaving::kFenced, changes);
}

void ClusterControl::Unfence(NodeId id, ChangeSet* changes) const {
  const BrokerImage* broker = changes->image().FindBroker(id);
  if (broker == nullptr || !broker->fenced) return;
  SetFenced(BrokerImage(*broker), false, changes);
  replication_.ElectLeaders(changes);
}

void ClusterControl::BeginShutdown(NodeId id, ChangeSet* changes) const {
  const BrokerImage* broker = changes->image().FindBroker(id);
  if (broker == nullptr || broker->in_controlled_shutdown) return;
  pb::MetadataRecord record;
  record.mutable_broker_change()->set_broker_id(id.value());
  record.mutable_broker_change()->set_broker_epoch(broker->epoch.value());
  record.mutable_broker_change()->set_in_controlled_shutdown(true);
  changes->Add(record);
  changes->EndUnit();
  replication_.RemoveBroker(id, ReplicationControl::Leaving::kFenced, changes);
}

void ClusterControl::FinishRemovals(ChangeSet* changes) const {
  std::vector<NodeId> idle;
  for (const auto& [id, broker] : changes->image().brokers()) {
    if (!broker.IsActive()) idle.push_back(id);
  }
  for (NodeId id : idle) {
    replication_.RemoveBroker(id, ReplicationControl::Leaving::kFenced, changes);
  }
}

ProducerId ClusterControl::AllocateProducerIds(const pb::CallerHeader& caller, int32_t count,
                                               ChangeSet* changes) const {
  const ProducerId first = changes->image().next_producer_id();
  pb::MetadataRecord record;
  record.mutable_producer_ids()->set_broker_id(caller.broker_id());
  record.mutable_producer_ids()->set_broker_epoch(caller.broker_epoch());
  record.mutable_producer_ids()->set_next_producer_id((first + count).value());
  changes->Add(record);
  return first;
}

}  // namespace quorate
