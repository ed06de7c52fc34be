// cli/commands/commands.h
//
// The commands of the binary, each group in a file of its own.
#pragma once

namespace CLI {
class App;
}

namespace quorate {

// Each registers its commands; a chosen one stores its exit code through `exit_code`.
void RegisterServerCommands(CLI::App& app, int* exit_code);     // server, format, storage
void RegisterTopicCommands(CLI::App& app, int* exit_code);      // topic ...
void RegisterProduceCommand(CLI::App& app, int* exit_code);     // produce
void RegisterConsumeCommand(CLI::App& app, int* exit_code);     // consume
void RegisterClusterCommands(CLI::App& app, int* exit_code);    // cluster info
void RegisterQuorumCommand(CLI::App& app, int* exit_code);      // quorum ...
void RegisterMetadataCommands(CLI::App& app, int* exit_code);   // metadata log
void RegisterQuickstartCommand(CLI::App& app, int* exit_code);  // quickstart
void RegisterSimulateCommand(CLI::App& app, int* exit_code);    // simulate

}  // namespace quorate
