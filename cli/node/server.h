// cli/node/server.h
#pragma once

#include "absl/status/status.h"
#include "base/file_system.h"
#include "cli/config/server_config.h"

namespace quorate {

// Runs a node on the real world until SIGINT or SIGTERM, then shuts it down in order. The
// composition root of the server: makes threads, clocks, sockets.
// ERRORS: why it did not start, or what made it leave (a failed fsync, a damaged log).
absl::Status RunServer(const ServerConfig& config, FileSystem& files);

}  // namespace quorate
