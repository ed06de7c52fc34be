// quorate metadata log
#include <time.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/terminal/terminal.h"
#include "controller/image/cause.h"
#include "controller/image/record_json.h"
#include "raft/metadata_log_reader.h"
#include "raft/voters_record.h"

namespace quorate {
namespace {

using nlohmann::json;

struct LogOptions {
  std::string directory;
  std::string output = "text";
  int64_t from = 0;
  int64_t count = -1;
  bool control = false;
};

std::string TimeText(WallMillis millis) {
  const time_t seconds = millis / 1000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  return absl::StrFormat("%s.%03dZ", text, static_cast<int>(millis % 1000));
}

std::string ControlName(std::optional<ControlRecordType> type) {
  if (type == ControlRecordType::kLeaderChange) return "leader-change";
  if (type == ControlRecordType::kRaftVoters) return "voters";
  return type ? absl::StrFormat("control-%d", static_cast<int>(*type)) : "control";
}

std::string ControlText(std::optional<ControlRecordType> type, const std::string& value) {
  const std::string name = ControlName(type);
  if (type != ControlRecordType::kRaftVoters) return absl::StrFormat("{\"type\":\"%s\"}", name);
  const auto voters = DecodeVoters(value);
  return absl::StrFormat("{\"type\":\"%s\",\"voters\":\"%s\"}", name,
                         voters.ok() ? voters->ToString() : std::string(voters.status().message()));
}

void PrintText(const MetadataLogReader::Entry& entry, int64_t index, const std::string& record) {
  const MetadataBatch& batch = *entry.batch;
  std::string cause = "the quorum itself";
  if (!batch.control) {
    absl::StatusOr<Cause> decoded = DecodeCause(batch.cause);
    cause = decoded.ok() ? ToString(*decoded) : std::string(decoded.status().message());
  }
  std::puts(absl::StrFormat("%d  term %d  %s  [%s]\n    %s", index, batch.term.value(),
                            TimeText(batch.append_time), cause, record)
                .c_str());
}

void PrintJson(const MetadataLogReader::Entry& entry, int64_t index, const std::string& record) {
  const MetadataBatch& batch = *entry.batch;
  json out = {{"index", index},
              {"term", batch.term.value()},
              {"time_ms", batch.append_time},
              {"batch", batch.first.value()},
              {"record", json::parse(record, nullptr, false)}};
  if (!batch.control) out["cause"] = json::parse(CauseToJson(batch.cause), nullptr, false);
  std::puts(out.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
}

absl::Status PrintLog(const LogOptions& options) {
  PosixFileSystem files;
  Q_ASSIGN_OR_RETURN(auto reader, MetadataLogReader::Open(&files, options.directory));
  int64_t left = options.count;
  while (left != 0) {
    Q_ASSIGN_OR_RETURN(std::optional<MetadataLogReader::Entry> entry, reader->Next());
    if (!entry) break;
    const MetadataBatch& batch = *entry->batch;
    if (batch.control && !options.control) continue;
    for (size_t i = 0; i < batch.records.size() && left != 0; ++i) {
      const int64_t index = batch.first.value() + static_cast<int64_t>(i);
      if (index < options.from) continue;
      const std::string record = batch.control ? ControlText(entry->control_type, batch.records[i])
                                               : RecordToJson(batch.records[i]);
      if (options.output == "jsonl") {
        PrintJson(*entry, index, record);
      } else {
        PrintText(*entry, index, record);
      }
      --left;
    }
  }
  std::fflush(stdout);
  if (reader->torn_bytes() > 0) {
    std::fputs(absl::StrFormat("note: the log ends in %d bytes of an unfinished batch\n",
                               reader->torn_bytes())
                   .c_str(),
               stderr);
  }
  return absl::OkStatus();
}

int Log(const LogOptions& options) {
  const absl::Status status = PrintLog(options);
  if (status.ok()) return kExitDone;
  std::fflush(stdout);
  const int code = ReportError("metadata log", status);
  return absl::IsDataLoss(status) ? kExitProblemsFound : code;
}

}  // namespace

void RegisterMetadataCommands(CLI::App& app, int* exit_code) {
  CLI::App* metadata = app.add_subcommand("metadata", "Read the metadata log");
  metadata->require_subcommand(1);
  auto options = std::make_shared<LogOptions>();
  CLI::App* log = metadata->add_subcommand(
      "log", "Every record in order: index, term, time, cause, and the record as JSON");
  log->add_option("directory", options->directory,
                  "A node's log directory, or its __cluster_metadata-0; may be in use")
      ->required();
  log->add_option("--from", options->from, "First index to show")->capture_default_str();
  log->add_option("-n,--count", options->count, "At most so many records");
  log->add_flag("--control", options->control, "Also the quorum's own records (leader changes)");
  log->add_option("-o,--output", options->output, "text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->capture_default_str();
  log->callback([options, exit_code] { *exit_code = Log(*options); });
  log->footer(
      "Examples:\n  quorate metadata log /var/lib/quorate\n"
      "  quorate metadata log data/node-1/data --from 40 -n 10 -o jsonl");
}

}  // namespace quorate
