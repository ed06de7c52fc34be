// broker/replica/fetch_session.h
//
// FetchSessionCache keeps the server side of incremental fetches (KIP-227): the partitions a
// fetcher is interested in, so that a request names only changes and an answer only news.
//
// The Fetch handler calls Begin with the request's session fields, fetches `partitions` of the
// context, and calls Finish on the result before it answers:
//
//   FetchSessionContext context = cache.Begin(connection, request);
//   if (!context.error.ok()) -> answer with that error and session id 0, no partitions
//   replicas.Fetch(spec with context.partitions, [..](FetchResult result) {
//     cache.Finish(context, &result);   // leaves what is to be answered
//     -> answer with context.session_id
//
// A request of an old version that names a topic which cannot be resolved to an id: answer the
// request without a session (BeginSessionless), so that the client sends everything next time.
//
// Bounded: `slots` sessions in all. A full cache takes the place of one that was not used for
// kEvictionAge, or, for a follower, of any consumer's; else the fetcher gets no session, which is
// always allowed. A connection holds at most kPerConnection sessions, the oldest goes first
// (protocol.md, trap 9).
//
// Thread-compatible: owned by the connections' loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "broker/replica/replica_requests.h"

namespace quorate {

// Session fields of a Fetch request.
struct FetchSessionRequest {
  int32_t session_id = 0;
  int32_t session_epoch = -1;  // -1: no session, or the end of one; 0: a full request
  bool follower = false;       // privileged (KIP-227)
  std::vector<FetchPartition> partitions;
  std::vector<TopicPartition> forgotten;
};

// One request within a session. Movable; may outlive the cache's session.
struct FetchSessionContext {
  // Kafka errors: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH.
  absl::Status error;
  int32_t session_id = 0;  // for the answer; 0 = no session
  bool incremental = false;
  // What is to be read, in serving order.
  std::vector<FetchPartition> partitions;
};

class FetchSessionCache {
 public:
  static constexpr size_t kPerConnection = 2;
  static constexpr Micros kEvictionAge = std::chrono::minutes(2);

  // `clock` and `random` outlive the cache. `slots`: max.incremental.fetch.session.cache.slots.
  FetchSessionCache(const Clock* clock, Random* random, size_t slots = 1000);
  ~FetchSessionCache();

  FetchSessionContext Begin(uint64_t connection, FetchSessionRequest request);
  // A context without a session for `request`; ends the session it names, if it is there.
  FetchSessionContext BeginSessionless(uint64_t connection, FetchSessionRequest request);

  // For an incremental context: takes partitions without news (no records, no error, no diverging
  // epoch, same high watermark and log start as answered before, and a follower that says that it
  // knows it) out of `result`. Notes what is
  // answered. Partitions that were answered with records move to the end of the serving order.
  void Finish(const FetchSessionContext& context, FetchResult* result);

  // Drops the sessions of a connection that closed.
  void OnConnectionClosed(uint64_t connection);

  size_t size() const;
  int64_t evictions() const { return evictions_; }

 private:
  struct Session;
  // A new session for a full request, or null if there is no place for one.
  Session* Create(uint64_t connection, bool follower);
  void Remove(int32_t id);
  bool MakeRoom(bool follower);

  const Clock* const clock_;
  Random* const random_;
  const size_t slots_;
  std::map<int32_t, std::unique_ptr<Session>> sessions_;
  std::map<uint64_t, std::vector<int32_t>> by_connection_;  // oldest first
  int64_t evictions_ = 0;
};

}  // namespace quorate
