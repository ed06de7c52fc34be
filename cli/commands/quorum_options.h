// cli/commands/quorum_options.h
//
// What the commands under `quorate quorum` have in common: whom they ask.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/network.h"
#include "cli/terminal/terminal.h"

namespace CLI {
class App;
}

namespace quorate {

struct QuorumOptions {
  ClientOptions client;
  std::string controllers;
  std::string config_file;
};

// Adds the options of ClientOptions, --config and --controllers.
void AddQuorumOptions(CLI::App& command, QuorumOptions* options);

// The controllers that were given; none means that a broker is to be asked.
// ERRORS: kInvalidArgument; as LoadServerConfig.
absl::StatusOr<std::vector<Endpoint>> ControllersOf(const QuorumOptions& options);

// add-voter, remove-voter, upgrade.
void RegisterVoterCommands(CLI::App& quorum, int* exit_code);

}  // namespace quorate
