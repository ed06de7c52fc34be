// raft/voter_change.h
//
// VoterChange: what an operator, a tool or a node itself wants changed about the voters of the
// metadata quorum (KIP-853).
//
// Pure.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/network.h"
#include "raft/core/voter_set.h"

namespace quorate {

namespace pb {
class ChangeVotersRequest;
}  // namespace pb

struct VoterChange {
  enum class Kind {
    kAdd,      // voter, endpoint
    kRemove,   // voter; a zero directory id means whichever disk it has
    kUpdate,   // voter, its new endpoint
    kUpgrade,  // voters of the configuration become voters that can be changed
  };
  Kind kind = Kind::kAdd;
  raft::ReplicaKey voter;
  Endpoint endpoint;
  // The node itself wants it, no operator: a voter that was removed stays out then (scenario D5).
  bool automatic = false;
  bool passed_on = false;  // by a node that does not lead; it is not passed on again
};

// How it ended; called once, on the Raft loop.
using VoterChangeDone = std::function<void(const absl::Status&)>;

// The voters after `change`.
// ERRORS, each with what to do: kAlreadyExists (it votes already), kNotFound (no such voter),
// kInvalidArgument (an endpoint or a directory id is missing), kFailedPrecondition (an automatic
// change of what an operator decided otherwise).
absl::StatusOr<raft::VoterSet> VotersAfter(const raft::VoterSet& voters, const VoterChange& change);

// As the message of proto/quorate/raft.proto, whose cluster id is the caller's to fill in, and
// back. ERRORS: kInvalidArgument.
void ToProto(const VoterChange& change, pb::ChangeVotersRequest* out);
absl::StatusOr<VoterChange> FromProto(const pb::ChangeVotersRequest& request);

}  // namespace quorate
