#include "proto/rpc/grpc_rpc.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/posix/contract_worlds.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_clock.h"
#include "base/posix/socket_address.h"
#include "base/rpc_contract.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

// A port nobody listens on now.
int FreePort() {
  SocketAddress address = AddressesWithoutLookup(Endpoint{"127.0.0.1", 0}).front();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bind(fd, address.get(), address.length);
  getsockname(fd, address.get(), &address.length);
  close(fd);
  return address.ToEndpoint().port;
}

class GrpcWorld : public ThreadedWorld<RpcWorld> {
 public:
  GrpcWorld() {
    server_thread_.Start();
    client_thread_.Start();
  }
  EventLoop& server_loop() override { return *server_thread_.loop(); }
  EventLoop& client_loop() override { return *client_thread_.loop(); }
  std::unique_ptr<RpcServer> NewServer() override { return NewGrpcRpcServer(); }
  std::unique_ptr<RpcClient> NewClient() override { return NewGrpcRpcClient(); }
  Endpoint address() override { return at_; }

 private:
  const Endpoint at_{"127.0.0.1", FreePort()};
  PosixClock clock_;
  LoopThread server_thread_{"test-server", &clock_};
  LoopThread client_thread_{"test-client", &clock_};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Grpc, RpcContract, GrpcWorld);

// grpc_rpc_peer as a child process; returns when it is ready.
class Peer {
 public:
  Peer(const char* role, int port) {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    const std::string port_text = std::to_string(port);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      execl("proto/rpc/grpc_rpc_peer", "grpc_rpc_peer", role, port_text.c_str(), nullptr);
      _exit(127);
    }
    close(out[1]);
    char line[6];
    EXPECT_EQ(read(out[0], line, sizeof(line)), 6);
    close(out[0]);
  }
  ~Peer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  void Signal(int signal) { kill(pid_, signal); }

 private:
  pid_t pid_;
};

// The contract's fixture as a base for what takes a second process.
class GrpcProcessTest : public RpcContract<GrpcWorld> {
 public:
  void TestBody() override {}

 protected:
  int port() { return world_.address().port; }
  // Milliseconds since `begin`.
  double Since(MonoTime begin) {
    return static_cast<double>((world_.client_loop().Now() - begin).count()) / 1000;
  }
};

TEST_F(GrpcProcessTest, AServersDeathBreaksAParkedCallWithinMilliseconds) {
  std::vector<double> took;
  for (int round = 0; round < 5; ++round) {
    Peer peer("serve", port());
    Result result;
    Begin("Test.Park", "x", &result);
    ASSERT_TRUE(Call("Test.Echo", "the call before it is there").ok());
    const MonoTime begin = world_.client_loop().Now();
    peer.Signal(SIGKILL);
    ASSERT_TRUE(EventuallyClient([&] { return result.has_value(); }));
    took.push_back(Since(begin));
    EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable) << result->status();
  }
  std::sort(took.begin(), took.end());
  RecordProperty("median_us", static_cast<int>(took[2] * 1000));
  EXPECT_LT(took[2], 100) << "milliseconds";
  std::printf("server killed: call broken after %.2f ms (median), %.2f ms (worst)\n", took[2],
              took.back());
}

TEST_F(GrpcProcessTest, AClientsDeathBreaksItsParkedCallWithinMilliseconds) {
  StartServer();
  std::vector<double> took;
  for (int round = 0; round < 5; ++round) {
    OnServer([this] {
      parked_.clear();
      broken_ = 0;
    });
    Peer peer("park", port());
    ASSERT_TRUE(EventuallyServer([this] { return parked_.size() == 1u; }));
    const MonoTime begin = world_.client_loop().Now();
    peer.Signal(SIGKILL);
    ASSERT_TRUE(EventuallyServer([this] { return broken_ == 1; }));
    took.push_back(Since(begin));
  }
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[2], 100) << "milliseconds";
  std::printf("client killed: call broken after %.2f ms (median), %.2f ms (worst)\n", took[2],
              took.back());
}

TEST_F(GrpcProcessTest, AHungServerBreaksAParkedCallAfterAPing) {
  Peer peer("serve", port());
  Result result;
  Begin("Test.Park", "x", &result);
  ASSERT_TRUE(Call("Test.Echo", "x").ok());
  const MonoTime begin = world_.client_loop().Now();
  peer.Signal(SIGSTOP);
  ASSERT_TRUE(EventuallyClient([&] { return result.has_value(); }));
  EXPECT_EQ(result->status().code(), absl::StatusCode::kUnavailable) << result->status();
  EXPECT_LT(Since(begin), 5000) << "milliseconds";
}

TEST_F(GrpcProcessTest, AHungClientBreaksItsParkedCallAfterAPing) {
  StartServer();
  Peer peer("park", port());
  ASSERT_TRUE(EventuallyServer([this] { return parked_.size() == 1u; }));
  const MonoTime begin = world_.client_loop().Now();
  peer.Signal(SIGSTOP);
  ASSERT_TRUE(EventuallyServer([this] { return broken_ == 1; }));
  EXPECT_LT(Since(begin), 5000) << "milliseconds";
}

TEST_F(GrpcProcessTest, ADeadPortFailsFast) {
  std::vector<double> took;
  for (int i = 0; i < 20; ++i) {
    const MonoTime begin = world_.client_loop().Now();
    EXPECT_EQ(Call("Test.Echo", "x").status().code(), absl::StatusCode::kUnavailable);
    took.push_back(Since(begin));
  }
  std::sort(took.begin(), took.end());
  EXPECT_LT(took[10], 100) << "milliseconds";
  std::printf("dead port: refused after %.2f ms (median), %.2f ms (worst)\n", took[10],
              took.back());
}

TEST_F(GrpcProcessTest, AKilledServerIsReachedSoonAfterItIsBack) {
  {
    Peer peer("serve", port());
    ASSERT_TRUE(Call("Test.Echo", "x").ok());
  }
  // Down for longer than any back-off; called all the time, as a Raft candidate would.
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(Call("Test.Echo", "x").ok());
    world_.Settle(world_.client_loop());
  }
  Peer peer("serve", port());
  const MonoTime begin = world_.client_loop().Now();
  while (!Call("Test.Echo", "x").ok()) {
    world_.RunUntil(
        world_.client_loop(), [] { return false; }, Millis(5));
    ASSERT_LT(Since(begin), 5000);
  }
  EXPECT_LT(Since(begin), 500) << "milliseconds";
  std::printf("server back: reached after %.2f ms\n", Since(begin));
}

TEST_F(GrpcProcessTest, AMessageAboveTheLimitIsResourceExhausted) {
  StartServer();
  EXPECT_EQ(Call("Test.Echo", std::string((64 << 20) + 1, 'x')).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(GrpcProcessTest, AVeryLongErrorMessageIsCut) {
  StartServer();
  const absl::Status status = Call("Test.Fail", std::string(100'000, 'x')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message().size(), 2000u);
}

TEST_F(GrpcProcessTest, StartOnABadAddressIsInvalid) {
  OnServer([] {
    EXPECT_EQ(NewGrpcRpcServer()->Start(Endpoint{"203.0.113.7", 1234}).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(NewGrpcRpcServer()->Start(Endpoint{"no-such-host.invalid", 1234}).code(),
              absl::StatusCode::kInvalidArgument);
  });
}

}  // namespace
}  // namespace quorate
