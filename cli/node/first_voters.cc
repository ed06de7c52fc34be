#include "cli/node/first_voters.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/config/config_keys.h"

namespace quorate {
namespace {

// "1@host:9093:directory-id"
absl::StatusOr<std::pair<NodeId, raft::Voter>> ParseVoter(const std::string& item) {
  const auto bad = [&item] {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--initial-controllers: '%s' is not id@host:port:directory-id (`quorate storage "
        "random-uuid` makes directory ids)",
        item));
  };
  const size_t at = item.find('@');
  const size_t colon = item.rfind(':');
  if (at == std::string::npos || colon == std::string::npos || colon < at) return bad();
  int32_t id = -1;
  if (!absl::SimpleAtoi(item.substr(0, at), &id) || id < 0) return bad();
  const std::optional<Endpoint> endpoint =
      ParseEndpoint(std::string_view(item).substr(at + 1, colon - at - 1));
  const std::optional<Uuid> directory = Uuid::Parse(std::string_view(item).substr(colon + 1));
  if (!endpoint || endpoint->host.empty() || !directory || directory->is_zero()) return bad();
  return std::pair(NodeId(id), raft::Voter{*directory, *endpoint});
}

absl::StatusOr<FirstVoters> ListedVoters(const ServerConfig& config, const std::string& list) {
  std::map<NodeId, raft::Voter> voters;
  for (const std::string& item : SplitList(list)) {
    Q_ASSIGN_OR_RETURN(const auto voter, ParseVoter(item));
    if (!voters.insert(voter).second) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--initial-controllers: node %d appears twice", voter.first.value()));
    }
  }
  const auto self = voters.find(config.node_id);
  if (self == voters.end()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--initial-controllers: this node, %d, is not in the list: format it with "
                        "--no-initial-controllers and add it later",
                        config.node_id.value()));
  }
  const Endpoint& advertised = config.controller_listener->advertised;
  if (self->second.endpoint != advertised) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "--initial-controllers: node %d is listed at %s, but its controller listener is at %s",
        config.node_id.value(), self->second.endpoint.ToString(), advertised.ToString()));
  }
  return FirstVoters{self->second.directory, raft::VoterSet(std::move(voters))};
}

}  // namespace

absl::StatusOr<FirstVoters> ChooseFirstVoters(const ServerConfig& config,
                                              const FirstVotersOptions& options, Random& random) {
  const int chosen = (options.standalone ? 1 : 0) + (options.initial_controllers.empty() ? 0 : 1) +
                     (options.no_initial_controllers ? 1 : 0);
  if (!config.is_controller) {
    if (chosen == 0 || (chosen == 1 && options.no_initial_controllers)) return FirstVoters{};
    return absl::InvalidArgumentError(
        "--standalone and --initial-controllers are for controllers; this node is none "
        "(process.roles)");
  }
  if (!config.voters.empty()) {
    if (chosen == 0) return FirstVoters{};
    return absl::InvalidArgumentError(
        "controller.quorum.voters names the voters: leave --standalone, --initial-controllers and "
        "--no-initial-controllers out, or that key");
  }
  if (chosen != 1) {
    return absl::InvalidArgumentError(
        "controller.quorum.voters is not set, so say who votes first, with one of --standalone "
        "(this controller alone), --initial-controllers (a list, the same on all of them) and "
        "--no-initial-controllers (this one is added later)");
  }
  if (!options.initial_controllers.empty()) {
    return ListedVoters(config, options.initial_controllers);
  }
  if (options.no_initial_controllers) return FirstVoters{};
  const Uuid directory = Uuid::Generate(random);
  std::map<NodeId, raft::Voter> self;
  self[config.node_id] = {directory, config.controller_listener->advertised};
  return FirstVoters{directory, raft::VoterSet(std::move(self))};
}

}  // namespace quorate
