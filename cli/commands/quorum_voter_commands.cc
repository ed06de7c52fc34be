// quorate quorum add-voter, remove-voter, upgrade
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/status_macros.h"
#include "cli/client/quorum_client.h"
#include "cli/commands/quorum_options.h"
#include "cli/config/server_config.h"
#include "cli/node/node_directory.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

using nlohmann::json;

struct VoterOptions {
  QuorumOptions quorum;
  int id = -1;
  std::string directory_id;
  std::string address;
};

absl::StatusOr<Uuid> DirectoryId(const std::string& text) {
  const std::optional<Uuid> id = Uuid::Parse(text);
  if (!id) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--directory-id %s: 22 characters as in meta.properties expected", text));
  }
  return *id;
}

// Who is to be added: the controller whose server.properties was given, or as the options say.
absl::StatusOr<VoterChange> NewVoter(const VoterOptions& options) {
  VoterChange change;
  change.kind = VoterChange::Kind::kAdd;
  if (!options.quorum.config_file.empty()) {
    PosixFileSystem files;
    std::vector<std::string> warnings;
    Q_ASSIGN_OR_RETURN(const ServerConfig config,
                       LoadServerConfig(files, options.quorum.config_file, {}, &warnings));
    if (!config.is_controller) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: process.roles has no controller: only a controller can vote",
                          options.quorum.config_file));
    }
    Q_ASSIGN_OR_RETURN(const DirectoryIdentity identity,
                       ReadDirectoryIdentity(files, config.metadata_log_dir));
    change.voter = {config.node_id, identity.directory_id};
    change.endpoint = config.controller_listener->advertised;
  }
  if (options.id >= 0) change.voter.node = NodeId(options.id);
  if (!options.directory_id.empty()) {
    Q_ASSIGN_OR_RETURN(change.voter.directory, DirectoryId(options.directory_id));
  }
  if (!options.address.empty()) {
    const std::optional<Endpoint> endpoint = ParseEndpoint(options.address);
    if (!endpoint || endpoint->host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--address %s: host:port expected", options.address));
    }
    change.endpoint = *endpoint;
  }
  if (change.voter.node < NodeId(0) || change.voter.directory.is_zero() ||
      change.endpoint.host.empty()) {
    return absl::InvalidArgumentError(
        "say who is to vote: -c with the new controller's server.properties, on its machine, or "
        "--id, --directory-id and --address");
  }
  return change;
}

absl::StatusOr<VoterChange> LeavingVoter(const VoterOptions& options) {
  VoterChange change;
  change.kind = VoterChange::Kind::kRemove;
  if (options.id < 0) return absl::InvalidArgumentError("--id: the voter to remove is missing");
  change.voter.node = NodeId(options.id);
  if (!options.directory_id.empty()) {
    Q_ASSIGN_OR_RETURN(change.voter.directory, DirectoryId(options.directory_id));
  }
  return change;
}

int Change(const char* what, const VoterOptions& options, const absl::StatusOr<VoterChange>& change,
           const std::string& done) {
  if (!change.ok()) {
    ReportError(what, change.status());
    return kExitUsage;
  }
  const absl::StatusOr<std::vector<Endpoint>> controllers = ControllersOf(options.quorum);
  if (!controllers.ok()) {
    ReportError(what, controllers.status());
    return kExitUsage;
  }
  const int timeout_ms = options.quorum.client.timeout_ms;
  const absl::Status status =
      controllers->empty()
          ? ChangeVotersByBroker(options.quorum.client.bootstrap, *change, timeout_ms)
          : ChangeVoters(*controllers, *change, timeout_ms);
  if (!status.ok()) {
    return ReportError(what, status, "quorate quorum status   # shows who votes");
  }
  if (options.quorum.client.json()) {
    const json out = {
        {"schema", "quorate.quorum.change/1"},
        {"change", what},
        {"node_id", change->voter.node.value()},
        {"directory_id",
         change->voter.directory.is_zero() ? json() : json(change->voter.directory.ToString())},
        {"committed", true}};
    std::puts(out.dump(2).c_str());
  } else {
    std::puts(done.c_str());
  }
  return kExitDone;
}

void AddVoterOptions(CLI::App& command, VoterOptions* options, bool with_address) {
  AddQuorumOptions(command, &options->quorum);
  command.add_option("--id", options->id, "The voter's node.id");
  command.add_option("--directory-id", options->directory_id,
                     "directory.id of meta.properties in its metadata directory");
  if (with_address) {
    command.add_option("--address", options->address, "Its controller listener, host:port");
  }
}

}  // namespace

void RegisterVoterCommands(CLI::App& quorum, int* exit_code) {
  auto add = std::make_shared<VoterOptions>();
  CLI::App* command = quorum.add_subcommand(
      "add-voter", "Let a controller that runs and has caught up vote in the metadata quorum");
  AddVoterOptions(*command, add.get(), true);
  command->callback([add, exit_code] {
    const absl::StatusOr<VoterChange> change = NewVoter(*add);
    *exit_code =
        Change("quorum add-voter", *add, change,
               change.ok() ? absl::StrFormat("Node %d votes", change->voter.node.value()) : "");
  });
  command->footer(
      "Examples:\n  quorate quorum add-voter -c server.properties   # on the new controller\n"
      "  quorate quorum add-voter --id 4 --directory-id ID --address host4:9093 "
      "--controllers host1:9093");

  auto remove = std::make_shared<VoterOptions>();
  command = quorum.add_subcommand(
      "remove-voter", "Take a controller out of the voters; also one that is gone for ever");
  AddVoterOptions(*command, remove.get(), false);
  command->callback([remove, exit_code] {
    *exit_code = Change("quorum remove-voter", *remove, LeavingVoter(*remove),
                        absl::StrFormat("Node %d votes no more", remove->id));
  });
  command->footer(
      "The active controller hands over when it is removed itself.\n"
      "Examples:\n  quorate quorum remove-voter --id 3\n"
      "  quorate quorum remove-voter --id 3 --controllers host1:9093 -o json");

  auto upgrade = std::make_shared<VoterOptions>();
  command = quorum.add_subcommand(
      "upgrade", "Voters of controller.quorum.voters become voters that can be changed");
  AddQuorumOptions(*command, &upgrade->quorum);
  command->callback([upgrade, exit_code] {
    VoterChange change;
    change.kind = VoterChange::Kind::kUpgrade;
    const absl::StatusOr<std::vector<Endpoint>> controllers = ControllersOf(upgrade->quorum);
    if (controllers.ok() && controllers->empty()) {
      ReportError("quorum upgrade",
                  absl::InvalidArgumentError("the controllers themselves are asked: give -c or "
                                             "--controllers"));
      *exit_code = kExitUsage;
      return;
    }
    *exit_code = Change("quorum upgrade", *upgrade, change,
                        "Voters can be added and removed now (kraft.version 1)");
  });
  command->footer(
      "Needs all voters up once; there is no way back. Then controller.quorum.voters may go from\n"
      "all server.properties, and controller.quorum.bootstrap.servers takes its place.\n"
      "Example:\n  quorate quorum upgrade -c server.properties");
}

}  // namespace quorate
