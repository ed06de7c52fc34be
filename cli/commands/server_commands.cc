// quorate server, quorate format, quorate storage
#include <glog/logging.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/posix/posix_random.h"
#include "base/uuid.h"
#include "cli/commands/commands.h"
#include "cli/config/server_config.h"
#include "cli/node/first_voters.h"
#include "cli/node/node_directory.h"
#include "cli/node/server.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

struct ServerOptions {
  std::string file;
  std::vector<std::string> overrides;
  bool strict = false;
};

int Server(const ServerOptions& options) {
  PosixFileSystem files;
  std::vector<std::string> warnings;
  absl::StatusOr<ServerConfig> config =
      LoadServerConfig(files, options.file, options.overrides, &warnings);
  if (!config.ok()) return ReportError("server not started", config.status());
  for (const std::string& warning : warnings) {
    std::fputs(absl::StrFormat("warning: %s\n", warning).c_str(), stderr);
  }
  if (options.strict && !warnings.empty()) {
    return ReportError("server not started",
                       absl::InvalidArgumentError("--strict-config, and there are warnings"));
  }
  const absl::Status status = RunServer(*config, files);
  if (!status.ok()) {
    ReportError("server", status);
    return kExitFailed;
  }
  return kExitDone;
}

struct FormatCommandOptions {
  std::string cluster_id;
  std::string config_file;
  bool ignore_formatted = false;
  FirstVotersOptions voters;
};

int Format(const FormatCommandOptions& options) {
  PosixFileSystem files;
  PosixRandom random;
  std::vector<std::string> warnings;
  absl::StatusOr<ServerConfig> config = LoadServerConfig(files, options.config_file, {}, &warnings);
  if (!config.ok()) return ReportError("not formatted", config.status());
  std::vector<std::string> directories = config->log_dirs;
  if (std::find(directories.begin(), directories.end(), config->metadata_log_dir) ==
      directories.end()) {
    directories.push_back(config->metadata_log_dir);
  }
  const auto first = ChooseFirstVoters(*config, options.voters, random);
  if (!first.ok()) return ReportError("not formatted", first.status());
  FormatOptions format;
  format.cluster_id = options.cluster_id;
  format.node_id = config->node_id;
  format.ignore_formatted = options.ignore_formatted;
  format.metadata_directory = config->metadata_log_dir;
  format.metadata_directory_id = first->directory_id;
  format.first_voters = first->voters;
  auto formatted = FormatDirectories(files, directories, format, random);
  if (!formatted.ok()) return ReportError("not formatted", formatted.status());
  for (const std::string& directory : *formatted) {
    std::puts(absl::StrFormat("Formatted %s for node %d of cluster %s", directory,
                              config->node_id.value(), options.cluster_id)
                  .c_str());
  }
  if (!formatted->empty() && !first->voters.empty()) {
    std::puts(absl::StrFormat("First voters: %s", first->voters.ToString()).c_str());
  }
  if (formatted->empty()) std::puts("All directories were formatted already");
  return kExitDone;
}

void AddFormat(CLI::App& parent, int* exit_code) {
  auto options = std::make_shared<FormatCommandOptions>();
  CLI::App* command = parent.add_subcommand(
      "format", "Prepare a node's directories; needed once, before its first start");
  command
      ->add_option("-t,--cluster-id", options->cluster_id,
                   "The cluster's id, the same for all its nodes")
      ->required();
  command->add_option("-c,--config", options->config_file, "server.properties of the node")
      ->required();
  command->add_flag("-g,--ignore-formatted", options->ignore_formatted,
                    "Leave directories alone that are formatted for this node already");
  command->add_flag("-s,--standalone", options->voters.standalone,
                    "This controller is the only voter at first; others are added later");
  command->add_option("-I,--initial-controllers", options->voters.initial_controllers,
                      "The first voters, id@host:port:directory-id,...; the same on all of them");
  command->add_flag("-N,--no-initial-controllers", options->voters.no_initial_controllers,
                    "This controller is added to the voters of a running cluster later");
  command->callback([options, exit_code] { *exit_code = Format(*options); });
  command->footer(
      "Examples:\n  quorate format -t $(quorate storage random-uuid) -c "
      "server.properties\n  quorate format -t my-cluster -c server.properties -g\n"
      "  quorate format -t my-cluster -c server.properties --standalone");
}

}  // namespace

void RegisterServerCommands(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<ServerOptions>();
  CLI::App* server = app.add_subcommand("server", "Run a node: controller, broker or both");
  server->add_option("file", options->file, "server.properties")->required();
  server->add_option("--override", options->overrides, "key=value, wins over the file");
  server->add_flag("--strict-config", options->strict, "A warning about the file stops the start");
  server->callback([options, exit_code] { *exit_code = Server(*options); });
  server->footer(
      "Examples:\n  quorate server server.properties\n"
      "  quorate server server.properties --override log.dirs=/data/1");

  AddFormat(app, exit_code);

  CLI::App* storage = app.add_subcommand("storage", "Kafka's names for preparing storage");
  storage->require_subcommand(1);
  AddFormat(*storage, exit_code);
  CLI::App* uuid = storage->add_subcommand("random-uuid", "Print a fresh cluster id");
  uuid->callback([exit_code] {
    PosixRandom random;
    std::puts(Uuid::Generate(random).ToString().c_str());
    *exit_code = kExitDone;
  });
}

}  // namespace quorate
