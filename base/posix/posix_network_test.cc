#include "base/posix/posix_network.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/network_contract.h"
#include "base/posix/contract_worlds.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_blocking_pool.h"
#include "base/posix/posix_clock.h"
#include "base/posix/posix_file_system.h"
#include "base/posix/socket_address.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

// A port whose queue of connections is full: the kernel drops further SYNs.
class BlackHole {
 public:
  BlackHole() {
    at_ = AddressesWithoutLookup(Endpoint{"127.0.0.1", 0}).front();
    const int listener = Socket(0);
    bind(listener, at_.get(), at_.length);
    listen(listener, 0);
    at_.length = sizeof(at_.storage);
    getsockname(listener, at_.get(), &at_.length);
    for (int i = 0; i < 4; ++i) connect(Socket(SOCK_NONBLOCK), at_.get(), at_.length);
  }
  ~BlackHole() {
    for (int fd : sockets_) close(fd);
  }
  Endpoint endpoint() const { return at_.ToEndpoint(); }

 private:
  int Socket(int flags) {
    sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    return sockets_.back();
  }
  SocketAddress at_;
  std::vector<int> sockets_;
};

class PosixNetworkWorld : public ThreadedWorld<NetworkWorld> {
 public:
  PosixNetworkWorld() {
    server_thread_.Start();
    client_thread_.Start();
  }
  ~PosixNetworkWorld() override {
    server_thread_.StopAndJoin();
    client_thread_.StopAndJoin();
  }
  EventLoop& server_loop() override { return *server_thread_.loop(); }
  Network& server() override { return server_; }
  EventLoop& client_loop() override { return *client_thread_.loop(); }
  Network& client() override { return client_; }
  Endpoint server_address() override { return {"127.0.0.1", 0}; }
  Endpoint foreign_address() override { return {"203.0.113.7", 0}; }
  std::string unknown_host() override { return "no-such-host.invalid"; }
  std::optional<Endpoint> black_hole() override {
    black_hole_.emplace();
    return black_hole_->endpoint();
  }
  FileSystem& fs() override { return fs_; }
  std::string directory() override { return directory_.path(); }

 private:
  PosixClock clock_;
  TemporaryDirectory directory_;
  PosixFileSystem fs_;
  LoopThread server_thread_{"test-server", &clock_};
  LoopThread client_thread_{"test-client", &clock_};
  PosixBlockingPool pool_{1, "test-pool"};
  PosixNetwork server_{server_thread_.loop(), &pool_};
  PosixNetwork client_{client_thread_.loop(), &pool_};
  std::optional<BlackHole> black_hole_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Posix, NetworkContract, PosixNetworkWorld);

// The contract's fixture as a base for what only the real network does.
class PosixNetworkTest : public NetworkContract<PosixNetworkWorld> {
 public:
  void TestBody() override {}
};

TEST_F(PosixNetworkTest, LocalhostIsResolvedInPlace) {
  Listen();
  EXPECT_TRUE(Connect(Endpoint{"localhost", at_.port}).ok());
}

TEST_F(PosixNetworkTest, ListenOnLocalhostIsIpv4Loopback) {
  OnServer([this] {
    auto listener =
        world_.server().Listen(Endpoint{"localhost", 0}, [](std::unique_ptr<Connection>) {});
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_EQ((*listener)->local().host, "127.0.0.1");
  });
}

TEST_F(PosixNetworkTest, AResetIsNoOrderlyEnd) {
  Join();
  OnServer([this] { server_end_.connection_->PauseReading(); });
  OnClient([this] { client_end_.Send("never read"); });
  Settle();
  // Closing a socket with unread bytes resets the stream.
  OnServer([this] { server_end_.connection_.reset(); });
  ASSERT_TRUE(EventuallyClient([this] { return client_end_.closed_.has_value(); }));
  EXPECT_EQ(client_end_.closed_->code(), absl::StatusCode::kUnavailable) << *client_end_.closed_;
}

TEST_F(PosixNetworkTest, AResetReachesAPausedReader) {
  Join();
  OnServer([this] { server_end_.connection_->PauseReading(); });
  OnClient([this] {
    client_end_.connection_->PauseReading();
    client_end_.Send("never read");
  });
  Settle();
  OnServer([this] { server_end_.connection_.reset(); });
  ASSERT_TRUE(EventuallyClient([this] { return client_end_.closed_.has_value(); }));
  EXPECT_FALSE(client_end_.closed_->ok());
}

TEST_F(PosixNetworkTest, AFileThatEndsBeforeItsSliceBreaksTheStream) {
  Join();
  OnServer([this] {
    auto file = world_.fs().Open(world_.directory() + "/f", OpenMode::kCreate);
    ASSERT_TRUE(file.ok());
    const std::string_view bytes = "short";
    ASSERT_TRUE((*file)->WriteAt(0, {&bytes, 1}).ok());
    std::vector<OutPiece> pieces;
    pieces.push_back(FileSlice{*file, 0, 100});
    server_end_.connection_->Send(std::move(pieces));
  });
  ASSERT_TRUE(EventuallyServer([this] { return server_end_.closed_.has_value(); }));
  EXPECT_EQ(server_end_.closed_->code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(EventuallyClient([this] { return client_end_.closed_.has_value(); }));
  EXPECT_EQ(client_end_.received_, "short");
}

// A file without a descriptor, as simulated ones are.
class MemoryFile : public File {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const override {
    return bytes_.copy(out, length, static_cast<size_t>(offset));
  }
  absl::Status WriteAt(int64_t, std::span<const std::string_view>) override { return Refuse(); }
  absl::Status Preallocate(int64_t, int64_t) override { return Refuse(); }
  absl::Status Sync() override { return Refuse(); }
  absl::Status Truncate(int64_t) override { return Refuse(); }
  absl::StatusOr<int64_t> Size() const override { return Refuse(); }
  absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const override { return Refuse(); }
  const std::string& path() const override { return bytes_; }
  int descriptor() const override { return -1; }

 private:
  static absl::Status Refuse() { return absl::UnimplementedError("read only"); }
  const std::string bytes_;
};

TEST_F(PosixNetworkTest, AFileWithoutADescriptorIsSentByCopy) {
  Join();
  const std::string bytes = Pattern(500'000);
  OnServer([&] {
    std::vector<OutPiece> pieces;
    pieces.push_back(FileSlice{std::make_shared<MemoryFile>(bytes), 7, 400'000});
    server_end_.connection_->Send(std::move(pieces));
  });
  EXPECT_TRUE(EventuallyClient([&] { return client_end_.received_.size() >= 400'000u; }));
  EXPECT_TRUE(client_end_.received_ == bytes.substr(7, 400'000));
}

TEST_F(PosixNetworkTest, ASlowStreamDoesNotHoldUpTheLoop) {
  Join();
  // More than one turn's worth each way; the timer must run in between.
  int turns = 0;
  std::function<void()> tick = [&] {
    ++turns;
    world_.client_loop().Post([&] { tick(); });
  };
  int turns_at_end = 0;
  OnServer([this] { server_end_.Send(Pattern(64 << 20)); });
  OnClient([&] { tick(); });
  EXPECT_TRUE(EventuallyClient([this] { return client_end_.received_.size() == 64u << 20; }));
  OnClient([&] {
    turns_at_end = turns;
    tick = [] {};
  });
  OnClient([] {});  // The last posted tick has run now.
  EXPECT_GE(turns_at_end, (64 << 20) / (256 << 10) - 2);
}

TEST_F(PosixNetworkTest, AcceptingSurvivesTheLackOfDescriptors) {
  Listen();
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const int probe = open("/dev/null", O_RDONLY);
  close(probe);
  rlimit tight = limit;
  // One more descriptor: the client's. The accept fails until the limit is lifted.
  tight.rlim_cur = static_cast<rlim_t>(probe) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  EXPECT_TRUE(Connect(at_).ok());
  Settle();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(EventuallyServer([this] { return accepts_ == 1; }));
}

TEST_F(PosixNetworkTest, ConnectsUnderWayAreDroppedWithTheNetwork) {
  bool done = false;
  OnClient([&] {
    PosixBlockingPool pool(1, "test-pool");
    PosixNetwork network(static_cast<PosixEventLoop*>(&world_.client_loop()), &pool);
    for (const char* host : {"127.0.0.1", "no-such-host.invalid"}) {
      network.Connect(Endpoint{host, 1}, std::chrono::seconds(1), [&](auto) { done = true; });
    }
  });
  Settle();
  EXPECT_FALSE(done);
}

}  // namespace
}  // namespace quorate
