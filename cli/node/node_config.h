// cli/node/node_config.h
//
// What server.properties means for each part of a node.
//
// Pure.
#pragma once

#include "broker/control/broker_config.h"
#include "cli/config/server_config.h"
#include "cli/node/node_directory.h"
#include "controller/controller_config.h"
#include "raft/raft_config.h"

namespace quorate {

RaftConfig MakeRaftConfig(const ServerConfig& config, const NodeIdentity& identity);
ControllerConfig MakeControllerConfig(const ServerConfig& config, const NodeIdentity& identity);
BrokerConfig MakeBrokerConfig(const ServerConfig& config, const NodeIdentity& identity);

}  // namespace quorate
