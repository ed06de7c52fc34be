// Measures posts between loops, a TCP ping-pong and bulk transfer on the loopback:
//   bazel run --config=release //base/posix:posix_benchmark
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/posix/loop_thread.h"
#include "base/posix/posix_blocking_pool.h"
#include "base/posix/posix_clock.h"
#include "base/posix/posix_network.h"

namespace quorate {
namespace {

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void PrintQuantiles(const char* what, std::vector<int64_t> took) {
  std::sort(took.begin(), took.end());
  std::printf("%-32s p50 %5ld us, p99 %5ld us\n", what, static_cast<long>(took[took.size() / 2]),
              static_cast<long>(took[took.size() * 99 / 100]));
}

std::vector<OutPiece> OnePiece(SharedBytes bytes) {
  std::vector<OutPiece> pieces;
  pieces.push_back(std::move(bytes));
  return pieces;
}

struct Bench {
  PosixClock clock;
  LoopThread a{"loop-a", &clock};
  LoopThread b{"loop-b", &clock};
  PosixBlockingPool pool{1, "pool"};
  PosixNetwork network_a{a.loop(), &pool};
  PosixNetwork network_b{b.loop(), &pool};
};

// One task to the other loop and one back.
void PostRoundTrips(Bench& bench, int rounds) {
  std::vector<int64_t> took;
  std::promise<void> done;
  std::function<void()> round = [&] {
    const MonoTime begin = bench.clock.Now();
    bench.b.loop()->Post([&, begin] {
      bench.a.loop()->Post([&, begin] {
        took.push_back((bench.clock.Now() - begin).count());
        if (static_cast<int>(took.size()) == rounds) return done.set_value();
        round();
      });
    });
  };
  bench.a.loop()->Post([&] { round(); });
  done.get_future().wait();
  PrintQuantiles("post there and back", std::move(took));
}

// Echoes whatever arrives.
class Echo : public Connection::Handler {
 public:
  explicit Echo(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {
    connection_->Start(this);
  }
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t length) override {
    connection_->Send(OnePiece(SharedBytes::Copy(std::string_view(buffer_, length))));
  }
  void OnClosed(const absl::Status&) override {}

 private:
  std::unique_ptr<Connection> connection_;
  char buffer_[4096];
};

// Sends a message, waits for its echo, sends the next.
class Pinger : public Connection::Handler {
 public:
  Pinger(const Clock& clock, size_t bytes, int rounds, std::promise<void>* done)
      : clock_(clock),
        message_(SharedBytes::FromString(std::string(bytes, 'x'))),
        rounds_(rounds),
        done_(done) {}
  void Take(std::unique_ptr<Connection> connection) {
    connection_ = std::move(connection);
    connection_->Start(this);
    Ping();
  }
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t length) override {
    received_ += length;
    if (received_ < message_.size()) return;
    took.push_back((clock_.Now() - begin_).count());
    if (static_cast<int>(took.size()) == rounds_) return done_->set_value();
    Ping();
  }
  void OnClosed(const absl::Status& why) override { QCHECK(false); }
  void Close() { connection_.reset(); }

  std::vector<int64_t> took;

 private:
  void Ping() {
    received_ = 0;
    begin_ = clock_.Now();
    connection_->Send(OnePiece(message_));
  }
  const Clock& clock_;
  const SharedBytes message_;
  const int rounds_;
  std::promise<void>* const done_;
  std::unique_ptr<Connection> connection_;
  MonoTime begin_;
  size_t received_ = 0;
  char buffer_[4096];
};

void PingPong(Bench& bench, int rounds) {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Echo> echo;
  std::promise<void> done;
  Pinger pinger(bench.clock, 100, rounds, &done);
  const double cpu = CpuSeconds();
  bench.b.loop()->Post([&] {
    listener = *bench.network_b.Listen({"127.0.0.1", 0}, [&](std::unique_ptr<Connection> got) {
      echo = std::make_unique<Echo>(std::move(got));
    });
    bench.a.loop()->Post([&, at = listener->local()] {
      bench.network_a.Connect(at, std::chrono::seconds(5),
                              [&](auto got) { pinger.Take(*std::move(got)); });
    });
  });
  done.get_future().wait();
  std::printf("%.1f us CPU each; ", (CpuSeconds() - cpu) / rounds * 1e6);
  PrintQuantiles("TCP ping-pong, 100 bytes", pinger.took);
  std::promise<void> closed;
  bench.a.loop()->Post([&] {
    pinger.Close();
    bench.b.loop()->Post([&] {
      echo.reset();
      listener.reset();
      closed.set_value();
    });
  });
  closed.get_future().wait();
}

// Counts what arrives.
class Sink : public Connection::Handler {
 public:
  Sink(std::unique_ptr<Connection> connection, size_t expected, std::promise<void>* done)
      : connection_(std::move(connection)), left_(expected), done_(done), buffer_(256 << 10) {
    connection_->Start(this);
  }
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t length) override {
    left_ -= length;
    if (left_ == 0) done_->set_value();
  }
  void OnClosed(const absl::Status&) override {}

 private:
  std::unique_ptr<Connection> connection_;
  size_t left_;
  std::promise<void>* const done_;
  std::vector<char> buffer_;
};

// Keeps a connection full.
class Source : public Connection::Handler {
 public:
  Source(std::unique_ptr<Connection> connection, size_t bytes)
      : connection_(std::move(connection)), left_(bytes) {
    connection_->Start(this);
    OnDrained();
  }
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t) override {}
  void OnDrained() override {
    if (left_ == 0) return;
    left_ -= message_.size();
    connection_->Send(OnePiece(message_));
  }
  void OnClosed(const absl::Status&) override {}

 private:
  const SharedBytes message_ = SharedBytes::FromString(std::string(1 << 20, 'x'));
  std::unique_ptr<Connection> connection_;
  size_t left_;
  char buffer_[16];
};

void Bulk(Bench& bench, size_t bytes) {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<Source> source;
  std::promise<void> done;
  const double cpu = CpuSeconds();
  const MonoTime begin = bench.clock.Now();
  bench.b.loop()->Post([&] {
    listener = *bench.network_b.Listen({"127.0.0.1", 0}, [&](std::unique_ptr<Connection> got) {
      sink = std::make_unique<Sink>(std::move(got), bytes, &done);
    });
    bench.a.loop()->Post([&, at = listener->local()] {
      bench.network_a.Connect(at, std::chrono::seconds(5), [&](auto got) {
        source = std::make_unique<Source>(*std::move(got), bytes);
      });
    });
  });
  done.get_future().wait();
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  std::printf("bulk: %.2f GB/s, %.2f CPU-s/GB (both ends)\n",
              gigabytes / (static_cast<double>((bench.clock.Now() - begin).count()) / 1e6),
              (CpuSeconds() - cpu) / gigabytes);
  std::promise<void> closed;
  bench.a.loop()->Post([&] {
    source.reset();
    bench.b.loop()->Post([&] {
      sink.reset();
      listener.reset();
      closed.set_value();
    });
  });
  closed.get_future().wait();
}

int Main() {
  Bench bench;
  bench.a.Start();
  bench.b.Start();
  PostRoundTrips(bench, 100'000);
  PingPong(bench, 100'000);
  Bulk(bench, size_t{8} << 30);
  bench.a.StopAndJoin();
  bench.b.StopAndJoin();
  return 0;
}

}  // namespace
}  // namespace quorate

int main() { return quorate::Main(); }
