#include "broker/replica/fetch_session.h"

#include <algorithm>
#include <limits>
#include <list>
#include <utility>

#include "base/check.h"
#include "base/fault_point.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

using kafka::KafkaError;
using kafka::KafkaStatus;

struct FetchSessionCache::Session {
  // A partition the fetcher is interested in.
  struct Cached {
    FetchPartition request;
    // As last answered; kNoOffset: nothing, or an error.
    Offset high_watermark = kNoOffset;
    Offset log_start_offset = kNoOffset;
  };

  void Set(const FetchPartition& request) {
    const auto known = index.find(request.partition);
    if (known != index.end()) {
      known->second->request = request;
      return;
    }
    order.push_back(Cached{request});
    index.emplace(request.partition, std::prev(order.end()));
  }
  void Forget(const TopicPartition& partition) {
    const auto known = index.find(partition);
    if (known == index.end()) return;
    order.erase(known->second);
    index.erase(known);
  }
  std::vector<FetchPartition> Requests() const {
    std::vector<FetchPartition> requests;
    requests.reserve(order.size());
    for (const Cached& cached : order) requests.push_back(cached.request);
    return requests;
  }

  int32_t id = 0;
  uint64_t connection = 0;
  bool follower = false;
  int32_t next_epoch = 1;  // that of the next request; runs from 1 to 2^31 - 1 and round
  MonoTime last_used;
  std::list<Cached> order;  // as partitions are served
  absl::flat_hash_map<TopicPartition, std::list<Cached>::iterator> index;
};

FetchSessionCache::FetchSessionCache(const Clock* clock, Random* random, size_t slots)
    : clock_(clock), random_(random), slots_(slots) {}
FetchSessionCache::~FetchSessionCache() = default;

size_t FetchSessionCache::size() const { return sessions_.size(); }

FetchSessionContext FetchSessionCache::BeginSessionless(uint64_t connection,
                                                        FetchSessionRequest request) {
  const auto it = sessions_.find(request.session_id);
  if (it != sessions_.end() && it->second->connection == connection) Remove(it->first);
  FetchSessionContext context;
  context.partitions = std::move(request.partitions);
  return context;
}

FetchSessionContext FetchSessionCache::Begin(uint64_t connection, FetchSessionRequest request) {
  if (request.session_epoch == -1) return BeginSessionless(connection, std::move(request));
  FetchSessionContext context;
  if (BUGGIFY("broker.evict_session", 0.005) && sessions_.count(request.session_id) != 0) {
    Remove(request.session_id);
    ++evictions_;
  }
  const auto it = sessions_.find(request.session_id);
  Session* session =
      it != sessions_.end() && it->second->connection == connection ? it->second.get() : nullptr;
  if (request.session_epoch == 0) {
    if (session != nullptr) Remove(session->id);
    session = request.partitions.empty() ? nullptr : Create(connection, request.follower);
    if (session != nullptr) {
      for (const FetchPartition& partition : request.partitions) session->Set(partition);
      context.session_id = session->id;
    }
    context.partitions = std::move(request.partitions);
    return context;
  }
  if (session == nullptr) {
    context.error = KafkaStatus(KafkaError::kFetchSessionIdNotFound);
    return context;
  }
  if (request.session_epoch != session->next_epoch) {
    context.error = KafkaStatus(KafkaError::kInvalidFetchSessionEpoch);
    return context;
  }
  session->next_epoch =
      session->next_epoch == std::numeric_limits<int32_t>::max() ? 1 : session->next_epoch + 1;
  session->last_used = clock_->Now();
  for (const TopicPartition& forgotten : request.forgotten) session->Forget(forgotten);
  for (const FetchPartition& partition : request.partitions) session->Set(partition);
  if (session->order.empty()) {
    Remove(session->id);  // nothing left to remember
    return context;
  }
  context.session_id = session->id;
  context.incremental = true;
  context.partitions = session->Requests();
  return context;
}

void FetchSessionCache::Finish(const FetchSessionContext& context, FetchResult* result) {
  if (context.session_id == 0) return;
  const auto it = sessions_.find(context.session_id);
  if (it == sessions_.end()) return;  // gone meanwhile; the answer is full of what was asked
  Session& session = *it->second;
  // True if the fetcher has to hear of it.
  const auto note = [&session](const FetchPartitionResult& answer) {
    const auto known = session.index.find(answer.partition);
    if (known == session.index.end()) return false;  // forgotten by a later request
    Session::Cached& cached = *known->second;
    const bool records = answer.record_bytes > 0;
    // What was answered may have been dropped there: a follower says what it knows.
    const bool unknown = std::min(answer.high_watermark, cached.request.fetch_offset) >
                         cached.request.high_watermark;
    const bool news = records || unknown || !answer.status.ok() || answer.diverging.has_value() ||
                      answer.preferred_replica != kNoNode ||
                      answer.high_watermark != cached.high_watermark ||
                      answer.log_start_offset != cached.log_start_offset;
    const bool good = answer.status.ok() && !answer.diverging.has_value();
    cached.high_watermark = good ? answer.high_watermark : kNoOffset;
    cached.log_start_offset = good ? answer.log_start_offset : kNoOffset;
    if (records) session.order.splice(session.order.end(), session.order, known->second);
    return news;
  };
  std::vector<FetchPartitionResult>& answers = result->partitions;
  if (!context.incremental) {
    for (const FetchPartitionResult& answer : answers) note(answer);
    return;
  }
  size_t kept = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!note(answers[i])) continue;
    if (kept != i) answers[kept] = std::move(answers[i]);
    ++kept;
  }
  answers.resize(kept);
}

void FetchSessionCache::OnConnectionClosed(uint64_t connection) {
  const auto it = by_connection_.find(connection);
  if (it == by_connection_.end()) return;
  const std::vector<int32_t> ids = it->second;
  for (const int32_t id : ids) Remove(id);
}

FetchSessionCache::Session* FetchSessionCache::Create(uint64_t connection, bool follower) {
  const auto mine = by_connection_.find(connection);
  if (mine != by_connection_.end() && mine->second.size() >= kPerConnection) {
    Remove(mine->second.front());
    ++evictions_;
  }
  if (BUGGIFY("broker.no_room_for_session", 0.3)) return nullptr;
  if (sessions_.size() >= slots_ && !MakeRoom(follower)) return nullptr;
  int32_t id = 0;
  do {
    id = static_cast<int32_t>(random_->Next() >> 33);
  } while (id == 0 || sessions_.count(id) != 0);
  auto session = std::make_unique<Session>();
  session->id = id;
  session->connection = connection;
  session->follower = follower;
  session->last_used = clock_->Now();
  by_connection_[connection].push_back(id);
  return (sessions_[id] = std::move(session)).get();
}

bool FetchSessionCache::MakeRoom(bool follower) {
  Session* oldest = nullptr;
  for (const auto& [id, session] : sessions_) {  // only when full, and then for a full request
    if (session->follower) continue;
    if (oldest == nullptr || session->last_used < oldest->last_used) oldest = session.get();
  }
  if (oldest == nullptr) return false;
  if (!follower && clock_->Now() - oldest->last_used < kEvictionAge) return false;
  Remove(oldest->id);
  ++evictions_;
  return true;
}

void FetchSessionCache::Remove(int32_t id) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  const auto mine = by_connection_.find(it->second->connection);
  QCHECK(mine != by_connection_.end());
  std::erase(mine->second, id);
  if (mine->second.empty()) by_connection_.erase(mine);
  sessions_.erase(it);
}

}  // namespace quorate
