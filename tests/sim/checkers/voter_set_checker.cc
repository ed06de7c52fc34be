#include "tests/sim/checkers/voter_set_checker.h"

#include <iterator>

#include "absl/strings/str_format.h"

namespace quorate::sim {

void VoterSetChecker::Add(const raft::RaftCore& core, const std::string& what) {
  const int32_t node = core.config().self.node.value();
  verdict_.Add("voter-set", absl::StrFormat("node %d: %s", node, what), {{}, -1, node});
}

void VoterSetChecker::OnCore(const raft::RaftCore& core, bool persisting) {
  CheckCommitted(core);
  CheckSnapshot(core);
  if (!persisting) CheckVote(core);
  const raft::Role role = core.role();
  const bool campaigns = role == raft::Role::kCandidate || role == raft::Role::kProspective;
  if (campaigns && !core.may_campaign()) Add(core, "campaigns, and is no voter");
}

// Its header is where the set comes from if the log's records are gone.
void VoterSetChecker::CheckSnapshot(const raft::RaftCore& core) {
  const LogIndex end = core.snapshot().end;
  SeenSnapshot& seen = seen_snapshots_[core.config().self];
  if (end != seen.end) {
    // At the next look: what the snapshot's maker committed just before it may not be seen yet.
    seen = {end, false};
    return;
  }
  if (seen.compared || !core.voter_history().dynamic()) return;
  seen.compared = true;
  const auto behind = committed_.lower_bound(end);
  if (behind == committed_.begin()) return;
  const raft::VoterSet& found = core.voter_history().At(end);
  const auto& [index, voters] = *std::prev(behind);
  if (found == voters) return;
  Add(core, absl::StrFormat("the voters by the snapshot at %d are %s, those committed at %d %s",
                            end.value(), found.ToString(), index.value(), voters.ToString()));
}

void VoterSetChecker::CheckCommitted(const raft::RaftCore& core) {
  LogIndex& checked = checked_[core.config().self];
  int uncommitted = 0;
  for (const auto& [index, voters] : core.voter_history().records()) {
    if (index >= core.commit_index()) {
      // The first voters, written down again by the first leader, change nobody.
      if (core.voter_history().At(index).DistanceTo(voters) > 0) ++uncommitted;
      continue;
    }
    if (index < checked) continue;
    checked = index + 1;
    const auto [it, first] = committed_.try_emplace(index, voters);
    if (it->second != voters) {
      Add(core, absl::StrFormat("the voters committed at %d are %s, elsewhere %s", index.value(),
                                voters.ToString(), it->second.ToString()));
    }
    if (first && it != committed_.begin()) {
      const raft::VoterSet& before = std::prev(it)->second;
      if (before.DistanceTo(voters) > 1) {
        Add(core, absl::StrFormat("the voters become %s at %d, and were %s", voters.ToString(),
                                  index.value(), before.ToString()));
      }
    }
  }
  if (core.is_active_leader() && uncommitted > 1) {
    Add(core,
        absl::StrFormat("leads with %d changes of voters that are not committed", uncommitted));
  }
}

void VoterSetChecker::CheckVote(const raft::RaftCore& core) {
  const raft::HardState& state = core.hard_state();
  if (state.voted_for.node == kNoNode) return;
  const auto [it, first] = votes_.try_emplace({core.config().self, state.term}, state.voted_for);
  if (!first && it->second != state.voted_for) {
    Add(core,
        absl::StrFormat("voted for node %d and for node %d in term %d", it->second.node.value(),
                        state.voted_for.node.value(), state.term.value()));
  }
}

}  // namespace quorate::sim
