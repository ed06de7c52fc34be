// broker/group/fake_offsets_log.h
//
// FakeOffsetsLog keeps partitions of __consumer_offsets in memory. The test decides when appends
// are committed, who leads, and what fails. Appends are committed when the test says so.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/event_loop.h"
#include "broker/group/offsets_log.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {

class FakeOffsetsLog final : public OffsetsLog {
 public:
  explicit FakeOffsetsLog(EventLoop* loop) : loop_(loop) {}

  // OffsetsLog
  void Observe(Observer* observer) override { observer_ = observer; }
  std::optional<Positions> Find(PartitionIndex partition) const override {
    const auto it = partitions_.find(partition);
    if (it == partitions_.end() || !it->second.leading) return std::nullopt;
    const Partition& p = it->second;
    return Positions{p.epoch, Offset(0), Offset(p.committed),
                     Offset(static_cast<int64_t>(p.records.size()))};
  }
  void Append(PartitionIndex partition, LeaderEpoch epoch, const std::vector<LogRecord>& records,
              AppendDone done) override {
    Partition& p = partitions_[partition];
    if (!p.leading || p.epoch != epoch) {
      return done(kafka::KafkaStatus(kafka::KafkaError::kNotLeaderOrFollower));
    }
    if (!refuse.ok()) return done(refuse);
    for (const auto& record : records) p.records.push_back(record);
    p.waiting.emplace_back(static_cast<int64_t>(p.records.size()), std::move(done));
    ++appends;
    if (commit_at_once) Commit(partition);
  }
  void Read(PartitionIndex partition, Offset from, Offset upper, int64_t, ReadDone done) override {
    ++reads;
    if (!fail_read.ok()) return done(std::exchange(fail_read, absl::OkStatus()));
    const Partition& p = partitions_[partition];
    Chunk chunk;
    int64_t next = from.value();
    while (next < upper.value() && next < from.value() + chunk_records) {
      chunk.records.push_back(p.records.at(static_cast<size_t>(next++)));
    }
    chunk.next = Offset(next);
    loop_->Post(
        [chunk = std::move(chunk), done = std::move(done)]() mutable { done(std::move(chunk)); });
  }

  // Everything appended is now held by all replicas.
  void Commit(PartitionIndex partition) {
    Partition& p = partitions_[partition];
    p.committed = static_cast<int64_t>(p.records.size());
    loop_->Post([this, partition, hw = p.committed] {
      if (observer_ != nullptr) observer_->OnHighWatermark(partition, Offset(hw));
    });
    auto waiting = std::exchange(p.waiting, {});
    for (auto& [end, done] : waiting) done(absl::OkStatus());
  }
  // What waits is answered with `status`; the records stay, uncommitted.
  void FailWaiting(PartitionIndex partition, const absl::Status& status) {
    auto waiting = std::exchange(partitions_[partition].waiting, {});
    for (auto& [end, done] : waiting) done(status);
  }
  void Lead(PartitionIndex partition, int epoch) {
    Partition& p = partitions_[partition];
    p.leading = true;
    p.epoch = LeaderEpoch(epoch);
    FailWaiting(partition, kafka::KafkaStatus(kafka::KafkaError::kNotLeaderOrFollower));
    loop_->Post([this, partition, epoch] {
      if (observer_ != nullptr) observer_->OnBecomeLeader(partition, LeaderEpoch(epoch));
    });
  }
  // With `lose_tail`, what was not committed is gone.
  void StopLeading(PartitionIndex partition, bool lose_tail = false) {
    Partition& p = partitions_[partition];
    p.leading = false;
    FailWaiting(partition, kafka::KafkaStatus(kafka::KafkaError::kNotLeaderOrFollower));
    if (lose_tail) p.records.resize(static_cast<size_t>(p.committed));
    loop_->Post([this, partition] {
      if (observer_ != nullptr) observer_->OnStopLeading(partition);
    });
  }
  std::vector<LogRecord>& records(PartitionIndex partition) {
    return partitions_[partition].records;
  }
  void SetCommitted(PartitionIndex partition) {
    partitions_[partition].committed = static_cast<int64_t>(partitions_[partition].records.size());
  }
  Observer* observer() { return observer_; }

  bool commit_at_once = true;
  int64_t chunk_records = 3;
  absl::Status refuse;     // of all appends
  absl::Status fail_read;  // of the next read
  int appends = 0;
  int reads = 0;

 private:
  struct Partition {
    bool leading = false;
    LeaderEpoch epoch = kNoLeaderEpoch;
    std::vector<LogRecord> records;
    int64_t committed = 0;
    std::deque<std::pair<int64_t, AppendDone>> waiting;
  };
  EventLoop* const loop_;
  Observer* observer_ = nullptr;
  std::map<PartitionIndex, Partition> partitions_;
};

}  // namespace quorate
