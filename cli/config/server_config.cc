#include "cli/config/server_config.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/config/config_keys.h"
#include "cli/config/properties.h"

namespace quorate {
namespace {

// Builds a ServerConfig out of properties; each step checks one matter.
class ConfigBuilder {
 public:
  ConfigBuilder(std::string file, std::vector<std::string>* warnings) : warnings_(warnings) {
    config_.file = std::move(file);
  }

  absl::Status Take(const Property& property);
  absl::StatusOr<ServerConfig> Finish();

 private:
  struct Origin {
    std::string where;  // "file:line" or "--override"
    std::string value;
  };

  absl::Status Bad(std::string_view key, std::string_view allowed) const {
    const auto it = origins_.find(key);
    if (it == origins_.end()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: %s is not set; %s", config_.file, key, allowed));
    }
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %s=%s: %s", it->second.where, key, it->second.value, allowed));
  }
  bool IsSet(std::string_view key) const { return origins_.find(key) != origins_.end(); }
  void Warn(std::string line) { warnings_->push_back(std::move(line)); }

  absl::Status FillDefaults();
  absl::Status FillRoles();
  absl::Status FillListeners();
  absl::Status FillAdvertised();
  absl::Status FillVoters();
  absl::Status FillDirectories();
  absl::Status CheckInsecure() const;
  absl::StatusOr<std::vector<ListenerConfig>> ParseListeners(std::string_view key);
  std::string ProtocolOf(const std::string& listener) const;

  ServerConfig config_;
  std::map<std::string, Origin, std::less<>> origins_;
  std::vector<std::string>* warnings_;
};

constexpr std::string_view kStrictPrefixes[] = {"ssl.", "sasl.", "listener.name.", "authorizer.",
                                                "quorate."};

absl::Status ConfigBuilder::Take(const Property& property) {
  const std::string where = property.line > 0
                                ? absl::StrFormat("%s:%d", config_.file, property.line)
                                : std::string("--override");
  const ConfigKey* key = FindConfigKey(property.key);
  if (key == nullptr) {
    const std::optional<std::string_view> nearest = NearestConfigKey(property.key);
    const std::string hint =
        nearest ? absl::StrFormat("; did you mean %s?", *nearest) : std::string();
    for (std::string_view prefix : kStrictPrefixes) {
      if (property.key.starts_with(prefix)) {
        return absl::InvalidArgumentError(
            absl::StrFormat("%s: %s=%s: unknown key under %s, which would weaken security or "
                            "durability unnoticed%s",
                            where, property.key, property.value, prefix, hint));
      }
    }
    Warn(absl::StrFormat("%s: unknown key %s is ignored%s", where, property.key, hint));
    return absl::OkStatus();
  }
  if (key->kind == ConfigKind::kNoEffect) {
    Warn(absl::StrFormat("%s: %s has no effect: %s", where, property.key, key->note));
    return absl::OkStatus();
  }
  if (absl::Status allowed = CheckConfigValue(*key, property.value); !allowed.ok()) {
    return absl::InvalidArgumentError(absl::StrFormat("%s: %s=%s: %s expected", where, property.key,
                                                      property.value,
                                                      std::string(allowed.message())));
  }
  origins_[property.key] = Origin{where, property.value};
  config_.values[property.key] = {property.value, true};
  return absl::OkStatus();
}

absl::Status ConfigBuilder::FillDefaults() {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.kind == ConfigKind::kNoEffect || key.default_value.empty()) continue;
    config_.values.try_emplace(std::string(key.name), std::string(key.default_value), false);
  }
  return absl::OkStatus();
}

absl::Status ConfigBuilder::FillRoles() {
  if (!IsSet("process.roles")) {
    return Bad("process.roles", "say broker, controller or broker,controller");
  }
  for (const std::string& role : SplitList(config_.Text("process.roles"))) {
    if (role == "broker") {
      config_.is_broker = true;
    } else if (role == "controller") {
      config_.is_controller = true;
    } else {
      return Bad("process.roles", "broker, controller or broker,controller expected");
    }
  }
  if (!config_.is_broker && !config_.is_controller) {
    return Bad("process.roles", "broker, controller or broker,controller expected");
  }
  const bool has_id = IsSet("node.id");
  if (!has_id && !(IsSet("broker.id") && config_.Int("broker.id") >= 0)) {
    return Bad("node.id", "give each node of the cluster its own number, 0 or higher");
  }
  config_.node_id =
      NodeId(static_cast<int32_t>(has_id ? config_.Int("node.id") : config_.Int("broker.id")));
  if (has_id && IsSet("broker.id") && config_.Int("broker.id") != config_.Int("node.id")) {
    return Bad("broker.id", "must equal node.id, or be left out");
  }
  return absl::OkStatus();
}

std::string ConfigBuilder::ProtocolOf(const std::string& listener) const {
  if (IsSet("listener.security.protocol.map")) {
    for (const std::string& item : SplitList(config_.Text("listener.security.protocol.map"))) {
      const size_t colon = item.find(':');
      if (colon != std::string::npos && item.substr(0, colon) == listener) {
        return item.substr(colon + 1);
      }
    }
  }
  const std::vector<std::string> controllers = SplitList(config_.Text("controller.listener.names"));
  const bool is_controller =
      std::find(controllers.begin(), controllers.end(), listener) != controllers.end();
  return is_controller ? "PLAINTEXT" : listener;
}

absl::StatusOr<std::vector<ListenerConfig>> ConfigBuilder::ParseListeners(std::string_view key) {
  std::vector<ListenerConfig> listeners;
  for (const std::string& item : SplitList(config_.Text(key))) {
    const size_t separator = item.find("://");
    const std::optional<Endpoint> endpoint =
        separator == std::string::npos
            ? std::nullopt
            : ParseEndpoint(std::string_view(item).substr(separator + 3));
    if (!endpoint || separator == 0) {
      return Bad(key, absl::StrFormat("'%s' is not NAME://host:port", item));
    }
    ListenerConfig listener;
    listener.name = item.substr(0, separator);
    listener.security_protocol = ProtocolOf(listener.name);
    listener.bind = *endpoint;
    listener.advertised = *endpoint;
    if (listener.security_protocol != "PLAINTEXT") {
      return Bad(key, absl::StrFormat("listener %s: security protocol %s is not served yet; only "
                                      "PLAINTEXT is (map other names to it with "
                                      "listener.security.protocol.map)",
                                      listener.name, listener.security_protocol));
    }
    for (const ListenerConfig& other : listeners) {
      if (other.name == listener.name) {
        return Bad(key, absl::StrFormat("listener %s appears twice", listener.name));
      }
    }
    listeners.push_back(std::move(listener));
  }
  return listeners;
}

absl::Status ConfigBuilder::FillListeners() {
  const std::vector<std::string> controller_names =
      SplitList(config_.Text("controller.listener.names"));
  Q_ASSIGN_OR_RETURN(std::vector<ListenerConfig> listeners, ParseListeners("listeners"));
  for (ListenerConfig& listener : listeners) {
    const bool for_controller = std::find(controller_names.begin(), controller_names.end(),
                                          listener.name) != controller_names.end();
    if (!for_controller) {
      if (config_.is_broker) {
        config_.client_listeners.push_back(std::move(listener));
      } else {
        return Bad("listeners", absl::StrFormat("listener %s is not in controller.listener.names, "
                                                "but this node is no broker",
                                                listener.name));
      }
    } else if (!config_.controller_listener) {
      config_.controller_listener = std::move(listener);
    }
  }
  if (config_.is_controller && !config_.controller_listener) {
    return Bad("listeners", absl::StrFormat("a controller needs the listener %s, e.g. %s://:9093",
                                            config_.Text("controller.listener.names"),
                                            config_.Text("controller.listener.names")));
  }
  if (config_.is_broker && config_.client_listeners.empty()) {
    return Bad("listeners", "a broker needs a listener for clients, e.g. PLAINTEXT://:9092");
  }
  if (IsSet("quorate.internal.listener")) {
    config_.internal_listener = ParseEndpoint(config_.Text("quorate.internal.listener"));
    if (!config_.internal_listener) return Bad("quorate.internal.listener", "host:port expected");
  }
  return FillAdvertised();
}

absl::Status ConfigBuilder::FillAdvertised() {
  if (!IsSet("advertised.listeners")) return absl::OkStatus();
  Q_ASSIGN_OR_RETURN(std::vector<ListenerConfig> advertised,
                     ParseListeners("advertised.listeners"));
  for (const ListenerConfig& entry : advertised) {
    ListenerConfig* target = nullptr;
    for (ListenerConfig& listener : config_.client_listeners) {
      if (listener.name == entry.name) target = &listener;
    }
    if (config_.controller_listener && config_.controller_listener->name == entry.name) {
      target = &*config_.controller_listener;
    }
    if (target == nullptr) {
      return Bad("advertised.listeners", absl::StrFormat("%s is not among listeners", entry.name));
    }
    if (entry.bind.host.empty() || entry.bind.host == "0.0.0.0" || entry.bind.host == "::") {
      return Bad("advertised.listeners",
                 "an address that clients can reach is expected, not all interfaces");
    }
    target->advertised = entry.bind;
  }
  return absl::OkStatus();
}

absl::Status ConfigBuilder::FillVoters() {
  for (const std::string& item : SplitList(config_.Text("controller.quorum.bootstrap.servers"))) {
    const std::optional<Endpoint> endpoint = ParseEndpoint(item);
    if (!endpoint || endpoint->host.empty()) {
      return Bad("controller.quorum.bootstrap.servers",
                 absl::StrFormat("'%s' is not host:port", item));
    }
    config_.bootstrap_servers.push_back(*endpoint);
  }
  if (config_.Bool("controller.quorum.auto.join.enable") && !config_.is_controller) {
    return Bad("controller.quorum.auto.join.enable", "only a controller can join the voters");
  }
  if (!IsSet("controller.quorum.voters")) {
    if (config_.bootstrap_servers.empty()) {
      return Bad("controller.quorum.voters",
                 "list all controllers as id@host:port, e.g. 1@localhost:9093; or set "
                 "controller.quorum.bootstrap.servers, for controllers that come and go");
    }
    if (config_.is_controller && config_.controller_listener->advertised.host.empty()) {
      return Bad("listeners",
                 "the other controllers have to reach this one: give the controller listener a "
                 "host, or name one in advertised.listeners");
    }
    return absl::OkStatus();
  }
  for (const std::string& item : SplitList(config_.Text("controller.quorum.voters"))) {
    const size_t at = item.find('@');
    const std::optional<int64_t> id =
        at == std::string::npos ? std::nullopt : ParseInteger(item.substr(0, at));
    const std::optional<Endpoint> endpoint =
        at == std::string::npos ? std::nullopt
                                : ParseEndpoint(std::string_view(item).substr(at + 1));
    if (!id || *id < 0 || *id > INT32_MAX || !endpoint || endpoint->host.empty()) {
      return Bad("controller.quorum.voters", absl::StrFormat("'%s' is not id@host:port", item));
    }
    const NodeId node(static_cast<int32_t>(*id));
    for (const VoterConfig& other : config_.voters) {
      if (other.id == node) {
        return Bad("controller.quorum.voters", absl::StrFormat("id %d appears twice", *id));
      }
    }
    config_.voters.push_back({node, *endpoint});
  }
  const bool is_voter =
      std::any_of(config_.voters.begin(), config_.voters.end(),
                  [this](const VoterConfig& voter) { return voter.id == config_.node_id; });
  if (config_.is_controller && !is_voter) {
    return Bad("controller.quorum.voters",
               absl::StrFormat("must list this controller, node %d", config_.node_id.value()));
  }
  if (!config_.is_controller && is_voter) {
    return Bad("controller.quorum.voters",
               absl::StrFormat("lists node %d, whose process.roles has no controller",
                               config_.node_id.value()));
  }
  return absl::OkStatus();
}

absl::Status ConfigBuilder::FillDirectories() {
  config_.log_dirs =
      SplitList(IsSet("log.dirs") ? config_.Text("log.dirs") : config_.Text("log.dir"));
  if (config_.log_dirs.empty()) return Bad("log.dirs", "at least one directory expected");
  config_.metadata_log_dir =
      IsSet("metadata.log.dir") ? config_.Text("metadata.log.dir") : config_.log_dirs.front();
  return absl::OkStatus();
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

absl::Status ConfigBuilder::CheckInsecure() const {
  if (config_.Bool("quorate.allow.insecure.listeners")) return absl::OkStatus();
  std::vector<const ListenerConfig*> listeners;
  for (const ListenerConfig& listener : config_.client_listeners) listeners.push_back(&listener);
  if (config_.controller_listener) listeners.push_back(&*config_.controller_listener);
  for (const ListenerConfig* listener : listeners) {
    if (IsLoopback(listener->bind.host)) continue;
    return Bad("listeners",
               absl::StrFormat("listener %s is PLAINTEXT and open to other machines; bind it to "
                               "127.0.0.1, or set quorate.allow.insecure.listeners=true if the "
                               "network is trusted",
                               listener->name));
  }
  return absl::OkStatus();
}

absl::StatusOr<ServerConfig> ConfigBuilder::Finish() {
  Q_RETURN_IF_ERROR(FillDefaults());
  Q_RETURN_IF_ERROR(FillRoles());
  Q_RETURN_IF_ERROR(FillListeners());
  Q_RETURN_IF_ERROR(FillVoters());
  Q_RETURN_IF_ERROR(FillDirectories());
  Q_RETURN_IF_ERROR(CheckInsecure());
  return std::move(config_);
}

}  // namespace

int64_t ServerConfig::Int(std::string_view key) const {
  const std::optional<int64_t> value = ParseInteger(Text(key));
  QCHECK(value.has_value());
  return *value;
}

bool ServerConfig::Bool(std::string_view key) const { return Text(key) == "true"; }

const std::string& ServerConfig::Text(std::string_view key) const {
  static const std::string* empty = new std::string();
  QCHECK(FindConfigKey(key) != nullptr);
  const auto it = values.find(key);
  return it == values.end() ? *empty : it->second.first;
}

std::optional<Endpoint> ParseEndpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::optional<int64_t> port = ParseInteger(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') != host.ends_with(']')) return std::nullopt;
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  return Endpoint{std::string(host), static_cast<int>(*port)};
}

absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view text, const std::string& path,
                                               const std::vector<std::string>& overrides,
                                               std::vector<std::string>* warnings) {
  Q_ASSIGN_OR_RETURN(std::vector<Property> properties, ParseProperties(text, path));
  for (const std::string& override_text : overrides) {
    const size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--override %s: key=value expected", override_text));
    }
    properties.push_back({override_text.substr(0, equals), override_text.substr(equals + 1), 0});
  }
  ConfigBuilder builder(path, warnings);
  for (const Property& property : properties) Q_RETURN_IF_ERROR(builder.Take(property));
  return builder.Finish();
}

absl::StatusOr<ServerConfig> LoadServerConfig(FileSystem& files, const std::string& path,
                                              const std::vector<std::string>& overrides,
                                              std::vector<std::string>* warnings) {
  Q_ASSIGN_OR_RETURN(std::string text, files.ReadFile(path, 1 << 20));
  return ParseServerConfig(text, path, overrides, warnings);
}

}  // namespace quorate
