// Measures unary round trips through NewGrpcRpcServer and NewGrpcRpcClient on the loopback:
//   bazel run --config=release //proto/rpc:grpc_rpc_benchmark
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"
#include "proto/rpc/grpc_rpc.h"

namespace quorate {
namespace {

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct Bench {
  PosixClock clock;
  LoopThread server_loop{"server", &clock};
  LoopThread client_loop{"client", &clock};
  std::unique_ptr<RpcServer> server = NewGrpcRpcServer();
  std::unique_ptr<RpcClient> client = NewGrpcRpcClient();
  Endpoint at{"127.0.0.1", 39'871};

  // `calls` echoes of `bytes`, `window` at a time.
  void Run(int calls, int window, size_t bytes) {
    std::vector<int64_t> took;
    std::promise<void> done;
    int left_to_start = calls;
    std::function<void()> start = [&] {
      if (left_to_start-- <= 0) return;
      const MonoTime begin = clock.Now();
      client->Call(at, "Bench.Echo", std::string(bytes, 'x'), std::chrono::seconds(10),
                   client_loop.loop(), [&, begin](absl::StatusOr<std::string> result) {
                     QCHECK(result.ok());
                     took.push_back((clock.Now() - begin).count());
                     if (static_cast<int>(took.size()) == calls) return done.set_value();
                     start();
                   });
    };
    const double cpu = CpuSeconds();
    const MonoTime begin = clock.Now();
    client_loop.loop()->Post([&] {
      for (int i = 0; i < window; ++i) start();
    });
    done.get_future().wait();
    const double seconds = static_cast<double>((clock.Now() - begin).count()) / 1e6;
    std::sort(took.begin(), took.end());
    std::printf(
        "%7zu bytes, %3d at a time: p50 %5ld us, p99 %5ld us, %7.0f calls/s, %5.1f us CPU\n", bytes,
        window, static_cast<long>(took[took.size() / 2]),
        static_cast<long>(took[took.size() * 99 / 100]), calls / seconds,
        (CpuSeconds() - cpu) / calls * 1e6);
  }
};

int Main() {
  Bench bench;
  bench.server_loop.Start();
  bench.client_loop.Start();
  bench.server->Register("Bench.Echo", bench.server_loop.loop(), [](std::unique_ptr<RpcCall> call) {
    call->Reply(std::string(call->request()));
  });
  QCHECK(bench.server->Start(bench.at).ok());
  bench.Run(1000, 1, 100);  // warm up
  bench.Run(20'000, 1, 100);
  bench.Run(50'000, 32, 100);
  bench.Run(2'000, 1, 1 << 20);
  bench.client_loop.StopAndJoin();
  bench.server_loop.StopAndJoin();
  return 0;
}

}  // namespace
}  // namespace quorate

int main() { return quorate::Main(); }
