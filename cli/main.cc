// The quorate binary: server and tools.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands/commands.h"
#include "cli/terminal/terminal.h"
#include "cli/version.h"

int main(int argc, char** argv) {
  CLI::App app{
      "Quorate: a replicated log cluster that speaks the Kafka protocol, without ZooKeeper and "
      "without a JVM.",
      "quorate"};
  app.set_version_flag("--version", std::string(quorate::kVersion));
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");

  int exit_code = quorate::kExitDone;
  quorate::RegisterQuickstartCommand(app, &exit_code);
  quorate::RegisterServerCommands(app, &exit_code);
  quorate::RegisterTopicCommands(app, &exit_code);
  quorate::RegisterProduceCommand(app, &exit_code);
  quorate::RegisterConsumeCommand(app, &exit_code);
  quorate::RegisterClusterCommands(app, &exit_code);
  quorate::RegisterQuorumCommand(app, &exit_code);
  quorate::RegisterMetadataCommands(app, &exit_code);
  quorate::RegisterSimulateCommand(app, &exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" of CLI11 with exit code 0; the rest is wrong usage.
    return app.exit(error) == 0 ? quorate::kExitDone : quorate::kExitUsage;
  }
  return exit_code;
}
