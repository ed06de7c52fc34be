// broker/replica/replica_fetcher.h
//
// ReplicaFetcher replicates from one leader broker all partitions that follow it, over one
// connection to its replication listener and one incremental fetch session.
//
//   send fetch -> (leader parks it) -> answer -> append -> flush where the level asks for it -+
//       ^-------------------------------------------------------------------------------------+
//
// The next fetch goes out as soon as what the last one brought is held: it is the acknowledgement.
// A partition that joins, or whose epoch changes, while a fetch is parked is sent at once in a
// second one, which makes the leader answer the first. Requests and answers cost what changed.
//
// An answer is matched with what was asked for each partition at that request; what does not fit
// the partition's present state is dropped (scenarios A11, A12).
//
// Thread-compatible: owned by the data loop. Source: KIP-227, KIP-320, KIP-903, KIP-1166.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "base/event_loop.h"
#include "base/network.h"
#include "base/random.h"
#include "broker/replica/kafka_client_connection.h"
#include "broker/replica/partition.h"
#include "broker/replica/replica_requests.h"

namespace quorate {

struct FetcherEnv {
  EventLoop* loop = nullptr;
  Network* network = nullptr;
  Random* random = nullptr;
  NodeId broker = kNoNode;             // this broker
  BrokerEpoch epoch = kNoBrokerEpoch;  // may change
  Micros wait_max{0};
  int32_t partition_max_bytes = 0;
  int32_t response_max_bytes = 0;
  Micros backoff_min{0};
  Micros backoff_max{0};
  Micros request_timeout{0};
  BugSwitches bugs;
};

class ReplicaFetcher final : public KafkaClientConnection::Owner {
 public:
  // `env` outlives the fetcher.
  ReplicaFetcher(const FetcherEnv* env, NodeId leader);
  ~ReplicaFetcher() override;

  // Where the leader listens; nullopt: unknown, wait. Another place means another connection.
  void SetEndpoint(const std::optional<Endpoint>& endpoint);

  // Begins to fetch, or looks at the partition's state anew.
  void Add(const std::shared_ptr<Partition>& partition);
  void Remove(const TopicPartition& partition);
  bool empty() const { return entries_.empty(); }

  // KafkaClientConnection::Owner
  void OnResponse(SharedBytes frame) override;
  void OnDisconnected(const absl::Status& why) override;

 private:
  struct Entry {
    std::shared_ptr<Partition> partition;
    Micros backoff{0};
    MonoTime retry_at;  // not fetched before
    bool flushing = false;
  };
  using Requests = std::map<TopicPartition, FetchPartition>;
  // A request on its way: what it told the session.
  struct InFlight {
    Requests changed;
    std::vector<TopicPartition> forgotten;
    bool full = false;
    bool void_session = false;  // the session was reset since
  };

  void ScheduleSend();
  void MaybeSend();
  void Connect();
  void Disconnect();
  void RetryConnectLater();
  // Starts flushes of touched partitions; true if one of the session is under way.
  bool WaitForFlushes();
  // What the next request tells, and whether it may not wait for the one in flight.
  InFlight Collect(bool* urgent);
  void Send(InFlight request);
  void ResetSession();
  void HandleAnswers(const InFlight& request, SharedBytes frame);
  void HandleAnswer(const TopicPartition& id, const Partition::Answer& answer);
  void Delay(const TopicPartition& id, Entry* entry);
  // Exponential with jitter: in [next / 2, next].
  Micros NextBackoff(Micros* backoff);
  void ArmRetryTimer(MonoTime at);

  const FetcherEnv* const env_;
  const NodeId leader_;
  std::optional<Endpoint> endpoint_;
  std::unique_ptr<KafkaClientConnection> connection_;
  bool connecting_ = false;
  uint64_t connect_generation_ = 0;
  TimerId connect_timer_ = TimerId::kNone;
  Micros connect_backoff_{0};

  std::map<TopicPartition, Entry> entries_;
  std::set<TopicPartition> touched_;   // whose request may differ from what was sent
  std::set<TopicPartition> flushing_;  // of the session; the next fetch waits for them
  int32_t session_id_ = 0;
  int32_t session_epoch_ = 0;  // of the next request; 0: a full one
  bool sessionless_ = false;   // the leader gave no session
  Requests sent_;              // the session as sent
  Requests answered_;          // the session as of the last answer
  // Partitions that left, for a simulated mistake only (BugSwitches, A11).
  std::map<TopicPartition, std::weak_ptr<Partition>> left_;
  std::deque<InFlight> in_flight_;
  int32_t next_correlation_ = 0;
  std::deque<int32_t> correlations_;
  bool send_posted_ = false;
  TimerId retry_timer_ = TimerId::kNone;
  MonoTime retry_due_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace quorate
