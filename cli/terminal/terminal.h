// cli/terminal/terminal.h
//
// What commands share to talk to a person: exit codes, global options, errors for people, tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace quorate {

// Exit codes of the native commands.
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitNoAnswer = 3,
  kExitProblemsFound = 4,
  kExitPartly = 5,
  kExitInterrupted = 130,
};

// Options that every command that talks to a cluster takes.
struct ClientOptions {
  std::string bootstrap;  // "host:port,..."
  std::string output = "table";
  int timeout_ms = 15000;
  bool json() const { return output == "json"; }
};

// Adds --bootstrap-server (default $QUORATE_BOOTSTRAP_SERVER or localhost:9092), --timeout-ms and
// -o/--output to a command. `options` outlives the parse.
void AddClientOptions(CLI::App& command, ClientOptions* options);

// Prints "error: <what>: <status>" and, if given, the command to try next; returns the exit code
// that fits the status.
int ReportError(std::string_view what, const absl::Status& status, std::string_view next = "");

// An error a broker answered with: its code and text. Returns kExitFailed.
int ReportKafkaError(std::string_view what, int16_t code, std::string_view message,
                     std::string_view next = "");

// Prints rows in left-aligned columns under `header`.
void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows);

// "1,2,3", or "-" if empty.
std::string JoinIds(const std::vector<int32_t>& ids);

}  // namespace quorate
