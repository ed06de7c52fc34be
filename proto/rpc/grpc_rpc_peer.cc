// The other process of grpc_rpc_test:
//   grpc_rpc_peer serve PORT   serves Test.Echo and Test.Park (never answered)
//   grpc_rpc_peer park PORT    calls Test.Park there
// Prints "ready" when it serves or has called, then waits to be killed.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"
#include "proto/rpc/grpc_rpc.h"

namespace quorate {
namespace {

int Main(const std::string& role, int port) {
  PosixClock clock;
  LoopThread loop("peer", &clock);
  loop.Start();
  const Endpoint at{"127.0.0.1", port};
  std::vector<std::unique_ptr<RpcCall>> parked;
  std::unique_ptr<RpcServer> server = NewGrpcRpcServer();
  std::unique_ptr<RpcClient> client = NewGrpcRpcClient();
  if (role == "serve") {
    server->Register("Test.Echo", loop.loop(), [](std::unique_ptr<RpcCall> call) {
      call->Reply(std::string(call->request()));
    });
    server->Register("Test.Park", loop.loop(), [&parked](std::unique_ptr<RpcCall> call) {
      parked.push_back(std::move(call));
    });
    QCHECK(server->Start(at).ok());
  } else {
    client->Call(at, "Test.Park", "from the peer", std::chrono::hours(1), loop.loop(),
                 [](absl::StatusOr<std::string>) {});
  }
  std::puts("ready");
  std::fflush(stdout);
  while (true) pause();
}

}  // namespace
}  // namespace quorate

int main(int argc, char** argv) {
  QCHECK_EQ(argc, 3);
  return quorate::Main(argv[1], std::atoi(argv[2]));
}
