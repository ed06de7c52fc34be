// cli/config/server_config.h
//
// ServerConfig: what a server.properties file says, checked and typed.
//
// Pure, but for reading the file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/ids.h"
#include "base/network.h"

namespace quorate {

// A listener as configured. An empty bind host means all interfaces.
struct ListenerConfig {
  std::string name;               // "PLAINTEXT"
  std::string security_protocol;  // "PLAINTEXT"
  Endpoint bind;
  Endpoint advertised;
};

// One entry of controller.quorum.voters.
struct VoterConfig {
  NodeId id;
  Endpoint endpoint;
};

struct ServerConfig {
  std::string file;
  bool is_broker = false;
  bool is_controller = false;
  NodeId node_id;
  std::vector<ListenerConfig> client_listeners;       // not empty on a broker
  std::optional<ListenerConfig> controller_listener;  // on a controller
  std::optional<Endpoint> internal_listener;          // pinned address of the replication listener
  // controller.quorum.voters; empty: the quorum itself decides who votes, and is found through
  // `bootstrap_servers`, which is not empty then.
  std::vector<VoterConfig> voters;
  std::vector<Endpoint> bootstrap_servers;  // controller.quorum.bootstrap.servers
  std::vector<std::string> log_dirs;        // not empty
  std::string metadata_log_dir;             // one of log_dirs unless metadata.log.dir names another

  // Value of any other known key, or its default. REQUIRES: a known key of that kind.
  int64_t Int(std::string_view key) const;
  bool Bool(std::string_view key) const;
  const std::string& Text(std::string_view key) const;

  // Every known key that has a value, for DescribeConfigs: (value, set in the file?).
  std::map<std::string, std::pair<std::string, bool>, std::less<>> values;
};

// Reads and checks `path`; `overrides` ("key=value") win over the file. Harmless oddities (unknown
// keys, keys without effect) are appended to `warnings`, one line each.
// ERRORS: kNotFound; kInvalidArgument naming file, line, key, value and what is allowed.
absl::StatusOr<ServerConfig> LoadServerConfig(FileSystem& files, const std::string& path,
                                              const std::vector<std::string>& overrides,
                                              std::vector<std::string>* warnings);

// The same for text already read; `path` is for messages.
absl::StatusOr<ServerConfig> ParseServerConfig(std::string_view text, const std::string& path,
                                               const std::vector<std::string>& overrides,
                                               std::vector<std::string>* warnings);

// "host:port", "[v6]:port" or ":port".
std::optional<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace quorate
