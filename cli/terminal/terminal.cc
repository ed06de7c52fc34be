#include "cli/terminal/terminal.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_format.h"
#include "proto/kafka/error.h"

namespace quorate {
namespace {

std::string DefaultBootstrap() {
  const char* from_environment = std::getenv("QUORATE_BOOTSTRAP_SERVER");
  return from_environment != nullptr ? from_environment : "localhost:9092";
}

int CodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
      return kExitNoAnswer;
    default:
      return kExitFailed;
  }
}

}  // namespace

void AddClientOptions(CLI::App& command, ClientOptions* options) {
  options->bootstrap = DefaultBootstrap();
  command
      .add_option("--bootstrap-server", options->bootstrap,
                  "Servers to ask first, host:port[,host:port...] "
                  "(also $QUORATE_BOOTSTRAP_SERVER)")
      ->capture_default_str();
  command.add_option("--timeout-ms", options->timeout_ms, "How long to wait for an answer")
      ->check(CLI::Range(1, 3600000))
      ->capture_default_str();
  command.add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

int ReportError(std::string_view what, const absl::Status& status, std::string_view next) {
  std::fputs(absl::StrFormat("error: %s: %s\n", what, std::string(status.message())).c_str(),
             stderr);
  if (!next.empty()) std::fputs(absl::StrFormat("  next  %s\n", next).c_str(), stderr);
  return CodeFor(status);
}

int ReportKafkaError(std::string_view what, int16_t code, std::string_view message,
                     std::string_view next) {
  const auto error = static_cast<kafka::KafkaError>(code);
  const std::string text(message.empty() ? kafka::Message(error) : message);
  std::fputs(
      absl::StrFormat("error: %s: %s\n  code  %s (%d)\n", what, text, kafka::Name(error), code)
          .c_str(),
      stderr);
  if (!next.empty()) std::fputs(absl::StrFormat("  next  %s\n", next).c_str(), stderr);
  return kExitFailed;
}

void PrintTable(const std::vector<std::string>& header,
                const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::string& cell : header) widths.push_back(cell.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto print = [&widths](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::puts(line.c_str());
  };
  print(header);
  for (const auto& row : rows) print(row);
}

std::string JoinIds(const std::vector<int32_t>& ids) {
  std::string text;
  for (int32_t id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text.empty() ? "-" : text;
}

}  // namespace quorate
