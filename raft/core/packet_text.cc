#include "raft/core/packet_text.h"

#include <sstream>
#include <type_traits>

namespace quorate::raft {

Term TermOf(const Packet& packet) {
  return std::visit(
      [](const auto& m) {
        if constexpr (std::is_same_v<std::decay_t<decltype(m)>, std::monostate>) {
          return Term(0);
        } else {
          return m.term;
        }
      },
      packet.message);
}

std::string KindOf(const Packet& packet) {
  if (const auto* vote = std::get_if<VoteRequest>(&packet.message)) {
    return vote->pre_vote ? "prevote" : "vote";
  }
  if (const auto* vote = std::get_if<VoteResponse>(&packet.message)) {
    return vote->pre_vote ? "prevote-answer" : "vote-answer";
  }
  if (std::holds_alternative<FetchRequest>(packet.message)) return "fetch";
  if (std::holds_alternative<FetchResponse>(packet.message)) return "fetch-answer";
  if (std::holds_alternative<FetchSnapshotRequest>(packet.message)) return "snapshot";
  if (std::holds_alternative<FetchSnapshotResponse>(packet.message)) return "snapshot-answer";
  if (std::holds_alternative<BeginTermRequest>(packet.message)) return "begin";
  if (std::holds_alternative<BeginTermResponse>(packet.message)) return "begin-answer";
  if (std::holds_alternative<EndTermRequest>(packet.message)) return "end";
  if (std::holds_alternative<EndTermResponse>(packet.message)) return "end-answer";
  return "failure";
}

std::string TextOf(const Packet& packet) {
  std::ostringstream out;
  out << "term " << TermOf(packet);
  if (const auto* vote = std::get_if<VoteRequest>(&packet.message)) {
    out << ", log end " << vote->log_end << " of term " << vote->last_log_term;
  } else if (const auto* answer = std::get_if<VoteResponse>(&packet.message)) {
    out << (answer->granted ? ", granted" : ", refused");
    if (answer->leader != kNoNode) out << ", leader " << answer->leader;
  } else if (const auto* fetch = std::get_if<FetchRequest>(&packet.message)) {
    out << ", index " << fetch->fetch_index << " after term " << fetch->last_fetched_term;
  } else if (const auto* fetched = std::get_if<FetchResponse>(&packet.message)) {
    switch (fetched->outcome) {
      case FetchOutcome::kOk:
        out << ", commit " << fetched->commit_index << ", records of terms";
        for (const Entry& entry : packet.entries) out << " " << entry.term;
        break;
      case FetchOutcome::kDiverging:
        out << ", diverging: term " << fetched->diverging_term << " ends at "
            << fetched->diverging_end;
        break;
      case FetchOutcome::kNotLeader:
        out << ", not leader";
        break;
      case FetchOutcome::kFencedTerm:
        out << ", fenced";
        break;
      case FetchOutcome::kSnapshotNeeded:
        out << ", snapshot needed: " << fetched->snapshot;
        break;
      default:
        out << ", other";
    }
  } else if (const auto* wanted = std::get_if<FetchSnapshotRequest>(&packet.message)) {
    out << ", snapshot " << wanted->snapshot << " from " << wanted->position;
  } else if (const auto* piece = std::get_if<FetchSnapshotResponse>(&packet.message)) {
    if (piece->outcome == SnapshotOutcome::kOk) {
      out << ", snapshot " << piece->snapshot << ": " << piece->length << " from "
          << piece->position << " of " << piece->size;
    } else {
      out << (piece->outcome == SnapshotOutcome::kNotFound    ? ", no such snapshot"
              : piece->outcome == SnapshotOutcome::kNotLeader ? ", not leader"
                                                              : ", fenced");
    }
  }
  return out.str();
}

}  // namespace quorate::raft
