#include "cli/quickstart/readiness.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "cli/client/admin_client.h"
#include "proto/kafka/messages/metadata.h"

namespace quorate {
namespace {

constexpr int kProbeTimeoutMs = 1000;
constexpr int kPauseMs = 5;

// OK if `node` answers and sees `expected` brokers.
absl::Status Probe(const LocalNode& node, size_t expected) {
  auto client = AdminClient::Connect(node.client.ToString(), kProbeTimeoutMs);
  if (!client.ok()) return client.status();
  kafka::MetadataRequest request;
  request.topics.emplace();
  request.allow_auto_topic_creation = false;
  auto response = (*client)->Call<kafka::MetadataResponse>(request, kProbeTimeoutMs);
  if (!response.ok()) return response.status();
  if (response->brokers.size() < expected) {
    return absl::UnavailableError(absl::StrFormat("node %d sees %d of %d brokers", node.id.value(),
                                                  response->brokers.size(), expected));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WaitUntilReady(LocalCluster& cluster, StopSignal& signals, int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  size_t ready = 0;
  absl::Status last;
  while (ready < cluster.nodes().size()) {
    for (const std::string& event : cluster.Supervise()) std::puts(event.c_str());
    if (!cluster.alive()) return absl::UnavailableError("all nodes are down");
    last = Probe(cluster.nodes()[ready], cluster.nodes().size());
    if (last.ok()) {
      ++ready;
      continue;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrFormat("not ready within %d ms: %s", timeout_ms, std::string(last.message())));
    }
    if (signals.Wait(kPauseMs)) return absl::CancelledError("stopped by a signal");
  }
  return absl::OkStatus();
}

}  // namespace quorate
