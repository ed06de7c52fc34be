// Voters come and go, and lose their disks. Part of FaultInjector (fault_injector.h).
#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "raft/raft_node.h"
#include "tests/sim/cluster/fault_injector.h"

namespace quorate::sim {

size_t FaultInjector::LostVoters(const raft::VoterSet& voters) const {
  size_t lost = 0;
  for (const auto& [id, voter] : voters.voters()) {
    const SimNode& node = *targets_.nodes[static_cast<size_t>(id.value() - 1)];
    if (node.replica_key().directory != voter.directory) ++lost;
  }
  return lost;
}

bool FaultInjector::MayLoseVoter(const SimNode& node) const {
  return std::all_of(targets_.nodes.begin(), targets_.nodes.end(), [&](const auto& other) {
    const raft::VoterSet& voters = other->voters();
    const size_t lost = LostVoters(voters) + (voters.Contains(node.replica_key()) ? 1 : 0);
    return other->up() && !other->doomed() && lost <= (voters.size() - 1) / 2;
  });
}

void FaultInjector::RequestChange(SimNode& leader, VoterChange change, const std::string& text) {
  Fault(FaultKind::kVoters, text, {change.voter.node.value()});
  targets_.world.RunAs(leader.live_process(), [&] {
    leader.raft().ChangeVoters(std::move(change), [](const absl::Status&) {
      // Refused, done or unknown: the next look at the voters tells.
    });
  });
}

void FaultInjector::WipeVoter(SimNode& node) {
  Fault(FaultKind::kVoters, absl::StrFormat("the metadata disk of %s is replaced", node.host()),
        {node.id().value()});
  node.Crash(SimNode::End::kProcess);
  node.ReplaceMetadataDisk();
  node.Start();
}

void FaultInjector::ChangeVoters() {
  const auto leader =
      std::find_if(targets_.nodes.begin(), targets_.nodes.end(), [](const auto& node) {
        return node->IsActiveController() && !node->paused() && !node->stopping();
      });
  SimNode& node = *targets_.nodes[draw_.Below(targets_.nodes.size())];
  const bool wipe = draw_.Chance(0.4);
  if (leader == targets_.nodes.end()) return;
  const raft::VoterSet& voters = (*leader)->raft().core().voters();
  VoterChange change;
  change.voter = node.replica_key();
  if (!voters.ContainsNode(node.id())) {
    change.kind = VoterChange::Kind::kAdd;
    change.endpoint = {node.host(), 9093};
    RequestChange(**leader, change, absl::StrFormat("%s is to vote", node.host()));
  } else if (!voters.Contains(node.replica_key())) {
    change.kind = VoterChange::Kind::kRemove;
    change.voter.directory = voters.Find(node.id())->directory;
    RequestChange(**leader, change,
                  absl::StrFormat("the lost disk of %s is to vote no more", node.host()));
  } else if (wipe) {
    if (!Wounded() && !disk_full_ && MayLoseVoter(node)) WipeVoter(node);
  } else if (voters.size() > 2 && LostVoters(voters) == 0) {
    change.kind = VoterChange::Kind::kRemove;
    RequestChange(**leader, change, absl::StrFormat("%s is to vote no more", node.host()));
  }
}

}  // namespace quorate::sim
