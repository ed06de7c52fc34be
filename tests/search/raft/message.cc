#include "tests/search/raft/message.h"

#include <type_traits>

namespace quorate::raft::search {
namespace {

template <typename M, typename... Ms>
constexpr bool kIsOneOf = (std::is_same_v<M, Ms> || ...);

// Calls function(number) for each number of the message.
template <typename Function>
void ForEachNumber(const Packet& packet, Function number) {
  std::visit(
      [&](const auto& m) {
        using M = std::decay_t<decltype(m)>;
        if constexpr (std::is_same_v<M, VoteRequest>) {
          number(m.term.value());
          number(m.candidate.node.value());
          number(m.voter.node.value());
          number(m.log_end.value());
          number(m.last_log_term.value());
          number(m.pre_vote);
        } else if constexpr (std::is_same_v<M, VoteResponse>) {
          number(m.term.value());
          number(m.leader.value());
          number(m.granted);
          number(m.pre_vote);
        } else if constexpr (std::is_same_v<M, FetchRequest>) {
          number(m.term.value());
          number(m.fetch_index.value());
          number(m.last_fetched_term.value());
          number(m.known_commit.value());
          number(m.max_bytes > 0);
        } else if constexpr (std::is_same_v<M, FetchResponse>) {
          number(static_cast<int64_t>(m.outcome));
          number(m.term.value());
          number(m.leader.value());
          number(m.diverging_term.value());
          number(m.diverging_end.value());
          number(m.commit_index.value());
        } else if constexpr (kIsOneOf<M, BeginTermRequest, EndTermRequest, BeginTermResponse>) {
          number(m.term.value());
          number(m.leader.value());
          if constexpr (std::is_same_v<M, EndTermRequest>) {
            for (NodeId node : m.preferred) number(node.value());
          }
        } else if constexpr (std::is_same_v<M, EndTermResponse>) {
          number(m.term.value());
        }
      },
      packet.message);
}

}  // namespace

std::string BytesOf(const Packet& packet) {
  std::string out;
  out.push_back(static_cast<char>(packet.message.index()));
  out.push_back(static_cast<char>(packet.from.value()));
  out.push_back(static_cast<char>(packet.to.value()));
  out.push_back(static_cast<char>(packet.call));
  ForEachNumber(packet, [&out](int64_t n) { out.push_back(static_cast<char>(n)); });
  for (const Entry& entry : packet.entries) {
    out.push_back(static_cast<char>(entry.term.value()));
    out.push_back(static_cast<char>(entry.value));
  }
  return out;
}

Event EventOf(const Packet& packet) {
  return std::visit(
      [&packet](const auto& m) -> Event {
        using M = std::decay_t<decltype(m)>;
        if constexpr (kIsOneOf<M, VoteRequest, FetchRequest, BeginTermRequest, EndTermRequest,
                               FetchSnapshotRequest>) {
          return Request<M>{RequestId{1}, m};
        } else if constexpr (std::is_same_v<M, std::monostate>) {
          return CallFailed{packet.call, packet.from};
        } else {
          return Response<M>{packet.call, packet.from, m};
        }
      },
      packet.message);
}

bool IsIdleAnswer(const Packet& packet) {
  const auto* answer = std::get_if<VoteResponse>(&packet.message);
  return answer != nullptr && !answer->granted && !(answer->pre_vote && answer->leader != kNoNode);
}

}  // namespace quorate::raft::search
