#include "broker/replica/fetch_purgatory.h"

#include <algorithm>
#include <utility>

#include "base/fault_point.h"

namespace quorate {

FetchPurgatory::FetchPurgatory(EventLoop* loop, Resolver resolver)
    : loop_(loop), resolver_(std::move(resolver)), alive_(std::make_shared<bool>(true)) {}

FetchPurgatory::~FetchPurgatory() {
  *alive_ = false;
  for (const auto& [id, fetch] : parked_) loop_->Cancel(fetch->timer);
}

void FetchPurgatory::Evaluate(Parked* fetch, uint32_t index) {
  FetchPartitionResult& slot = fetch->result.partitions[index];
  Partition* const partition = fetch->partitions[index].get();
  if (partition == nullptr) return;
  fetch->bytes -= slot.record_bytes;
  const FetchPartition& wanted = fetch->spec.partitions[index];
  const int64_t room = std::max<int64_t>(fetch->spec.max_bytes - fetch->bytes, 0);
  // The first partition with records gives one whole batch, whatever the limits.
  const bool at_least_one = fetch->bytes == 0;
  int64_t limit = std::min<int64_t>(room, wanted.max_bytes);
  if (BUGGIFY("broker.fetch_one_byte", 0.05)) limit = std::min<int64_t>(limit, 1);
  slot = partition->ReadFor(fetch->spec, wanted, at_least_one ? std::max<int64_t>(limit, 1) : limit,
                            at_least_one, &fetch->answer_now);
  fetch->bytes += slot.record_bytes;
}

FetchId FetchPurgatory::Fetch(FetchSpec spec, FetchDone done) {
  const bool follower = spec.internal && spec.replica != kNoNode;
  if (follower) {
    const auto older = by_follower_.find(spec.replica);
    if (older != by_follower_.end()) Answer(older->second);
  }
  auto fetch = std::make_unique<Parked>();
  fetch->spec = std::move(spec);
  const size_t count = fetch->spec.partitions.size();
  fetch->partitions.resize(count);
  fetch->result.partitions.resize(count);
  for (size_t i = 0; i < count; ++i) {
    const FetchPartition& wanted = fetch->spec.partitions[i];
    FetchPartitionResult& slot = fetch->result.partitions[i];
    slot.partition = wanted.partition;
    fetch->partitions[i] = resolver_(wanted.partition, &slot);
    if (fetch->partitions[i] == nullptr) {
      fetch->answer_now = true;
    } else if (follower) {
      fetch->partitions[i]->Admit(fetch->spec, wanted);
    }
  }
  for (size_t i = 0; i < count; ++i) Evaluate(fetch.get(), static_cast<uint32_t>(i));
  if (BUGGIFY("broker.fetch_waits_1ms", 0.05)) {
    fetch->spec.max_wait = std::min(fetch->spec.max_wait, Micros(Millis(1)));
  }
  if (IsReady(*fetch) || fetch->spec.max_wait <= Micros(0) ||
      BUGGIFY("broker.fetch_answers_at_once", 0.02)) {
    done(std::move(fetch->result));
    return FetchId::kNone;
  }
  const FetchId id{++last_id_};
  fetch->done = std::move(done);
  for (size_t i = 0; i < count; ++i) {
    fetch->partitions[i]->Watch({id, static_cast<uint32_t>(i)}, fetch->spec,
                                fetch->spec.partitions[i]);
  }
  if (follower) by_follower_[fetch->spec.replica] = id;
  fetch->timer = loop_->RunAfter(fetch->spec.max_wait, [this, id] {
    const auto it = parked_.find(id);
    if (it == parked_.end()) return;
    it->second->timer = TimerId::kNone;
    Answer(id);
  });
  parked_.emplace(id, std::move(fetch));
  if (BUGGIFY("broker.wake_for_nothing", 0.1)) Wake({id, 0});
  return id;
}

void FetchPurgatory::Wake(WatchKey key) {
  const auto it = parked_.find(key.first);
  if (it == parked_.end()) return;
  std::vector<uint32_t>& woken = it->second->woken;
  if (std::find(woken.begin(), woken.end(), key.second) != woken.end()) return;
  if (woken.empty()) woken_.push_back(key.first);
  woken.push_back(key.second);
  if (drain_posted_) return;
  drain_posted_ = true;
  loop_->Post([alive = alive_, this] {
    if (*alive) Drain();
  });
}

void FetchPurgatory::Drain() {
  drain_posted_ = false;
  const auto alive = alive_;
  for (const FetchId id : std::exchange(woken_, {})) {
    const auto it = parked_.find(id);
    if (it == parked_.end()) continue;
    Parked* const fetch = it->second.get();
    for (const uint32_t index : std::exchange(fetch->woken, {})) Evaluate(fetch, index);
    if (IsReady(*fetch)) Answer(id);
    if (!*alive) return;
  }
}

std::unique_ptr<FetchPurgatory::Parked> FetchPurgatory::Take(FetchId id) {
  const auto it = parked_.find(id);
  if (it == parked_.end()) return nullptr;
  std::unique_ptr<Parked> fetch = std::move(it->second);
  parked_.erase(it);
  loop_->Cancel(fetch->timer);
  for (size_t i = 0; i < fetch->partitions.size(); ++i) {
    fetch->partitions[i]->Unwatch({id, static_cast<uint32_t>(i)});
  }
  const auto follower = by_follower_.find(fetch->spec.replica);
  if (follower != by_follower_.end() && follower->second == id) by_follower_.erase(follower);
  return fetch;
}

void FetchPurgatory::Answer(FetchId id) {
  std::unique_ptr<Parked> fetch = Take(id);
  if (fetch == nullptr) return;
  for (const uint32_t index : std::exchange(fetch->woken, {})) Evaluate(fetch.get(), index);
  fetch->done(std::move(fetch->result));
}

void FetchPurgatory::Cancel(FetchId id) { Take(id); }

void FetchPurgatory::AnswerAll() {
  while (!parked_.empty()) Answer(parked_.begin()->first);
}

}  // namespace quorate
