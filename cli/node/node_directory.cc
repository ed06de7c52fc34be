#include "cli/node/node_directory.h"

#include <map>
#include <optional>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/config/config_keys.h"
#include "cli/config/properties.h"
#include "raft/voters_record.h"

namespace quorate {
namespace {

std::string MetaPath(const std::string& directory) { return directory + "/meta.properties"; }

std::string MetaText(const DirectoryIdentity& identity) {
  return absl::StrFormat("version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n",
                         identity.cluster_id, identity.node_id.value(),
                         identity.directory_id.ToString());
}

// Kafka takes any text without blanks as a cluster id; so do we, within reason.
absl::Status CheckClusterId(const std::string& id) {
  if (id.empty() || id.size() > 64 || id.find_first_of(" \t\r\n=") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrFormat("'%s' is no cluster id: 1 to 64 characters without blanks expected; make "
                        "one with: quorate storage random-uuid",
                        id));
  }
  return absl::OkStatus();
}

absl::Status CheckOwner(const std::string& directory, const DirectoryIdentity& found,
                        NodeId node_id, const std::string& cluster_id) {
  if (found.cluster_id != cluster_id) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s belongs to cluster %s, not to cluster %s", directory, found.cluster_id, cluster_id));
  }
  if (found.node_id != node_id) {
    return absl::FailedPreconditionError(absl::StrFormat("%s belongs to node %d, not to node %d",
                                                         directory, found.node_id.value(),
                                                         node_id.value()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DirectoryIdentity> ReadDirectoryIdentity(FileSystem& files,
                                                        const std::string& directory) {
  const std::string path = MetaPath(directory);
  Q_ASSIGN_OR_RETURN(std::string text, files.ReadFile(path, 1 << 16));
  absl::StatusOr<std::vector<Property>> properties = ParseProperties(text, path);
  if (!properties.ok()) return absl::DataLossError(std::string(properties.status().message()));
  std::map<std::string, std::string> values;
  for (Property& property : *properties) values[property.key] = std::move(property.value);
  const std::optional<int64_t> node = ParseInteger(values["node.id"]);
  const std::optional<Uuid> id = Uuid::Parse(values["directory.id"]);
  if (values["version"] != "1") {
    return absl::DataLossError(
        absl::StrFormat("%s: version '%s', only 1 is known", path, values["version"]));
  }
  if (values["cluster.id"].empty() || !node || *node < 0 || *node > INT32_MAX || !id) {
    return absl::DataLossError(absl::StrFormat(
        "%s: damaged: cluster.id, node.id or directory.id is missing or malformed", path));
  }
  return DirectoryIdentity{values["cluster.id"], NodeId(static_cast<int32_t>(*node)), *id};
}

absl::StatusOr<std::vector<std::string>> FormatDirectories(
    FileSystem& files, const std::vector<std::string>& directories, const FormatOptions& options,
    Random& random) {
  Q_RETURN_IF_ERROR(CheckClusterId(options.cluster_id));
  std::vector<std::string> fresh;
  for (const std::string& directory : directories) {
    absl::StatusOr<DirectoryIdentity> found = ReadDirectoryIdentity(files, directory);
    if (absl::IsNotFound(found.status())) {
      fresh.push_back(directory);
      continue;
    }
    if (!found.ok()) return found.status();
    Q_RETURN_IF_ERROR(CheckOwner(directory, *found, options.node_id, options.cluster_id));
    if (!options.ignore_formatted) {
      return absl::AlreadyExistsError(absl::StrFormat(
          "%s is formatted already (cluster %s, node %d); --ignore-formatted accepts that",
          directory, found->cluster_id, found->node_id.value()));
    }
  }
  for (const std::string& directory : fresh) {
    Q_RETURN_IF_ERROR(files.CreateDirectories(directory));
    DirectoryIdentity identity{options.cluster_id, options.node_id, Uuid::Generate(random)};
    if (directory == options.metadata_directory) {
      if (!options.metadata_directory_id.is_zero()) {
        identity.directory_id = options.metadata_directory_id;
      }
      if (!options.first_voters.empty()) {
        Q_RETURN_IF_ERROR(WriteBootstrapVoters(&files, directory + "/__cluster_metadata-0",
                                               options.first_voters));
      }
    }
    Q_RETURN_IF_ERROR(files.WriteFileAtomically(MetaPath(directory), MetaText(identity)));
  }
  return fresh;
}

absl::StatusOr<NodeIdentity> CheckDirectories(FileSystem& files,
                                              const std::vector<std::string>& directories,
                                              NodeId node_id) {
  NodeIdentity identity;
  identity.node_id = node_id;
  for (const std::string& directory : directories) {
    absl::StatusOr<DirectoryIdentity> found = ReadDirectoryIdentity(files, directory);
    if (absl::IsNotFound(found.status())) {
      return absl::NotFoundError(absl::StrFormat(
          "%s is not formatted; run: quorate format -t CLUSTER_ID -c FILE", directory));
    }
    if (!found.ok()) return found.status();
    if (identity.cluster_id.empty()) identity.cluster_id = found->cluster_id;
    Q_RETURN_IF_ERROR(CheckOwner(directory, *found, node_id, identity.cluster_id));
    identity.directory_ids.push_back(found->directory_id);
  }
  return identity;
}

absl::StatusOr<std::vector<std::unique_ptr<FileLock>>> LockDirectories(
    FileSystem& files, const std::vector<std::string>& directories) {
  std::vector<std::unique_ptr<FileLock>> locks;
  for (const std::string& directory : directories) {
    absl::StatusOr<std::unique_ptr<FileLock>> lock = files.Lock(directory + "/.lock");
    if (absl::IsFailedPrecondition(lock.status())) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s is in use by another process", directory));
    }
    if (!lock.ok()) return lock.status();
    locks.push_back(*std::move(lock));
  }
  return locks;
}

}  // namespace quorate
