// raft/core/packet_text.h
//
// Packets of the test harness as a person reads them, in transcripts and in paths of a search.
//
// Pure; tests only.
#pragma once

#include <string>

#include "raft/core/core_harness.h"

namespace quorate::raft {

// The term of its sender; 0 for a failure.
Term TermOf(const Packet& packet);

// "prevote", "vote", "fetch", "begin", "end"; answers with "-answer" behind; "failure": the caller
// learns that there will be no answer.
std::string KindOf(const Packet& packet);

// What it says, in a few words.
std::string TextOf(const Packet& packet);

}  // namespace quorate::raft
