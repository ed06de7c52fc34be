// broker/testing/memory_network.h
//
// MemoryNetwork connects streams within a test. The server's end is a Connection; the client's end
// is the test itself: it writes and reads bytes, and chooses how many unsent bytes it takes.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/network.h"

namespace quorate {

// What both ends share.
struct MemoryStream {
  std::string to_server;    // written by the test, not yet read
  std::string from_server;  // sent by the server and taken by the "kernel"
  std::string unsent;       // sent by the server, not taken
  bool accepting = true;    // the test's side takes what is sent
  bool server_closed = false;
  size_t largest_buffer = 0;  // largest ReadBuffer the server offered
};

class MemoryConnection final : public Connection {
 public:
  MemoryConnection(EventLoop* loop, std::shared_ptr<MemoryStream> stream, Endpoint peer,
                   Endpoint local)
      : loop_(loop), stream_(std::move(stream)), peer_(std::move(peer)), local_(std::move(local)) {}
  ~MemoryConnection() override {
    *alive_ = false;
    stream_->server_closed = true;
  }

  void Start(Handler* handler) override {
    handler_ = handler;
    Kick();
  }
  void Send(std::vector<OutPiece> pieces) override {
    for (const OutPiece& piece : pieces) {
      if (const auto* bytes = std::get_if<SharedBytes>(&piece)) {
        stream_->unsent.append(bytes->view());
      } else {
        const auto& slice = std::get<FileSlice>(piece);
        std::string bytes_read(slice.length, '\0');
        auto got = slice.file->ReadAt(slice.offset, bytes_read.data(), slice.length);
        if (got.ok()) stream_->unsent.append(bytes_read, 0, *got);
      }
    }
    Kick();
  }
  size_t unsent_bytes() const override { return stream_->unsent.size(); }
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override {
    paused_ = false;
    Kick();
  }
  void Close() override {
    handler_ = nullptr;
    stream_->server_closed = true;
  }
  const Endpoint& peer() const override { return peer_; }
  const Endpoint& local() const override { return local_; }

  // Moves bytes both ways, as far as both sides allow.
  void Kick() {
    if (kicked_) return;
    kicked_ = true;
    loop_->Post([this, alive = alive_] {
      if (*alive) Move();
    });
  }
  void EndByPeer(const absl::Status& why) {
    if (handler_ != nullptr) std::exchange(handler_, nullptr)->OnClosed(why);
  }

 private:
  void Move() {
    kicked_ = false;
    auto alive = alive_;
    if (handler_ != nullptr && stream_->accepting && !stream_->unsent.empty()) {
      stream_->from_server += std::exchange(stream_->unsent, {});
      handler_->OnDrained();
      if (!*alive) return;
    }
    while (handler_ != nullptr && !paused_ && !stream_->to_server.empty()) {
      std::span<char> buffer = handler_->ReadBuffer();
      stream_->largest_buffer = std::max(stream_->largest_buffer, buffer.size());
      const size_t n = std::min(buffer.size(), stream_->to_server.size());
      std::memcpy(buffer.data(), stream_->to_server.data(), n);
      stream_->to_server.erase(0, n);
      handler_->OnRead(n);
      if (!*alive) return;
    }
  }

  EventLoop* const loop_;
  std::shared_ptr<MemoryStream> stream_;
  const Endpoint peer_;
  const Endpoint local_;
  Handler* handler_ = nullptr;
  bool paused_ = false;
  bool kicked_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

class MemoryNetwork final : public Network {
 public:
  explicit MemoryNetwork(EventLoop* loop) : loop_(loop) {}

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                   AcceptHandler on_accept) override {
    Endpoint bound = at;
    if (bound.port == 0) bound.port = next_port_++;
    if (listeners_.contains(bound.port)) return absl::AlreadyExistsError("port in use");
    listeners_[bound.port] = std::move(on_accept);
    return std::make_unique<MemoryListener>(this, bound);
  }
  void Connect(const Endpoint& to, Micros, ConnectHandler done) override {
    (void)to;
    done(absl::UnavailableError("MemoryNetwork has no outgoing connections"));
  }

  // The test's end of a connection.
  struct Client {
    std::shared_ptr<MemoryStream> stream;
    MemoryConnection* connection = nullptr;  // valid while !stream->server_closed
    void Write(std::string_view bytes) {
      stream->to_server.append(bytes);
      if (!stream->server_closed) connection->Kick();
    }
    void Accept(bool accepting) {
      stream->accepting = accepting;
      if (!stream->server_closed) connection->Kick();
    }
    // Ends the stream as a peer would. REQUIRES: !stream->server_closed.
    void End() { connection->EndByPeer(absl::OkStatus()); }
  };
  Client Open(int port, const std::string& host = "10.0.0.1") {
    Client client;
    client.stream = std::make_shared<MemoryStream>();
    auto connection = std::make_unique<MemoryConnection>(
        loop_, client.stream, Endpoint{host, next_port_++}, Endpoint{"server", port});
    client.connection = connection.get();
    auto found = listeners_.find(port);
    if (found == listeners_.end()) {
      client.stream->server_closed = true;
    } else {
      found->second(std::move(connection));
    }
    return client;
  }

 private:
  class MemoryListener final : public Listener {
   public:
    MemoryListener(MemoryNetwork* network, Endpoint at) : network_(network), at_(std::move(at)) {}
    ~MemoryListener() override { network_->listeners_.erase(at_.port); }
    const Endpoint& local() const override { return at_; }

   private:
    MemoryNetwork* const network_;
    const Endpoint at_;
  };

  EventLoop* const loop_;
  std::map<int, AcceptHandler> listeners_;
  int next_port_ = 40000;
};

}  // namespace quorate
