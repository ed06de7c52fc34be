#include "cli/demo/demo.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "cli/client/admin_client.h"
#include "cli/client/quorum_client.h"
#include "cli/demo/ack_clock.h"
#include "cli/demo/moved_partition.h"
#include "cli/demo/package_index.h"
#include "cli/demo/stream_check.h"
#include "cli/kafka/rdkafka_client.h"
#include "cli/terminal/terminal.h"
#include "proto/kafka/messages/create_topics.h"
#include "proto/kafka/messages/metadata.h"

namespace quorate {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr char kTopic[] = "packages";
constexpr char kGroup[] = "package-readers";
constexpr int kPartitions = 6;
constexpr int kCallMs = 10000;
constexpr int kProducePhaseMs = 120000;
constexpr int kConsumePhaseMs = 60000;
constexpr int kExtraPollMs = 1500;

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// The demo's steps and what they found.
class Demo {
 public:
  Demo(LocalCluster& cluster, StopSignal& signals, const DemoOptions& options)
      : cluster_(cluster), signals_(signals), options_(options) {}

  // OK if it ran to its end; ok() says whether all of it held.
  absl::Status Run();
  bool ok() const { return failures_.empty(); }
  void PrintSummary();

 private:
  absl::Status CreateTopic();
  absl::Status ProduceAll();
  absl::Status ConsumeAll();
  absl::Status ConsumeUntil(StreamCheck& check, int64_t count);
  absl::Status Tend();  // supervises; an error after a signal
  void Pace(size_t sent);
  void MaybeKill();
  absl::StatusOr<std::map<int32_t, int>> LeadersByNode();
  absl::Status KillBusiestLeader();
  absl::Status KillActiveController();

  LocalCluster& cluster_;
  StopSignal& signals_;
  DemoOptions options_;
  std::vector<PackageStanza> input_;
  int64_t input_bytes_ = 0;
  AckClock acks_;
  int64_t acked_ = 0;
  int64_t not_delivered_ = 0;
  std::string first_failure_;
  SteadyClock::time_point produce_start_;
  double produce_seconds_ = 0;
  bool killed_leader_ = false;
  bool killed_controller_ = false;
  std::optional<StreamCheck> check_;
  std::vector<std::string> failures_;
};

absl::Status Demo::Tend() {
  for (const std::string& event : cluster_.Supervise()) Say("  " + event);
  if (!cluster_.alive()) return absl::UnavailableError("all nodes are down");
  if (signals_.Wait(0)) return absl::CancelledError("stopped by a signal");
  return absl::OkStatus();
}

absl::Status Demo::CreateTopic() {
  Q_ASSIGN_OR_RETURN(auto client, AdminClient::Connect(cluster_.bootstrap(), kCallMs));
  kafka::CreateTopicsRequest request;
  request.timeout_ms = kCallMs;
  auto& topic = request.topics.emplace_back();
  topic.name = kTopic;
  topic.num_partitions = kPartitions;
  topic.replication_factor = static_cast<int16_t>(std::min<size_t>(3, cluster_.nodes().size()));
  auto& config = topic.configs.emplace_back();
  config.name = "min.insync.replicas";
  config.value = cluster_.nodes().size() >= 3 ? "2" : "1";
  Q_ASSIGN_OR_RETURN(auto response, client->Call<kafka::CreateTopicsResponse>(request, kCallMs));
  if (response.topics.size() != 1 || response.topics[0].error_code != 0) {
    return absl::InternalError(absl::StrFormat(
        "topic %s not created: %s", kTopic,
        response.topics.empty() ? "" : response.topics[0].error_message.value_or("?")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<int32_t, int>> Demo::LeadersByNode() {
  Q_ASSIGN_OR_RETURN(auto client, AdminClient::Connect(cluster_.bootstrap(), kCallMs));
  kafka::MetadataRequest request;
  request.topics.emplace().emplace_back().name = kTopic;
  Q_ASSIGN_OR_RETURN(auto response, client->Call<kafka::MetadataResponse>(request, kCallMs));
  std::map<int32_t, int> leaders;
  for (const auto& topic : response.topics) {
    for (const auto& partition : topic.partitions) ++leaders[partition.leader_id];
  }
  leaders.erase(-1);
  if (leaders.empty()) return absl::UnavailableError("no partition has a leader");
  return leaders;
}

absl::Status Demo::KillBusiestLeader() {
  Q_ASSIGN_OR_RETURN(auto leaders, LeadersByNode());
  const auto busiest =
      std::max_element(leaders.begin(), leaders.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  Say(
      absl::StrFormat("  %d of %d records acknowledged: SIGKILL to node %d, which leads %d of %d "
                      "partitions",
                      acked_, input_.size(), busiest->first, busiest->second, kPartitions));
  cluster_.Kill(NodeId(busiest->first));
  return absl::OkStatus();
}

absl::Status Demo::KillActiveController() {
  std::vector<Endpoint> controllers;
  for (const LocalNode& node : cluster_.nodes()) controllers.push_back(node.controller);
  Q_ASSIGN_OR_RETURN(QuorumView quorum, QueryQuorum(controllers, kCallMs));
  if (quorum.leader_id < 0) return absl::UnavailableError("the quorum has no leader");
  Say(
      absl::StrFormat("  %d of %d records acknowledged: SIGKILL to node %d, the active controller "
                      "of term %d",
                      acked_, input_.size(), quorum.leader_id, quorum.term));
  cluster_.Kill(NodeId(quorum.leader_id));
  return absl::OkStatus();
}

void Demo::MaybeKill() {
  const int64_t total = static_cast<int64_t>(input_.size());
  absl::Status status;
  if (!killed_leader_ && acked_ * 3 >= total) {
    killed_leader_ = true;
    status = KillBusiestLeader();
  } else if (!killed_controller_ && acked_ * 3 >= total * 2) {
    killed_controller_ = true;
    status = KillActiveController();
  }
  if (!status.ok()) failures_.push_back("fault not injected: " + std::string(status.message()));
}

void Demo::Pace(size_t sent) {
  if (options_.records_per_second <= 0) return;
  const auto due = produce_start_ + std::chrono::microseconds(static_cast<int64_t>(sent) * 1000000 /
                                                              options_.records_per_second);
  const auto ahead = std::chrono::duration_cast<milliseconds>(due - SteadyClock::now()).count();
  if (ahead > 0) signals_.Wait(static_cast<int>(ahead));
}

absl::Status Demo::ProduceAll() {
  const ClientProperties properties = {{"bootstrap.servers", cluster_.bootstrap()},
                                       {"enable.idempotence", "true"},
                                       {"acks", "all"},
                                       {"linger.ms", "5"},
                                       {"queue.buffering.max.messages", "20000"}};
  Q_ASSIGN_OR_RETURN(auto producer,
                     Producer::Create(properties, [this](const DeliveryReport& report) {
                       if (report.status.ok()) {
                         ++acked_;
                         acks_.OnAck(report.partition, SteadyClock::now());
                       } else if (not_delivered_++ == 0) {
                         first_failure_ = std::string(report.status.message());
                       }
                     }));
  produce_start_ = SteadyClock::now();
  const int64_t total = static_cast<int64_t>(input_.size());
  for (size_t i = 0; i < input_.size(); ++i) {
    Q_RETURN_IF_ERROR(producer->Produce(kTopic, input_[i].name, input_[i].text, {}, i));
    producer->Poll(0);
    if (i % 64 == 0) {
      MaybeKill();
      Q_RETURN_IF_ERROR(Tend());
      Pace(i);
    }
  }
  const auto deadline = SteadyClock::now() + milliseconds(kProducePhaseMs);
  while (acked_ + not_delivered_ < total && SteadyClock::now() < deadline) {
    producer->Poll(10);
    MaybeKill();
    Q_RETURN_IF_ERROR(Tend());
  }
  produce_seconds_ = std::chrono::duration<double>(SteadyClock::now() - produce_start_).count();
  if (not_delivered_ > 0) {
    failures_.push_back(
        absl::StrFormat("%d records not delivered: %s", not_delivered_, first_failure_));
  }
  if (acked_ + not_delivered_ < total) {
    failures_.push_back(absl::StrFormat("%d records never reported", total - acked_));
  }
  return absl::OkStatus();
}

absl::Status Demo::ConsumeUntil(StreamCheck& check, int64_t count) {
  const ClientProperties properties = {{"bootstrap.servers", cluster_.bootstrap()},
                                       {"group.id", kGroup},
                                       {"enable.auto.commit", "false"},
                                       {"auto.offset.reset", "earliest"}};
  Q_ASSIGN_OR_RETURN(auto consumer, Consumer::Create(properties));
  Q_RETURN_IF_ERROR(consumer->Subscribe({kTopic}));
  auto deadline = SteadyClock::now() + milliseconds(kConsumePhaseMs);
  while (check.records() < count && SteadyClock::now() < deadline) {
    Q_ASSIGN_OR_RETURN(Consumer::Polled polled, consumer->Poll(100));
    if (polled.record) {
      check.OnRecord(polled.record->partition, polled.record->offset,
                     polled.record->key.value_or(""), polled.record->value.value_or(""));
      if (check.records() % 1024 != 0) continue;
    }
    Q_RETURN_IF_ERROR(Tend());
  }
  // What comes behind the last expected record would be a duplicate.
  deadline = SteadyClock::now() + milliseconds(kExtraPollMs);
  while (check.complete() && SteadyClock::now() < deadline) {
    Q_ASSIGN_OR_RETURN(Consumer::Polled polled, consumer->Poll(100));
    if (polled.record) {
      check.OnRecord(polled.record->partition, polled.record->offset,
                     polled.record->key.value_or(""), polled.record->value.value_or(""));
    }
  }
  Q_RETURN_IF_ERROR(consumer->Commit());
  consumer->Close();
  return absl::OkStatus();
}

absl::Status Demo::ConsumeAll() {
  check_.emplace(input_);
  const int64_t total = static_cast<int64_t>(input_.size());
  Q_RETURN_IF_ERROR(ConsumeUntil(*check_, total / 2));
  const int64_t first = check_->records();
  Q_RETURN_IF_ERROR(ConsumeUntil(*check_, total));
  Say(absl::StrFormat("  group %s: %d records, restart, %d records", kGroup, first,
                      check_->records() - first));
  if (!check_->ok()) {
    failures_.push_back(absl::StrFormat("%d lost, %d twice, %d out of order, %d with other bytes",
                                        check_->lost(), check_->duplicates(), check_->misordered(),
                                        check_->foreign()));
  }
  return absl::OkStatus();
}

absl::Status Demo::Run() {
  Q_ASSIGN_OR_RETURN(input_, ReadPackageIndex());
  if (options_.max_records > 0 && static_cast<int64_t>(input_.size()) > options_.max_records) {
    input_.resize(static_cast<size_t>(options_.max_records));
  }
  for (const PackageStanza& stanza : input_) {
    input_bytes_ += static_cast<int64_t>(stanza.name.size() + stanza.text.size());
  }
  Say(absl::StrFormat("Input: %d stanzas of the package index, %.1f MB", input_.size(),
                      static_cast<double>(input_bytes_) / 1e6));
  Q_RETURN_IF_ERROR(CreateTopic());
  Say("Producing (idempotent, acks=all):");
  Q_RETURN_IF_ERROR(ProduceAll());
  Say("Consuming:");
  return ConsumeAll();
}

void Demo::PrintSummary() {
  const MovedLeaders moved = ReadMovedLeaders(cluster_.nodes(), kTopic);
  Say("Summary");
  Say(absl::StrFormat("  records            %d (%.1f MB), acknowledged %d", input_.size(),
                      static_cast<double>(input_bytes_) / 1e6, acked_));
  Say(absl::StrFormat("  throughput         %.1f MB/s over %.1f s, two kills included",
                      static_cast<double>(input_bytes_) / 1e6 / std::max(produce_seconds_, 1e-9),
                      produce_seconds_));
  Say(absl::StrFormat("  longest ack gap    %d ms (%d ms within one partition)",
                      acks_.longest_gap_ms(), acks_.longest_partition_gap_ms()));
  Say(absl::StrFormat("  leaders moved      %d", moved.moves));
  for (const std::string& line : moved.chain) Say("    " + line);
  if (check_) {
    Say(absl::StrFormat("  lost %d, twice %d, out of order %d, other bytes %d", check_->lost(),
                        check_->duplicates(), check_->misordered(), check_->foreign()));
  }
  for (const std::string& failure : failures_) Say("  FAILED: " + failure);
  Say(ok() ? "Demo passed: every record came out once, in order, unchanged." : "Demo failed.");
}

}  // namespace

int RunDemo(LocalCluster& cluster, StopSignal& signals, const DemoOptions& options) {
  Demo demo(cluster, signals, options);
  const absl::Status status = demo.Run();
  if (absl::IsCancelled(status)) return kExitInterrupted;
  if (!status.ok()) {
    ReportError("demo", status);
    return kExitFailed;
  }
  demo.PrintSummary();
  return demo.ok() ? kExitDone : kExitFailed;
}

}  // namespace quorate
