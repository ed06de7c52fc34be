// tests/search/raft/message.h
//
// Packets of the search: as bytes that tell them apart and as events of the core.
//
// Pure; tests only.
#pragma once

#include <string>

#include "raft/core/packet_text.h"

namespace quorate::raft::search {

// What a packet says, without who calls it: equal for equal packets.
std::string BytesOf(const Packet& packet);

// The event that delivers it.
Event EventOf(const Packet& packet);

// Nobody loses anything if it is never delivered: an answer to a vote that was refused.
bool IsIdleAnswer(const Packet& packet);

}  // namespace quorate::raft::search
