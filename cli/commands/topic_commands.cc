// quorate topic create|list|describe|alter|delete
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/client/admin_client.h"
#include "cli/commands/commands.h"
#include "cli/config/config_keys.h"
#include "cli/terminal/terminal.h"
#include "proto/kafka/messages/create_partitions.h"
#include "proto/kafka/messages/create_topics.h"
#include "proto/kafka/messages/delete_topics.h"
#include "proto/kafka/messages/describe_configs.h"
#include "proto/kafka/messages/describe_topic_partitions.h"
#include "proto/kafka/messages/incremental_alter_configs.h"
#include "proto/kafka/messages/metadata.h"

namespace quorate {
namespace {

using nlohmann::json;

constexpr int8_t kTopicResource = 2;
constexpr int8_t kConfigSet = 0;
constexpr int8_t kConfigDelete = 1;
constexpr int8_t kSourceTopic = 1;
constexpr int16_t kNone = 0;
constexpr int16_t kTopicAlreadyExists = 36;
constexpr int16_t kUnknownTopic = 3;

struct TopicOptions {
  ClientOptions client;
  std::string topic;
  int partitions = -1;
  int replication_factor = -1;
  std::string assignment;
  std::vector<std::string> configs;
  std::vector<std::string> deleted_configs;
  bool if_exists = false;
  bool if_not_exists = false;
  bool exclude_internal = false;
  bool dry_run = false;
  bool yes = false;
};

// Connects, runs `action`, reports a failed connection.
template <typename Action>
int WithClient(const TopicOptions& options, std::string_view what, Action action) {
  absl::StatusOr<std::unique_ptr<AdminClient>> client =
      AdminClient::Connect(options.client.bootstrap, options.client.timeout_ms);
  if (!client.ok()) {
    return ReportError(what, client.status(), "quorate quickstart   # or give --bootstrap-server");
  }
  return action(**client);
}

// "1:2,2:3" -> one list of brokers per partition.
absl::StatusOr<std::vector<std::vector<int32_t>>> ParseAssignment(const std::string& text) {
  std::vector<std::vector<int32_t>> partitions;
  for (const std::string& part : SplitList(text)) {
    std::vector<int32_t>& brokers = partitions.emplace_back();
    size_t at = 0;
    while (at <= part.size()) {
      const size_t colon = std::min(part.find(':', at), part.size());
      const std::optional<int64_t> id = ParseInteger(part.substr(at, colon - at));
      if (!id || *id < 0) {
        return absl::InvalidArgumentError(absl::StrFormat(
            "--replica-assignment %s: brokers as 1:2 for each partition expected", text));
      }
      brokers.push_back(static_cast<int32_t>(*id));
      at = colon + 1;
    }
  }
  return partitions;
}

absl::StatusOr<std::pair<std::string, std::string>> ParseConfig(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrFormat("--config %s: key=value expected", text));
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

absl::StatusOr<kafka::CreateTopicsRequest> BuildCreate(const TopicOptions& options) {
  kafka::CreateTopicsRequest request;
  request.timeout_ms = options.client.timeout_ms;
  request.validate_only = options.dry_run;
  auto& topic = request.topics.emplace_back();
  topic.name = options.topic;
  topic.num_partitions = options.partitions;
  topic.replication_factor = static_cast<int16_t>(options.replication_factor);
  Q_ASSIGN_OR_RETURN(auto assignment, ParseAssignment(options.assignment));
  for (size_t i = 0; i < assignment.size(); ++i) {
    auto& entry = topic.assignments.emplace_back();
    entry.partition_index = static_cast<int32_t>(i);
    entry.broker_ids = assignment[i];
  }
  for (const std::string& text : options.configs) {
    Q_ASSIGN_OR_RETURN(auto config, ParseConfig(text));
    auto& entry = topic.configs.emplace_back();
    entry.name = config.first;
    entry.value = config.second;
  }
  return request;
}

int Create(const TopicOptions& options) {
  const std::string what = absl::StrFormat("topic '%s' not created", options.topic);
  absl::StatusOr<kafka::CreateTopicsRequest> request = BuildCreate(options);
  if (!request.ok()) {
    ReportError(what, request.status());
    return kExitUsage;
  }
  return WithClient(options, what, [&](AdminClient& client) {
    auto response =
        client.Call<kafka::CreateTopicsResponse>(*request, options.client.timeout_ms + 1000);
    if (!response.ok()) return ReportError(what, response.status());
    if (response->topics.size() != 1) {
      return ReportError(what, absl::InternalError("the answer does not name the topic"));
    }
    const auto& topic = response->topics[0];
    if (topic.error_code == kTopicAlreadyExists && options.if_not_exists) return +kExitDone;
    if (topic.error_code != kNone) {
      return ReportKafkaError(what, topic.error_code, topic.error_message.value_or(""),
                              "quorate cluster info   # shows the brokers and their state");
    }
    if (options.client.json()) {
      const json out = {{"schema", "quorate.topic.create/1"},
                        {"name", topic.name},
                        {"topic_id", topic.topic_id.ToString()},
                        {"partitions", topic.num_partitions},
                        {"replication_factor", topic.replication_factor},
                        {"dry_run", options.dry_run}};
      std::puts(out.dump(2).c_str());
    } else {
      std::puts(absl::StrFormat("%s topic %s: %d partitions, replication factor %d",
                                options.dry_run ? "Could create" : "Created", topic.name,
                                topic.num_partitions, topic.replication_factor)
                    .c_str());
    }
    return +kExitDone;
  });
}

absl::StatusOr<kafka::MetadataResponse> AllTopics(AdminClient& client, int timeout_ms) {
  kafka::MetadataRequest request;
  request.topics.reset();
  request.allow_auto_topic_creation = false;
  return client.Call<kafka::MetadataResponse>(request, timeout_ms);
}

int List(const TopicOptions& options) {
  return WithClient(options, "topics not listed", [&](AdminClient& client) {
    auto response = AllTopics(client, options.client.timeout_ms);
    if (!response.ok()) return ReportError("topics not listed", response.status());
    std::map<std::string, const kafka::MetadataResponse::MetadataResponseTopic*> topics;
    for (const auto& topic : response->topics) {
      if (topic.is_internal && options.exclude_internal) continue;
      topics[topic.name.value_or("")] = &topic;
    }
    if (options.client.json()) {
      json out = {{"schema", "quorate.topic.list/1"}, {"topics", json::array()}};
      for (const auto& [name, topic] : topics) {
        out["topics"].push_back({{"name", name},
                                 {"topic_id", topic->topic_id.ToString()},
                                 {"partitions", topic->partitions.size()},
                                 {"internal", topic->is_internal}});
      }
      std::puts(out.dump(2).c_str());
      return +kExitDone;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, topic] : topics) {
      size_t leaderless = 0;
      for (const auto& partition : topic->partitions) leaderless += partition.leader_id < 0;
      const size_t replicas =
          topic->partitions.empty() ? 0 : topic->partitions[0].replica_nodes.size();
      rows.push_back({name, std::to_string(topic->partitions.size()), std::to_string(replicas),
                      std::to_string(leaderless)});
    }
    PrintTable({"TOPIC", "PARTITIONS", "REPLICAS", "LEADERLESS"}, rows);
    return +kExitDone;
  });
}

using Config = kafka::DescribeConfigsResponse::DescribeConfigsResourceResult;

absl::StatusOr<std::vector<Config>> TopicConfigs(AdminClient& client, const std::string& topic,
                                                 int timeout_ms) {
  kafka::DescribeConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = topic;
  resource.configuration_keys.reset();
  Q_ASSIGN_OR_RETURN(auto response,
                     client.Call<kafka::DescribeConfigsResponse>(request, timeout_ms));
  if (response.results.size() != 1 || response.results[0].error_code != kNone) {
    return absl::UnavailableError("the broker did not tell the topic's configuration");
  }
  return std::move(response.results[0].configs);
}

using TopicDescription =
    kafka::DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponseTopic;

// All partitions of a topic, page by page.
absl::StatusOr<TopicDescription> DescribeTopic(AdminClient& client, const std::string& name,
                                               int timeout_ms) {
  kafka::DescribeTopicPartitionsRequest request;
  request.topics.emplace_back().name = name;
  TopicDescription topic;
  while (true) {
    Q_ASSIGN_OR_RETURN(auto page,
                       client.Call<kafka::DescribeTopicPartitionsResponse>(request, timeout_ms));
    if (page.topics.size() != 1) return absl::InternalError("the answer does not name the topic");
    auto partitions = std::move(topic.partitions);
    topic = std::move(page.topics[0]);
    partitions.insert(partitions.end(), topic.partitions.begin(), topic.partitions.end());
    topic.partitions = std::move(partitions);
    if (!page.next_cursor || topic.error_code != kNone) return topic;
    request.cursor.emplace();
    request.cursor->topic_name = page.next_cursor->topic_name;
    request.cursor->partition_index = page.next_cursor->partition_index;
  }
}

json PartitionJson(const TopicDescription& topic) {
  json partitions = json::array();
  for (const auto& p : topic.partitions) {
    partitions.push_back({{"partition", p.partition_index},
                          {"leader", p.leader_id},
                          {"leader_epoch", p.leader_epoch},
                          {"replicas", p.replica_nodes},
                          {"isr", p.isr_nodes},
                          {"elr", p.eligible_leader_replicas.value_or(std::vector<int32_t>{})},
                          {"last_known_elr", p.last_known_elr.value_or(std::vector<int32_t>{})},
                          {"offline_replicas", p.offline_replicas}});
  }
  return partitions;
}

void PrintDescription(const TopicDescription& topic, const std::vector<Config>& configs) {
  std::string durability = "?";
  std::string overrides;
  for (const Config& config : configs) {
    if (config.name == "quorate.durability") durability = config.value.value_or("?");
    if (config.config_source == kSourceTopic) {
      overrides += (overrides.empty() ? "" : ",") + config.name + "=" + config.value.value_or("");
    }
  }
  const size_t replicas = topic.partitions.empty() ? 0 : topic.partitions[0].replica_nodes.size();
  std::puts(absl::StrFormat("Topic: %s  Id: %s  Partitions: %d  Replication: %d  Durability: %s"
                            "  Configs: %s",
                            topic.name.value_or(""), topic.topic_id.ToString(),
                            topic.partitions.size(), replicas, durability,
                            overrides.empty() ? "-" : overrides)
                .c_str());
  std::vector<std::vector<std::string>> rows;
  for (const auto& p : topic.partitions) {
    rows.push_back({std::to_string(p.partition_index),
                    p.leader_id < 0 ? "none" : std::to_string(p.leader_id),
                    std::to_string(p.leader_epoch), JoinIds(p.replica_nodes), JoinIds(p.isr_nodes),
                    JoinIds(p.eligible_leader_replicas.value_or(std::vector<int32_t>{})),
                    JoinIds(p.offline_replicas)});
  }
  PrintTable({"PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "ELR", "OFFLINE"}, rows);
}

int Describe(const TopicOptions& options) {
  const std::string what = "topics not described";
  return WithClient(options, what, [&](AdminClient& client) {
    std::vector<std::string> names;
    if (!options.topic.empty()) {
      names.push_back(options.topic);
    } else {
      auto all = AllTopics(client, options.client.timeout_ms);
      if (!all.ok()) return ReportError(what, all.status());
      for (const auto& topic : all->topics) {
        if (!(topic.is_internal && options.exclude_internal)) {
          names.push_back(topic.name.value_or(""));
        }
      }
    }
    json out = {{"schema", "quorate.topic.describe/1"}, {"topics", json::array()}};
    for (const std::string& name : names) {
      auto topic = DescribeTopic(client, name, options.client.timeout_ms);
      if (!topic.ok()) return ReportError(what, topic.status());
      if (topic->error_code == kUnknownTopic && options.if_exists) continue;
      if (topic->error_code != kNone) {
        return ReportKafkaError(absl::StrFormat("topic '%s'", name), topic->error_code, "",
                                "quorate topic list");
      }
      auto configs = TopicConfigs(client, name, options.client.timeout_ms);
      if (!configs.ok()) return ReportError(what, configs.status());
      if (!options.client.json()) {
        PrintDescription(*topic, *configs);
        continue;
      }
      json values = json::object();
      for (const Config& config : *configs) {
        values[config.name] = config.value ? json(*config.value) : json();
      }
      out["topics"].push_back({{"name", name},
                               {"topic_id", topic->topic_id.ToString()},
                               {"internal", topic->is_internal},
                               {"configs", values},
                               {"partitions", PartitionJson(*topic)}});
    }
    if (options.client.json()) std::puts(out.dump(2).c_str());
    return +kExitDone;
  });
}

int AlterConfigs(AdminClient& client, const TopicOptions& options, const std::string& what) {
  kafka::IncrementalAlterConfigsRequest request;
  request.validate_only = options.dry_run;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = options.topic;
  for (const std::string& text : options.configs) {
    auto config = ParseConfig(text);
    if (!config.ok()) {
      ReportError(what, config.status());
      return kExitUsage;
    }
    auto& entry = resource.configs.emplace_back();
    entry.name = config->first;
    entry.config_operation = kConfigSet;
    entry.value = config->second;
  }
  for (const std::string& name : options.deleted_configs) {
    auto& entry = resource.configs.emplace_back();
    entry.name = name;
    entry.config_operation = kConfigDelete;
    entry.value.reset();
  }
  auto response =
      client.Call<kafka::IncrementalAlterConfigsResponse>(request, options.client.timeout_ms);
  if (!response.ok()) return ReportError(what, response.status());
  for (const auto& result : response->responses) {
    if (result.error_code != kNone) {
      return ReportKafkaError(what, result.error_code, result.error_message.value_or(""));
    }
  }
  return kExitDone;
}

int AddPartitions(AdminClient& client, const TopicOptions& options, const std::string& what) {
  kafka::CreatePartitionsRequest request;
  request.timeout_ms = options.client.timeout_ms;
  request.validate_only = options.dry_run;
  auto& topic = request.topics.emplace_back();
  topic.name = options.topic;
  topic.count = options.partitions;
  topic.assignments.reset();
  auto response =
      client.Call<kafka::CreatePartitionsResponse>(request, options.client.timeout_ms + 1000);
  if (!response.ok()) return ReportError(what, response.status());
  for (const auto& result : response->results) {
    if (result.error_code != kNone) {
      return ReportKafkaError(what, result.error_code, result.error_message.value_or(""));
    }
  }
  return kExitDone;
}

int Alter(const TopicOptions& options) {
  const std::string what = absl::StrFormat("topic '%s' not altered", options.topic);
  if (options.partitions < 0 && options.configs.empty() && options.deleted_configs.empty()) {
    ReportError(what, absl::InvalidArgumentError(
                          "give --partitions, --config key=value or --delete-config key"));
    return kExitUsage;
  }
  return WithClient(options, what, [&](AdminClient& client) {
    if (!options.configs.empty() || !options.deleted_configs.empty()) {
      if (int code = AlterConfigs(client, options, what); code != kExitDone) return code;
    }
    if (options.partitions >= 0) {
      if (int code = AddPartitions(client, options, what); code != kExitDone) return code;
    }
    if (!options.client.json()) {
      std::puts(
          absl::StrFormat("%s topic %s", options.dry_run ? "Could alter" : "Altered", options.topic)
              .c_str());
    }
    return +kExitDone;
  });
}

bool Confirmed(const TopicOptions& options) {
  if (options.yes || !isatty(STDIN_FILENO)) return options.yes;
  std::fputs(absl::StrFormat("Delete topic %s and all its records? [y/N] ", options.topic).c_str(),
             stderr);
  const int answer = std::getchar();
  return answer == 'y' || answer == 'Y';
}

int Delete(const TopicOptions& options) {
  const std::string what = absl::StrFormat("topic '%s' not deleted", options.topic);
  if (!Confirmed(options)) {
    return ReportError(what, absl::FailedPreconditionError("not confirmed; --yes confirms"));
  }
  return WithClient(options, what, [&](AdminClient& client) {
    kafka::DeleteTopicsRequest request;
    request.timeout_ms = options.client.timeout_ms;
    request.topics.emplace_back().name = options.topic;
    auto response =
        client.Call<kafka::DeleteTopicsResponse>(request, options.client.timeout_ms + 1000);
    if (!response.ok()) return ReportError(what, response.status());
    for (const auto& result : response->responses) {
      if (result.error_code == kUnknownTopic && options.if_exists) continue;
      if (result.error_code != kNone) {
        return ReportKafkaError(what, result.error_code, result.error_message.value_or(""),
                                "quorate topic list");
      }
    }
    if (!options.client.json()) {
      std::puts(absl::StrFormat("Deleted topic %s", options.topic).c_str());
    }
    return +kExitDone;
  });
}

CLI::App* AddVerb(CLI::App& noun, const std::string& verb, const std::string& sentence,
                  const std::shared_ptr<TopicOptions>& options, bool name_required,
                  int (*run)(const TopicOptions&), int* exit_code) {
  CLI::App* command = noun.add_subcommand(verb, sentence);
  AddClientOptions(*command, &options->client);
  CLI::Option* name = command->add_option("topic,--topic", options->topic, "The topic's name");
  if (name_required) name->required();
  command->callback([options, run, exit_code] { *exit_code = run(*options); });
  return command;
}

}  // namespace

void RegisterTopicCommands(CLI::App& app, int* exit_code) {
  CLI::App* noun = app.add_subcommand("topic", "Create, list, describe, alter and delete topics");
  noun->require_subcommand(1);
  auto options = std::make_shared<TopicOptions>();

  CLI::App* create = AddVerb(*noun, "create", "Create a topic", options, true, &Create, exit_code);
  create->add_option("-p,--partitions", options->partitions, "Partitions (default: the cluster's)");
  create->add_option("-r,--replication-factor", options->replication_factor,
                     "Replicas of each partition (default: the cluster's)");
  create->add_option("--replica-assignment", options->assignment,
                     "Brokers of each partition, e.g. 1:2,2:3");
  create->add_option("-c,--config", options->configs, "key=value, may be repeated");
  create->add_flag("--if-not-exists", options->if_not_exists, "An existing topic is no error");
  create->add_flag("--dry-run", options->dry_run, "Only check");
  create->footer(
      "Examples:\n  quorate topic create orders -p 6 -r 3\n"
      "  quorate topic create log -p 1 -c retention.ms=86400000");

  CLI::App* list = AddVerb(*noun, "list", "List topics", options, false, &List, exit_code);
  list->add_flag("--exclude-internal", options->exclude_internal, "Leave out internal topics");
  list->footer("Examples:\n  quorate topic list\n  quorate topic list -o json");

  CLI::App* describe = AddVerb(*noun, "describe", "Show partitions, leaders, ISR, durability",
                               options, false, &Describe, exit_code);
  describe->add_flag("--if-exists", options->if_exists, "A missing topic is no error");
  describe->add_flag("--exclude-internal", options->exclude_internal, "Leave out internal topics");
  describe->footer("Examples:\n  quorate topic describe orders\n  quorate topic describe -o json");

  CLI::App* alter =
      AddVerb(*noun, "alter", "Add partitions or change configs", options, true, &Alter, exit_code);
  alter->add_option("-p,--partitions", options->partitions, "The new number of partitions");
  alter->add_option("-c,--config", options->configs, "key=value, may be repeated");
  alter->add_option("--delete-config", options->deleted_configs, "key back to its default");
  alter->add_flag("--dry-run", options->dry_run, "Only check");
  alter->footer(
      "Examples:\n  quorate topic alter orders -p 12\n"
      "  quorate topic alter orders -c quorate.durability=os");

  CLI::App* remove =
      AddVerb(*noun, "delete", "Delete a topic and its records", options, true, &Delete, exit_code);
  remove->add_flag("--if-exists", options->if_exists, "A missing topic is no error");
  remove->add_flag("-y,--yes", options->yes, "Do not ask");
  remove->footer(
      "Examples:\n  quorate topic delete orders --yes\n"
      "  quorate topic delete orders --if-exists --yes");
}

}  // namespace quorate
