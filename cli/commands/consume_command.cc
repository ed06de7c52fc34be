// quorate consume: prints records of a topic.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/config/config_keys.h"
#include "cli/kafka/rdkafka_client.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

constexpr int64_t kBeginning = -2;
constexpr int64_t kEnd = -1;
constexpr int kPollMs = 200;

volatile std::sig_atomic_t interrupted = 0;

struct ConsumeOptions {
  ClientOptions client;
  std::string topic;
  std::string group;
  int partition = -1;
  std::string offset = "latest";
  bool from_beginning = false;
  int64_t max_messages = -1;
  int64_t idle_ms = -1;
  bool exit_at_end = false;
  std::string output = "text";
  std::vector<std::string> properties;
  std::vector<std::string> client_properties;
};

// What to print of a record; Kafka's console formatter properties.
struct Format {
  bool timestamp = false;
  bool key = false;
  bool offset = false;
  bool partition = false;
  bool headers = false;
  bool value = true;
  std::string key_separator = "\t";
  std::string line_separator = "\n";
  std::string headers_separator = ",";
  std::string null_literal = "null";
};

absl::Status ApplyFormatterProperty(const std::string& text, Format* format) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  const std::map<std::string, bool*> flags = {
      {"print.timestamp", &format->timestamp}, {"print.key", &format->key},
      {"print.offset", &format->offset},       {"print.partition", &format->partition},
      {"print.headers", &format->headers},     {"print.value", &format->value}};
  const std::map<std::string, std::string*> texts = {
      {"key.separator", &format->key_separator},
      {"line.separator", &format->line_separator},
      {"headers.separator", &format->headers_separator},
      {"null.literal", &format->null_literal}};
  if (const auto flag = flags.find(key); flag != flags.end()) {
    *flag->second = value == "true";
  } else if (const auto it = texts.find(key); it != texts.end()) {
    *it->second = value;
  } else {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: print.{timestamp,key,offset,partition,headers,value}, key.separator, line.separator, "
        "headers.separator or null.literal expected",
        text));
  }
  return absl::OkStatus();
}

// The order is that of Kafka's DefaultMessageFormatter output.
std::string FormatRecord(const ConsumedRecord& record, const Format& format) {
  std::vector<std::string> parts;
  if (format.timestamp) {
    parts.push_back(absl::StrFormat("%s:%d", record.append_time ? "LogAppendTime" : "CreateTime",
                                    record.timestamp_ms));
  }
  if (format.partition) parts.push_back(absl::StrFormat("Partition:%d", record.partition));
  if (format.offset) parts.push_back(absl::StrFormat("Offset:%d", record.offset));
  if (format.headers) {
    std::string headers;
    for (const ClientHeader& header : record.headers) {
      headers += (headers.empty() ? "" : format.headers_separator) + header.name + ":" +
                 header.value.value_or(format.null_literal);
    }
    parts.push_back(record.headers.empty() ? "NO_HEADERS" : headers);
  }
  const auto text = [&format](std::optional<std::string_view> bytes) {
    return bytes ? std::string(*bytes) : format.null_literal;
  };
  if (format.key) parts.push_back(text(record.key));
  if (format.value) parts.push_back(text(record.value));
  std::string line;
  for (size_t i = 0; i < parts.size(); ++i) {
    line += (i == 0 ? "" : format.key_separator) + parts[i];
  }
  return line + format.line_separator;
}

std::string JsonRecord(const ConsumedRecord& record) {
  using nlohmann::json;
  const auto text = [](std::optional<std::string_view> bytes) {
    return bytes ? json(std::string(*bytes)) : json();
  };
  json headers = json::array();
  for (const ClientHeader& header : record.headers) {
    headers.push_back(
        {{"name", header.name}, {"value", header.value ? json(*header.value) : json()}});
  }
  const json out = {{"topic", std::string(record.topic)},
                    {"partition", record.partition},
                    {"offset", record.offset},
                    {"timestamp_ms", record.timestamp_ms},
                    {"headers", headers},
                    {"key", text(record.key)},
                    {"value", text(record.value)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

ClientProperties PropertiesFor(const ConsumeOptions& options) {
  ClientProperties properties = {
      {"bootstrap.servers", options.client.bootstrap},
      {"group.id", options.group.empty() ? "quorate-consume" : options.group},
      {"enable.auto.commit", options.group.empty() ? "false" : "true"},
      {"enable.partition.eof", "true"},
      {"auto.offset.reset", options.from_beginning ? "earliest" : "latest"}};
  for (const std::string& text : options.client_properties) {
    const size_t equals = text.find('=');
    if (equals != std::string::npos) {
      properties[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  return properties;
}

absl::StatusOr<int64_t> StartOffset(const ConsumeOptions& options) {
  if (options.from_beginning || options.offset == "earliest") return kBeginning;
  if (options.offset == "latest") return kEnd;
  const std::optional<int64_t> number = ParseInteger(options.offset);
  if (!number || *number < 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--offset %s: earliest, latest or a number from 0 expected", options.offset));
  }
  return *number;
}

// Subscribes (with --group) or assigns; returns the partitions that are read without a group.
absl::StatusOr<std::set<int32_t>> Begin(Consumer& consumer, const ConsumeOptions& options) {
  std::set<int32_t> partitions;
  if (!options.group.empty()) {
    Q_RETURN_IF_ERROR(consumer.Subscribe({options.topic}));
    return partitions;
  }
  Q_ASSIGN_OR_RETURN(int64_t start, StartOffset(options));
  Q_ASSIGN_OR_RETURN(int32_t count,
                     consumer.PartitionCount(options.topic, options.client.timeout_ms));
  std::vector<std::pair<int32_t, int64_t>> positions;
  for (int32_t i = 0; i < count; ++i) {
    if (options.partition >= 0 && i != options.partition) continue;
    positions.emplace_back(i, start);
    partitions.insert(i);
  }
  if (positions.empty()) {
    return absl::NotFoundError(absl::StrFormat("topic %s has no partition %d, only 0 to %d",
                                               options.topic, options.partition, count - 1));
  }
  Q_RETURN_IF_ERROR(consumer.Assign(options.topic, positions));
  return partitions;
}

int Loop(Consumer& consumer, const ConsumeOptions& options, const Format& format,
         std::set<int32_t> unread) {
  int64_t count = 0;
  int64_t idle = 0;
  while (interrupted == 0 && (options.max_messages < 0 || count < options.max_messages)) {
    absl::StatusOr<Consumer::Polled> polled = consumer.Poll(kPollMs);
    if (!polled.ok()) return ReportError("consume", polled.status(), "quorate topic list");
    if (polled->record) {
      const std::string line = options.output == "jsonl" ? JsonRecord(*polled->record)
                                                         : FormatRecord(*polled->record, format);
      std::fwrite(line.data(), 1, line.size(), stdout);
      ++count;
      idle = 0;
      continue;
    }
    std::fflush(stdout);
    if (polled->end_of_partition) {
      unread.erase(*polled->end_of_partition);
      if (options.exit_at_end && unread.empty()) break;
      continue;
    }
    idle += kPollMs;
    if (options.idle_ms >= 0 && idle >= options.idle_ms) break;
  }
  std::fflush(stdout);
  std::fputs(absl::StrFormat("Processed a total of %d messages\n", count).c_str(), stderr);
  return interrupted != 0 ? kExitInterrupted : kExitDone;
}

int Consume(const ConsumeOptions& options) {
  Format format;
  for (const std::string& text : options.properties) {
    if (absl::Status status = ApplyFormatterProperty(text, &format); !status.ok()) {
      ReportError("--property", status);
      return kExitUsage;
    }
  }
  auto consumer = Consumer::Create(PropertiesFor(options));
  if (!consumer.ok()) {
    ReportError("consume", consumer.status());
    return kExitUsage;
  }
  absl::StatusOr<std::set<int32_t>> partitions = Begin(**consumer, options);
  if (!partitions.ok()) return ReportError("consume", partitions.status(), "quorate topic list");
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  const int code = Loop(**consumer, options, format, *std::move(partitions));
  (*consumer)->Close();  // Commits, with a group, and leaves it.
  return code;
}

}  // namespace

void RegisterConsumeCommand(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<ConsumeOptions>();
  CLI::App* command = app.add_subcommand("consume", "Print the records of a topic");
  AddClientOptions(*command, &options->client);
  command->remove_option(command->get_option("--output"));
  command->add_option("-o,--output", options->output, "text or jsonl")
      ->check(CLI::IsMember({"text", "jsonl"}))
      ->capture_default_str();
  command->add_option("topic,--topic", options->topic, "The topic")->required();
  command->add_option("-g,--group", options->group,
                      "Read as a member of this group, from its committed offsets");
  command->add_flag("--from-beginning", options->from_beginning,
                    "Start at the first record (a group: where it has no committed offset)");
  command->add_option("--partition", options->partition, "Only this partition");
  command->add_option("--offset", options->offset, "earliest, latest or a number")
      ->capture_default_str();
  command->add_option("-n,--max-messages", options->max_messages, "Stop after so many records");
  command->add_option("--idle-ms", options->idle_ms, "Stop when nothing came for so long");
  command->add_flag("-e,--exit-at-end", options->exit_at_end,
                    "Stop at the end of all partitions (without --group)");
  command->add_option("--property,--formatter-property", options->properties,
                      "print.key=true, print.offset=true, ...; may be repeated");
  command->add_option("-X,--command-property", options->client_properties,
                      "Any librdkafka property, key=value; may be repeated");
  command->callback([options, exit_code] { *exit_code = Consume(*options); });
  command->footer(
      "Examples:\n  quorate consume greetings --from-beginning\n"
      "  quorate consume orders --group billing --from-beginning -o jsonl");
}

}  // namespace quorate
