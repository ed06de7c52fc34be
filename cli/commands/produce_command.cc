// quorate produce: lines of standard input become records.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/commands/commands.h"
#include "cli/kafka/rdkafka_client.h"
#include "cli/terminal/terminal.h"

namespace quorate {
namespace {

constexpr int kFlushMs = 60000;

struct ProduceOptions {
  ClientOptions client;
  std::string topic;
  std::vector<std::string> properties;  // console habits: parse.key, key.separator, ...
  std::vector<std::string> client_properties;
  std::string compression = "none";
  std::string acks = "all";
  bool parse_key = false;
  std::string key_separator = "\t";
  bool parse_headers = false;
  std::string null_marker;
  bool ignore_error = false;
};

absl::Status ApplyReaderProperty(const std::string& text, ProduceOptions* options) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  if (key == "parse.key") {
    options->parse_key = value == "true";
  } else if (key == "key.separator" && !value.empty()) {
    options->key_separator = value;
  } else if (key == "parse.headers") {
    options->parse_headers = value == "true";
  } else if (key == "null.marker") {
    options->null_marker = value;
  } else if (key == "ignore.error") {
    options->ignore_error = value == "true";
  } else {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: parse.key, key.separator, parse.headers, null.marker or ignore.error expected", text));
  }
  return absl::OkStatus();
}

struct InputRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<ClientHeader> headers;
};

// "a:1,b:2" as Kafka's console producer reads it.
absl::Status ParseHeaders(std::string_view text, std::vector<ClientHeader>* headers) {
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t colon = item.find(':');
    if (colon == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("header '%s' has no ':'", item));
    }
    headers->push_back({std::string(item.substr(0, colon)), std::string(item.substr(colon + 1))});
  }
  return absl::OkStatus();
}

absl::StatusOr<InputRecord> ParseLine(std::string_view line, const ProduceOptions& options) {
  InputRecord record;
  const auto nullable = [&options](std::string_view text) -> std::optional<std::string> {
    if (!options.null_marker.empty() && text == options.null_marker) return std::nullopt;
    return std::string(text);
  };
  if (options.parse_headers) {
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos) {
      return absl::InvalidArgumentError("no tab after the headers");
    }
    Q_RETURN_IF_ERROR(ParseHeaders(line.substr(0, tab), &record.headers));
    line.remove_prefix(tab + 1);
  }
  if (options.parse_key) {
    const size_t at = line.find(options.key_separator);
    if (at == std::string_view::npos) {
      if (!options.ignore_error) {
        return absl::InvalidArgumentError(
            absl::StrFormat("no key separator '%s'", options.key_separator));
      }
      record.value = nullable(line);
      return record;
    }
    record.key = nullable(line.substr(0, at));
    line.remove_prefix(at + options.key_separator.size());
  }
  record.value = nullable(line);
  return record;
}

absl::StatusOr<ClientProperties> PropertiesFor(const ProduceOptions& options) {
  ClientProperties properties = {{"bootstrap.servers", options.client.bootstrap},
                                 {"acks", options.acks},
                                 {"compression.type", options.compression},
                                 {"linger.ms", "5"}};
  if (options.acks == "all" || options.acks == "-1") properties["enable.idempotence"] = "true";
  for (const std::string& text : options.client_properties) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(absl::StrFormat("-X %s: key=value expected", text));
    }
    properties[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return properties;
}

int Produce(const ProduceOptions& given) {
  ProduceOptions options = given;
  for (const std::string& text : given.properties) {
    if (absl::Status status = ApplyReaderProperty(text, &options); !status.ok()) {
      ReportError("--property", status);
      return kExitUsage;
    }
  }
  absl::StatusOr<ClientProperties> properties = PropertiesFor(options);
  if (!properties.ok()) {
    ReportError("produce", properties.status());
    return kExitUsage;
  }
  int64_t delivered = 0;
  int64_t failed = 0;
  absl::Status first_failure;
  auto producer = Producer::Create(*properties, [&](const DeliveryReport& report) {
    delivered += report.status.ok();
    failed += !report.status.ok();
    if (!report.status.ok() && first_failure.ok()) first_failure = report.status;
  });
  if (!producer.ok()) {
    ReportError("produce", producer.status());
    return kExitUsage;
  }
  std::string line;
  for (int64_t number = 1; std::getline(std::cin, line); ++number) {
    absl::StatusOr<InputRecord> record = ParseLine(line, options);
    absl::Status status = record.status();
    if (status.ok()) {
      status = (*producer)->Produce(options.topic, record->key, record->value, record->headers, 0);
    }
    if (!status.ok()) {
      ReportError(absl::StrFormat("line %d", number), status);
      IgnoreError((*producer)->Flush(kFlushMs), "the line's error is reported");
      return kExitFailed;
    }
    (*producer)->Poll(0);
  }
  const absl::Status flushed = (*producer)->Flush(kFlushMs);
  if (!flushed.ok()) return ReportError("produce", flushed, "quorate cluster info");
  if (failed > 0) {
    ReportError(absl::StrFormat("%d of %d records not delivered", failed, failed + delivered),
                first_failure, "quorate topic describe " + options.topic);
    return delivered > 0 ? kExitPartly : kExitFailed;
  }
  return kExitDone;
}

}  // namespace

void RegisterProduceCommand(CLI::App& app, int* exit_code) {
  auto options = std::make_shared<ProduceOptions>();
  CLI::App* command =
      app.add_subcommand("produce", "Write each line of standard input as a record");
  AddClientOptions(*command, &options->client);
  command->add_option("topic,--topic", options->topic, "The topic")->required();
  command->add_option("--property,--reader-property", options->properties,
                      "parse.key=true, key.separator=\\t, parse.headers=true, null.marker=, "
                      "ignore.error=true; may be repeated");
  command->add_option("--compression-codec", options->compression, "Compression of batches")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  command->add_option("--request-required-acks", options->acks, "0, 1 or all")
      ->check(CLI::IsMember({"0", "1", "-1", "all"}))
      ->capture_default_str();
  command->add_option("-X,--command-property", options->client_properties,
                      "Any librdkafka property, key=value; may be repeated");
  command->callback([options, exit_code] { *exit_code = Produce(*options); });
  command->footer(
      "Examples:\n  echo hello | quorate produce greetings\n"
      "  printf 'k1:v1\\nk2:v2\\n' | quorate produce kv --property parse.key=true "
      "--property key.separator=:");
}

}  // namespace quorate
