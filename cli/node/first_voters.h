// cli/node/first_voters.h
//
// What `quorate format` is told of the first voters of the metadata quorum (KIP-853), and what it
// makes of that.
//
// Pure, but for drawing a directory id.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "base/uuid.h"
#include "cli/config/server_config.h"
#include "raft/core/voter_set.h"

namespace quorate {

struct FirstVotersOptions {
  bool standalone = false;              // this controller is the only voter at first
  std::string initial_controllers;      // "id@host:port:directory-id, ..."; this one is among them
  bool no_initial_controllers = false;  // this controller is added later, or learns that it votes
};

struct FirstVoters {
  Uuid directory_id;      // of this node's metadata directory; zero: any fresh one
  raft::VoterSet voters;  // empty: none to write down
};

// ERRORS: kInvalidArgument saying which flags fit this node: exactly one of the three on a
// controller without controller.quorum.voters, none elsewhere; or what is wrong in the list.
absl::StatusOr<FirstVoters> ChooseFirstVoters(const ServerConfig& config,
                                              const FirstVotersOptions& options, Random& random);

}  // namespace quorate
