// quorate metadata log, snapshots, state
#include <time.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/commands/metadata_state.h"
#include "cli/terminal/terminal.h"
#include "controller/image/cause.h"
#include "controller/image/image_records.h"
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
  bool first = true;
  while (left != 0) {
    Q_ASSIGN_OR_RETURN(std::optional<MetadataLogReader::Entry> entry, reader->Next());
    if (!entry) break;
    const MetadataBatch& batch = *entry->batch;
    if (std::exchange(first, false) && options.from < batch.first.value()) {
      std::fputs(absl::StrFormat("note: the log begins at index %d; what came before is in a "
                                 "snapshot (quorate metadata snapshots)\n",
                                 batch.first.value())
                     .c_str(),
                 stderr);
    }
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

int CodeOf(const char* command, const absl::Status& status) {
  std::fflush(stdout);
  if (status.ok()) return kExitDone;
  const int code = ReportError(command, status);
  return absl::IsDataLoss(status) ? kExitProblemsFound : code;
}

struct StateOptions {
  std::string directory;
  std::string output = "text";
  int64_t at = -1;
};

void PrintSnapshot(const SnapshotOnDisk& snapshot, const std::string& output) {
  if (output == "jsonl") {
    json out = {{"end_index", snapshot.id.end.value()},
                {"term", snapshot.id.term.value()},
                {"time_ms", snapshot.append_time},
                {"records", snapshot.records},
                {"bytes", snapshot.size_bytes},
                {"path", snapshot.path},
                {"ok", snapshot.state.ok()}};
    if (snapshot.voters) out["voters"] = snapshot.voters->ToString();
    if (!snapshot.state.ok()) out["problem"] = std::string(snapshot.state.message());
    std::puts(out.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    return;
  }
  std::string line =
      absl::StrFormat("%d  term %d  ", snapshot.id.end.value(), snapshot.id.term.value());
  line += snapshot.state.ok()
              ? absl::StrFormat("%s  %d records, %d bytes", TimeText(snapshot.append_time),
                                snapshot.records, snapshot.size_bytes)
              : absl::StrFormat("DAMAGED: %s", std::string(snapshot.state.message()));
  if (snapshot.voters) line += "  voters " + snapshot.voters->ToString();
  std::puts(line.c_str());
}

absl::Status PrintSnapshots(const StateOptions& options) {
  PosixFileSystem files;
  Q_ASSIGN_OR_RETURN(const std::vector<SnapshotOnDisk> snapshots,
                     ListSnapshots(&files, options.directory));
  absl::Status damaged;
  for (const SnapshotOnDisk& snapshot : snapshots) {
    PrintSnapshot(snapshot, options.output);
    if (!snapshot.state.ok()) damaged = snapshot.state;
  }
  if (snapshots.empty() && options.output == "text") {
    std::puts("no snapshots: the log is whole from index 0 on");
  }
  return damaged;
}

absl::Status PrintState(const StateOptions& options) {
  PosixFileSystem files;
  std::optional<LogIndex> at;
  if (options.at >= 0) at = LogIndex(options.at);
  Q_ASSIGN_OR_RETURN(const MetadataImage image, StateAt(&files, options.directory, at));
  if (options.output == "text") {
    std::puts(absl::StrFormat("state at index %d of term %d, hash %s", image.index().value(),
                              image.term().value(), image.hash().ToString())
                  .c_str());
  }
  return WriteImageRecords(image, 1 << 20, [](std::vector<std::string> records) {
    for (const std::string& record : records) std::puts(RecordToJson(record).c_str());
    return absl::OkStatus();
  });
}

void AddStateCommand(CLI::App* metadata, const char* name, const char* about, bool takes_index,
                     absl::Status (*print)(const StateOptions&), int* exit_code) {
  auto options = std::make_shared<StateOptions>();
  CLI::App* command = metadata->add_subcommand(name, about);
  command
      ->add_option("directory", options->directory,
                   "A node's log directory, or its __cluster_metadata-0; may be in use")
      ->required();
  if (takes_index) {
    command->add_option("--at", options->at,
                        "The state of all records before this index; all there are if not given");
  }
  command->add_option("-o,--output", options->output, "text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->capture_default_str();
  const std::string full = std::string("metadata ") + name;
  command->callback(
      [options, exit_code, print, full] { *exit_code = CodeOf(full.c_str(), print(*options)); });
}

}  // namespace

void RegisterMetadataCommands(CLI::App& app, int* exit_code) {
  CLI::App* metadata = app.add_subcommand("metadata", "Read the metadata log and its snapshots");
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
  log->callback([options, exit_code] { *exit_code = CodeOf("metadata log", PrintLog(*options)); });
  log->footer(
      "Examples:\n  quorate metadata log /var/lib/quorate\n"
      "  quorate metadata log data/node-1/data --from 40 -n 10 -o jsonl");
  AddStateCommand(metadata, "snapshots", "The snapshots beside the log, each read from end to end",
                  /*takes_index=*/false, PrintSnapshots, exit_code);
  AddStateCommand(metadata, "state",
                  "The cluster's state at an index, as records: snapshot plus log",
                  /*takes_index=*/true, PrintState, exit_code);
}

}  // namespace quorate
