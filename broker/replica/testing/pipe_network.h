// broker/replica/testing/pipe_network.h
//
// PipeNetwork joins the nodes of an in-process test: streams between them deliver in order, as
// tasks of one TestLoop. Hosts are "host<n>"; a host can be cut off.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/network.h"

namespace quorate::testing {

// The cable between all nodes.
struct PipeHub {
  EventLoop* loop = nullptr;
  std::map<Endpoint, Network::AcceptHandler*> listeners;
  std::set<std::string> cut;  // hosts that reach nobody
  int64_t frames_sent = 0;
};

class PipeConnection final : public Connection {
 public:
  // What one end shows to the other.
  struct End {
    PipeConnection* owner = nullptr;  // null once closed
    std::string received;             // not yet read
    bool peer_closed = false;
    bool pump_posted = false;
  };

  PipeConnection(PipeHub* hub, std::shared_ptr<End> mine, std::shared_ptr<End> theirs,
                 Endpoint peer, Endpoint local)
      : hub_(hub),
        mine_(std::move(mine)),
        theirs_(std::move(theirs)),
        peer_(std::move(peer)),
        local_(std::move(local)) {
    mine_->owner = this;
  }
  ~PipeConnection() override { Close(); }

  void Start(Handler* handler) override {
    handler_ = handler;
    Pump(mine_);
  }
  void Send(std::vector<OutPiece> pieces) override {
    ++hub_->frames_sent;
    for (const OutPiece& piece : pieces) {
      if (const auto* bytes = std::get_if<SharedBytes>(&piece)) {
        theirs_->received.append(bytes->view());
        continue;
      }
      const FileSlice& slice = std::get<FileSlice>(piece);
      std::string read(slice.length, '\0');
      const auto got = slice.file->ReadAt(slice.offset, read.data(), read.size());
      QCHECK(got.ok());
      read.resize(*got);
      theirs_->received.append(read);
    }
    Pump(theirs_);
  }
  size_t unsent_bytes() const override { return 0; }
  void PauseReading() override {}
  void ResumeReading() override {}
  void Close() override {
    if (mine_->owner == nullptr) return;
    mine_->owner = nullptr;
    theirs_->peer_closed = true;
    Pump(theirs_);
  }
  const Endpoint& peer() const override { return peer_; }
  const Endpoint& local() const override { return local_; }

 private:
  void Pump(const std::shared_ptr<End>& end) {
    if (std::exchange(end->pump_posted, true)) return;
    hub_->loop->Post([end] {
      end->pump_posted = false;
      while (end->owner != nullptr && end->owner->handler_ != nullptr && !end->received.empty()) {
        const std::span<char> buffer = end->owner->handler_->ReadBuffer();
        const size_t n = std::min(buffer.size(), end->received.size());
        std::copy_n(end->received.begin(), n, buffer.begin());
        end->received.erase(0, n);
        end->owner->handler_->OnRead(n);
      }
      if (end->owner != nullptr && end->owner->handler_ != nullptr && end->peer_closed) {
        PipeConnection* const owner = std::exchange(end->owner, nullptr);
        owner->handler_->OnClosed(absl::OkStatus());
      }
    });
  }

  PipeHub* const hub_;
  const std::shared_ptr<End> mine_;
  const std::shared_ptr<End> theirs_;
  const Endpoint peer_;
  const Endpoint local_;
  Handler* handler_ = nullptr;
};

class PipeNetwork final : public Network {
 public:
  PipeNetwork(PipeHub* hub, std::string host) : hub_(hub), host_(std::move(host)) {}

  absl::StatusOr<std::unique_ptr<Listener>> Listen(const Endpoint& at,
                                                   AcceptHandler on_accept) override {
    return std::make_unique<PipeListener>(hub_, Endpoint{host_, at.port}, std::move(on_accept));
  }
  void Connect(const Endpoint& to, Micros, ConnectHandler done) override {
    hub_->loop->Post([this, hub = hub_, host = host_, to, done = std::move(done)]() mutable {
      const auto listener = hub->listeners.find(to);
      if (listener == hub->listeners.end() || hub->cut.count(host) + hub->cut.count(to.host) > 0) {
        done(absl::UnavailableError("refused"));
        return;
      }
      auto a = std::make_shared<PipeConnection::End>();
      auto b = std::make_shared<PipeConnection::End>();
      const Endpoint local{host, 50000};
      (*listener->second)(std::make_unique<PipeConnection>(hub, b, a, local, to));
      done(std::make_unique<PipeConnection>(hub, a, b, to, local));
    });
  }

 private:
  class PipeListener final : public Listener {
   public:
    PipeListener(PipeHub* hub, Endpoint at, AcceptHandler accept)
        : hub_(hub), at_(std::move(at)), accept_(std::move(accept)) {
      hub_->listeners[at_] = &accept_;
    }
    ~PipeListener() override { hub_->listeners.erase(at_); }
    const Endpoint& local() const override { return at_; }

   private:
    PipeHub* const hub_;
    const Endpoint at_;
    AcceptHandler accept_;
  };

  PipeHub* const hub_;
  const std::string host_;
};

}  // namespace quorate::testing
