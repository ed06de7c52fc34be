// tests/bench/naked_broker.cc
//
// The least a broker must do, as the limit throughput is compared with: one client thread keeps
// requests in flight over loopback TCP; one server thread receives them, takes their CRC32C, writes
// them to a preallocated file and answers 64 bytes each. Prints one line of JSON.
#include <arpa/inet.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/flags.h"
#include "tests/bench/latency_histogram.h"

namespace quorate::bench {
namespace {

constexpr std::string_view kUsage =
    "usage: naked_broker [--size=BYTES] [--in-flight=N] [--seconds=S] [--dir=DIRECTORY]\n"
    "  [--file-mb=N] [--server-cpu=N] [--client-cpu=N]";
constexpr size_t kReplySize = 64;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void PinTo(int64_t cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  Require(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

struct Connection {
  int server = -1;
  int client = -1;
};

Connection ConnectLoopback() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  Require(bind(listener, generic, length) == 0 && listen(listener, 1) == 0, "listen");
  Require(getsockname(listener, generic, &length) == 0, "getsockname");
  Connection connection;
  connection.client = socket(AF_INET, SOCK_STREAM, 0);
  Require(connect(connection.client, generic, length) == 0, "connect");
  connection.server = accept(listener, nullptr, nullptr);
  Require(connection.server >= 0, "accept");
  close(listener);
  const int on = 1;
  for (int fd : {connection.server, connection.client}) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Require(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
  }
  return connection;
}

// Naked is the server's side. Thread-compatible: owned by the server thread until it is joined.
struct Naked {
  int socket = -1;
  int file = -1;
  int64_t file_size = 0;
  size_t request_size = 0;
  int64_t cpu = -1;
  int64_t requests = 0;
  double cpu_seconds = 0;  // User and system time of this thread.
  uint32_t checksum = 0;   // Keeps the CRC from being optimised away.
};

// Writes the whole buffer, waiting while the socket is full. False when the peer has gone.
bool WriteAll(int socket, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = write(socket, bytes, size);
    if (written > 0) {
      bytes += written;
      size -= static_cast<size_t>(written);
      continue;
    }
    if (errno != EAGAIN) return false;
    pollfd waiting{socket, POLLOUT, 0};
    poll(&waiting, 1, 1000);
  }
  return true;
}

void Serve(Naked* naked) {
  PinTo(naked->cpu);
  const int epoll = epoll_create1(0);
  epoll_event interest{};
  interest.events = EPOLLIN;
  Require(epoll_ctl(epoll, EPOLL_CTL_ADD, naked->socket, &interest) == 0, "epoll_ctl");
  std::vector<char> buffer(std::max<size_t>(256 * 1024, 2 * naked->request_size));
  std::vector<char> replies(kReplySize * (buffer.size() / naked->request_size + 1));
  size_t held = 0;
  int64_t at = 0;
  for (;;) {
    epoll_event event{};
    if (epoll_wait(epoll, &event, 1, -1) < 0) continue;
    const ssize_t got = read(naked->socket, buffer.data() + held, buffer.size() - held);
    if (got == 0) break;
    if (got < 0) continue;
    held += static_cast<size_t>(got);
    size_t used = 0;
    size_t answers = 0;
    for (; held - used >= naked->request_size; used += naked->request_size, ++answers) {
      naked->checksum ^= crc32_iscsi(reinterpret_cast<unsigned char*>(buffer.data() + used),
                                     static_cast<int>(naked->request_size), 0);
      if (at + static_cast<int64_t>(naked->request_size) > naked->file_size) at = 0;
      Require(pwrite(naked->file, buffer.data() + used, naked->request_size, at) ==
                  static_cast<ssize_t>(naked->request_size),
              "pwrite");
      at += static_cast<int64_t>(naked->request_size);
    }
    if (answers == 0) continue;
    naked->requests += static_cast<int64_t>(answers);
    std::memmove(buffer.data(), buffer.data() + used, held - used);
    held -= used;
    if (!WriteAll(naked->socket, replies.data(), answers * kReplySize)) break;
  }
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  naked->cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  close(epoll);
}

// Keeps `in_flight` requests on their way until `end_ns`, then takes the outstanding answers.
LatencyHistogram Load(int socket, size_t size, size_t in_flight, int64_t end_ns) {
  LatencyHistogram latency;
  const std::vector<char> request(size, 'q');
  std::vector<char> replies(64 * 1024);
  std::deque<int64_t> sent_at;
  size_t unsent = 0;  // Bytes of the newest request still to write.
  size_t answered_bytes = 0;
  while (NowNs() < end_ns || !sent_at.empty()) {
    pollfd waiting{socket, POLLIN, 0};
    if (unsent > 0) waiting.events |= POLLOUT;
    while (unsent == 0 && sent_at.size() < in_flight && NowNs() < end_ns) {
      sent_at.push_back(NowNs());
      unsent = size;
      const ssize_t wrote = write(socket, request.data(), size);
      unsent -= static_cast<size_t>(std::max<ssize_t>(0, wrote));
    }
    if (unsent > 0) {
      const ssize_t wrote = write(socket, request.data() + size - unsent, unsent);
      unsent -= static_cast<size_t>(std::max<ssize_t>(0, wrote));
      if (unsent > 0) waiting.events |= POLLOUT;
    }
    poll(&waiting, 1, 1000);
    const ssize_t got = read(socket, replies.data(), replies.size());
    Require(got != 0, "the server closed");
    if (got < 0) continue;
    answered_bytes += static_cast<size_t>(got);
    for (; answered_bytes >= kReplySize; answered_bytes -= kReplySize) {
      latency.Add(NowNs() - sent_at.front());
      sent_at.pop_front();
    }
  }
  return latency;
}

int Main(int argc, char** argv) {
  const Flags flags(argc, argv,
                    {"size", "in-flight", "seconds", "dir", "file-mb", "server-cpu", "client-cpu"},
                    kUsage);
  Naked naked;
  naked.request_size = static_cast<size_t>(flags.Number("size", 16384));
  naked.file_size = flags.Number("file-mb", 1024) * 1024 * 1024;
  naked.cpu = flags.Number("server-cpu", -1);
  if (naked.request_size < 1 || static_cast<int64_t>(naked.request_size) > naked.file_size) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(kUsage.size()), kUsage.data());
    return 2;
  }
  std::string path = flags.Text("dir", "/tmp") + "/naked-broker-XXXXXX";
  naked.file = mkstemp(path.data());
  Require(naked.file >= 0, "mkstemp");
  unlink(path.c_str());
  Require(posix_fallocate(naked.file, 0, naked.file_size) == 0, "posix_fallocate");
  const Connection connection = ConnectLoopback();
  naked.socket = connection.server;

  std::thread server(Serve, &naked);
  PinTo(flags.Number("client-cpu", -1));
  const int64_t start = NowNs();
  const LatencyHistogram latency =
      Load(connection.client, naked.request_size, static_cast<size_t>(flags.Number("in-flight", 5)),
           start + flags.Number("seconds", 3) * 1'000'000'000);
  const double seconds = static_cast<double>(NowNs() - start) / 1e9;
  shutdown(connection.client, SHUT_RDWR);
  server.join();
  const auto requests = static_cast<double>(naked.requests);
  const double gigabytes = requests * static_cast<double>(naked.request_size) / 1e9;
  std::printf(R"({"size":%zu,"in_flight":%lld,"requests":%.0f,"req_s":%.0f,"gb_s":%.3f,)"
              R"("cpu_us_per_request":%.3f,"cpu_s_per_gb":%.3f,"rtt_ms":%s,"checksum":%u})"
              "\n",
              naked.request_size, static_cast<long long>(flags.Number("in-flight", 5)), requests,
              requests / seconds, gigabytes / seconds, naked.cpu_seconds * 1e6 / requests,
              naked.cpu_seconds / gigabytes, latency.ToJson().c_str(), naked.checksum);
  return 0;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
