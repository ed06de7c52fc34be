// Changes of the voters, addresses of nodes. Part of RaftNode (raft_node.h).
#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/raft_node.h"

namespace quorate {
namespace {

constexpr char kChangeVoters[] = "Raft.ChangeVoters";
// A change that is not committed by then is answered as of unknown outcome.
constexpr Micros kChangeTimeout = std::chrono::seconds(10);
// How often a node asks to be added, or to have its address put right.
constexpr Micros kSelfChangeInterval = std::chrono::seconds(1);

}  // namespace

// --- Addresses ---

Endpoint RaftNode::EndpointOf(NodeId node) const {
  if (node == config_.node_id && !config_.endpoint.host.empty()) return config_.endpoint;
  if (node < kNoNode) {
    const auto position = static_cast<size_t>(kNoNode.value() - node.value() - 1);
    return position < config_.bootstrap_servers.size() ? config_.bootstrap_servers[position]
                                                       : Endpoint{};
  }
  const raft::Voter* voter = core_->voters().Find(node);
  const auto configured = config_.voters.find(node);
  if (!core_->voter_history().dynamic() && configured != config_.voters.end()) {
    return configured->second.endpoint;
  }
  // What a leader says of itself is newer than what the voter set says of it.
  const auto learned = learned_endpoints_.find(node);
  if (learned != learned_endpoints_.end() &&
      (voter == nullptr || learned->second.term >= core_->term())) {
    return learned->second.endpoint;
  }
  if (voter != nullptr && !voter->endpoint.host.empty()) return voter->endpoint;
  return configured != config_.voters.end() ? configured->second.endpoint : Endpoint{};
}

void RaftNode::LearnEndpoint(NodeId leader, Term term, const Endpoint& endpoint) {
  if (leader < NodeId(0) || leader == config_.node_id || endpoint.host.empty()) return;
  std::erase_if(learned_endpoints_,
                [this](const auto& entry) { return entry.second.term < core_->term(); });
  learned_endpoints_[leader] = {endpoint, term};
}

std::map<NodeId, Endpoint> RaftNode::VoterEndpoints() const {
  std::map<NodeId, Endpoint> endpoints;
  for (NodeId node : core_->voters().nodes()) {
    const Endpoint endpoint = EndpointOf(node);
    if (!endpoint.host.empty()) endpoints[node] = endpoint;
  }
  const NodeId leader = core_->leader();
  if (leader >= NodeId(0)) {
    if (const Endpoint endpoint = EndpointOf(leader); !endpoint.host.empty()) {
      endpoints[leader] = endpoint;
    }
  }
  return endpoints;
}

// --- Changes ---

void RaftNode::RegisterChangeVoters() {
  env_.server->Register(
      kChangeVoters, env_.loop, Guarded([this](std::unique_ptr<RpcCall> call) {
        if (!started_ || failed_) return call->Fail(absl::UnavailableError("not running"));
        pb::ChangeVotersRequest request;
        const std::string_view bytes = call->request();
        if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          return call->Fail(absl::InvalidArgumentError("malformed ChangeVotersRequest"));
        }
        if (!request.cluster_id().empty() && request.cluster_id() != config_.cluster_id) {
          return call->Fail(absl::FailedPreconditionError(
              absl::StrFormat("the change is for cluster %s, this is %s", request.cluster_id(),
                              config_.cluster_id)));
        }
        absl::StatusOr<VoterChange> change = FromProto(request);
        if (!change.ok()) return call->Fail(change.status());
        auto shared = std::shared_ptr<RpcCall>(std::move(call));
        ChangeVoters(*std::move(change), [shared](const absl::Status& status) {
          if (!status.ok()) return shared->Fail(status);
          shared->Reply(pb::ChangeVotersResponse().SerializeAsString());
        });
      }));
}

void RaftNode::ChangeVoters(VoterChange change, VoterChangeDone done) {
  env_.loop->AssertOnLoop();
  if (failed_ || shutting_down_) return done(absl::UnavailableError("this node is stopping"));
  if (core_->role() != raft::Role::kLeader) return PassOn(std::move(change), std::move(done));
  const absl::StatusOr<raft::VoterSet> next = CheckedVotersAfter(change);
  if (!next.ok()) return done(next.status());
  if (*next == core_->voters() && core_->voter_history().dynamic()) return done(absl::OkStatus());
  LOG(INFO) << "raft node " << config_.node_id << ": voters " << core_->voters().ToString()
            << " become " << next->ToString();
  QCHECK(!voter_change_);
  PendingVoterChange pending{core_->log_end(), core_->term(), std::move(done), TimerId::kNone};
  pending.timer = env_.loop->RunAfter(kChangeTimeout, Guarded([this] {
                                        FinishVoterChange(absl::DeadlineExceededError(
                                            "the change is in the log but not committed yet: look "
                                            "at `quorate quorum status`"));
                                      }));
  voter_change_ = std::move(pending);
  Enqueue({raft::ChangeVoters{*next}, SharedBytes()});
}

absl::StatusOr<raft::VoterSet> RaftNode::CheckedVotersAfter(const VoterChange& change) const {
  // The step has to come at once: what is checked here must still hold in it.
  if (persisting_ || draining_ || !inputs_.empty() || voter_change_) {
    return absl::UnavailableError(
        "another change of voters or an election is under way: try again");
  }
  raft::VoterSet next;
  if (change.kind == VoterChange::Kind::kUpgrade) {
    Q_ASSIGN_OR_RETURN(next, UpgradedVoters());
  } else if (!core_->voter_history().dynamic()) {
    return absl::FailedPreconditionError(
        "the voters are those of controller.quorum.voters (kraft.version 0): run `quorate quorum "
        "upgrade` first");
  } else {
    Q_ASSIGN_OR_RETURN(next, VotersAfter(core_->voters(), change));
  }
  Q_RETURN_IF_ERROR(core_->CheckVoterChange(next, env_.loop->Now()));
  return next;
}

// The voters of the configuration with the directory ids that they fetch under.
absl::StatusOr<raft::VoterSet> RaftNode::UpgradedVoters() const {
  if (core_->voter_history().dynamic()) {
    return absl::AlreadyExistsError("the voters can be changed already (kraft.version 1)");
  }
  std::map<NodeId, raft::Voter> voters;
  for (const auto& [node, voter] : config_.voters) {
    voters[node] = {node == config_.node_id ? config_.directory_id : Uuid(), voter.endpoint};
  }
  for (const raft::ReplicaProgress& progress : core_->leader_state()->Replicas()) {
    const auto voter = voters.find(progress.key.node);
    if (voter != voters.end() && progress.fetched && !progress.observer_only) {
      voter->second.directory = progress.key.directory;
    }
  }
  for (const auto& [node, voter] : voters) {
    if (voter.directory.is_zero()) {
      return absl::UnavailableError(absl::StrFormat(
          "voter %d has not fetched in this term, so its directory id is not known: start it and "
          "try again",
          node.value()));
    }
  }
  return raft::VoterSet(std::move(voters));
}

void RaftNode::PassOn(VoterChange change, VoterChangeDone done) {
  const NodeId leader = core_->leader();
  const Endpoint endpoint = leader == kNoNode ? Endpoint{} : EndpointOf(leader);
  if (change.passed_on || endpoint.host.empty() || leader == config_.node_id) {
    return done(absl::UnavailableError(
        absl::StrFormat("node %d does not lead the quorum and knows no leader: try again",
                        config_.node_id.value())));
  }
  change.passed_on = true;
  pb::ChangeVotersRequest request;
  request.set_cluster_id(config_.cluster_id);
  ToProto(change, &request);
  env_.client->Call(endpoint, kChangeVoters, request.SerializeAsString(),
                    kChangeTimeout + Millis(500), env_.loop,
                    Guarded([done = std::move(done)](const absl::StatusOr<std::string>& response) {
                      done(response.status());
                    }));
}

// --- Reads ---

void RaftNode::ConfirmLeadership(std::function<void(const absl::Status&)> done) {
  env_.loop->AssertOnLoop();
  if (failed_ || shutting_down_ || !started_) {
    return done(absl::FailedPreconditionError("this node is stopping"));
  }
  const uint64_t id = next_read_++;
  reads_[id] = std::move(done);
  Enqueue({raft::ReadBarrier{id}, SharedBytes()});
}

void RaftNode::AnnounceReads() {
  const std::weak_ptr<bool> alive = alive_;
  const std::vector<raft::ReadOutcome> outcomes = std::exchange(read_outcomes_, {});
  for (const raft::ReadOutcome& outcome : outcomes) {
    auto read = reads_.extract(outcome.id);
    if (read.empty()) continue;
    read.mapped()(outcome.confirmed
                      ? absl::OkStatus()
                      : absl::FailedPreconditionError("this node is not the active leader"));
    if (alive.expired()) return;
  }
}

void RaftNode::MaybeFinishVoterChange() {
  if (!voter_change_) return;
  const LogIndex index = voter_change_->index;
  const bool ours =
      index < core_->log_end() && core_->term_starts().TermAt(index) == voter_change_->term;
  if (ours && core_->commit_index() > index) return FinishVoterChange(absl::OkStatus());
  if (failed_ || core_->role() != raft::Role::kLeader || core_->term() != voter_change_->term) {
    FinishVoterChange(absl::UnavailableError(
        "the leader stepped down before the change was committed: look at `quorate quorum status` "
        "for what became of it"));
  }
}

void RaftNode::FinishVoterChange(const absl::Status& status) {
  if (!voter_change_) return;
  PendingVoterChange finished = *std::move(voter_change_);
  voter_change_.reset();
  env_.loop->Cancel(finished.timer);
  finished.done(status);
}

// --- A node that looks after its own entry ---

std::optional<VoterChange> RaftNode::WantedSelfChange() const {
  if (!started_ || failed_ || shutting_down_ || !config_.is_controller) return std::nullopt;
  if (!core_->voter_history().dynamic() || core_->leader() == kNoNode) return std::nullopt;
  if (core_->voter_change_pending() || core_->commit_index() == LogIndex(0)) return std::nullopt;
  VoterChange change;
  change.voter = core_->config().self;
  change.endpoint = config_.endpoint;
  change.automatic = true;
  const raft::VoterSet& voters = core_->voters();
  if (core_->is_voter()) {
    if (config_.endpoint.host.empty() ||
        voters.Find(config_.node_id)->endpoint == config_.endpoint) {
      return std::nullopt;
    }
    change.kind = VoterChange::Kind::kUpdate;
    return change;
  }
  if (!config_.auto_join || voters.WasRemoved(change.voter)) return std::nullopt;
  if (core_->commit_index() != core_->log_end()) return std::nullopt;  // catches up first
  if (const raft::Voter* lost = voters.Find(config_.node_id); lost != nullptr) {
    // The disk that this node had still votes, on paper.
    change.kind = VoterChange::Kind::kRemove;
    change.voter.directory = lost->directory;
    return change;
  }
  change.kind = VoterChange::Kind::kAdd;
  return change;
}

void RaftNode::MaybeChangeSelf() {
  if (self_change_timer_ != TimerId::kNone || !WantedSelfChange()) return;
  self_change_timer_ = env_.loop->RunAfter(kSelfChangeInterval, Guarded([this] {
                                             self_change_timer_ = TimerId::kNone;
                                             ChangeSelf();
                                           }));
}

void RaftNode::ChangeSelf() {
  const std::optional<VoterChange> change = WantedSelfChange();
  if (!change) return;
  ChangeVoters(*change, Guarded([this](const absl::Status& status) {
    if (!status.ok()) {
      LogPeer(core_->leader(), "does not change this node's entry among the voters", status);
    }
    env_.loop->Post(Guarded([this] { MaybeChangeSelf(); }));
  }));
}

}  // namespace quorate
