// cli/demo/demo.h
//
// The main job on real input: the distribution's package index goes through the cluster while
// nodes are killed, and what comes out must equal what went in.
#pragma once

#include <cstdint>

#include "cli/node/stop_signal.h"
#include "cli/quickstart/local_cluster.h"

namespace quorate {

struct DemoOptions {
  int64_t max_records = 0;         // 0 = the whole index
  int64_t records_per_second = 0;  // 0 = as fast as the cluster takes them
};

// Plays the job and prints a summary. Returns 0 only if nothing is lost, nothing came twice, the
// order per key held and all bytes are equal. At one third of the acknowledgements the process
// that leads most partitions is SIGKILLed (and restarted by the cluster), at two thirds the active
// controller.
int RunDemo(LocalCluster& cluster, StopSignal& signals, const DemoOptions& options);

}  // namespace quorate
