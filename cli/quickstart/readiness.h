// cli/quickstart/readiness.h
#pragma once

#include "absl/status/status.h"
#include "cli/node/stop_signal.h"
#include "cli/quickstart/local_cluster.h"

namespace quorate {

// Waits until every node answers Metadata and lists every node, supervising meanwhile.
// ERRORS: kDeadlineExceeded saying what is missing; kUnavailable if all nodes stay down;
// kCancelled after a signal.
absl::Status WaitUntilReady(LocalCluster& cluster, StopSignal& signals, int timeout_ms);

}  // namespace quorate
