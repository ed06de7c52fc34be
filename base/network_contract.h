// base/network_contract.h
//
// The suite that every Network passes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/contract_world.h"
#include "base/file_system.h"
#include "base/network.h"
#include "gtest/gtest.h"

namespace quorate {

// Two places with a running loop and a network each. They may share the loop.
class NetworkWorld : public ContractWorld {
 public:
  virtual EventLoop& server_loop() = 0;
  virtual Network& server() = 0;
  virtual EventLoop& client_loop() = 0;
  virtual Network& client() = 0;
  // Where the server listens, with port 0; the client reaches it under the same host.
  virtual Endpoint server_address() = 0;
  // An address that no machine of this world has.
  virtual Endpoint foreign_address() = 0;
  // A name that cannot be resolved.
  virtual std::string unknown_host() = 0;
  // Where packets vanish, or nothing where that cannot be had. Valid while the world lives.
  virtual std::optional<Endpoint> black_hole() = 0;
  // For files to send, used on the server's loop.
  virtual FileSystem& fs() = 0;
  virtual std::string directory() = 0;
};

// Keeps what happens to one connection and owns it. Used on its loop.
class RecordingHandler : public Connection::Handler {
 public:
  explicit RecordingHandler(size_t buffer_size = 4096) : buffer_(buffer_size) {}

  void Take(std::unique_ptr<Connection> connection) {
    connection_ = std::move(connection);
    connection_->Start(this);
  }
  std::span<char> ReadBuffer() override { return buffer_; }
  void OnRead(size_t length) override {
    received_.append(buffer_.data(), length);
    if (on_read_) on_read_();
  }
  void OnDrained() override {
    unsent_at_drain_ = connection_->unsent_bytes();
    ++drained_;
    if (on_drained_) on_drained_();
  }
  void OnClosed(const absl::Status& why) override {
    closed_ = why;
    if (on_closed_) on_closed_();
  }
  void Send(std::string bytes) {
    std::vector<OutPiece> pieces;
    pieces.push_back(SharedBytes::FromString(std::move(bytes)));
    connection_->Send(std::move(pieces));
  }

  std::unique_ptr<Connection> connection_;
  std::vector<char> buffer_;
  std::string received_;
  int drained_ = 0;
  size_t unsent_at_drain_ = 0;
  std::optional<absl::Status> closed_;
  std::function<void()> on_read_, on_drained_, on_closed_;
};

template <typename World>
class NetworkContract : public testing::Test {
 protected:
  ~NetworkContract() override {
    OnServer([this] {
      listener_.reset();
      server_end_.connection_.reset();
    });
    OnClient([this] { client_end_.connection_.reset(); });
  }

  void OnServer(Task task) { world_.On(world_.server_loop(), std::move(task)); }
  void OnClient(Task task) { world_.On(world_.client_loop(), std::move(task)); }
  bool EventuallyServer(std::function<bool()> condition) {
    return world_.Eventually(world_.server_loop(), std::move(condition));
  }
  bool EventuallyClient(std::function<bool()> condition) {
    return world_.Eventually(world_.client_loop(), std::move(condition));
  }
  void Settle() {
    world_.Settle(world_.server_loop());
    world_.Settle(world_.client_loop());
  }

  // Listens; each accepted connection replaces the one of server_end_, or waits in accepted_ if
  // `start` is false.
  void Listen(bool start = true) {
    OnServer([this, start] {
      auto listener = world_.server().Listen(world_.server_address(),
                                             [this, start](std::unique_ptr<Connection> connection) {
                                               ++accepts_;
                                               if (start) {
                                                 server_end_.Take(std::move(connection));
                                               } else {
                                                 accepted_ = std::move(connection);
                                               }
                                             });
      ASSERT_TRUE(listener.ok()) << listener.status();
      listener_ = *std::move(listener);
      at_ = listener_->local();
    });
  }

  // Connects to `to`; returns the outcome, with the connection started on client_end_.
  absl::Status Connect(const Endpoint& to, Micros timeout = std::chrono::seconds(20)) {
    std::optional<absl::Status> outcome;
    OnClient([&] {
      world_.client().Connect(to, timeout,
                              [&](absl::StatusOr<std::unique_ptr<Connection>> connection) {
                                outcome = connection.status();
                                if (connection.ok()) client_end_.Take(*std::move(connection));
                              });
    });
    EXPECT_TRUE(EventuallyClient([&] { return outcome.has_value(); }));
    return outcome.value_or(absl::UnknownError("no outcome"));
  }

  // Both ends connected and started.
  void Join() {
    Listen();
    ASSERT_TRUE(Connect(at_).ok());
    ASSERT_TRUE(EventuallyServer([this] { return accepts_ == 1; }));
  }

  static std::string Pattern(size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 131 + i / 251);
    return bytes;
  }

  // Before the world: callbacks may come until it is gone.
  RecordingHandler server_end_, client_end_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> accepted_;
  Endpoint at_;
  int accepts_ = 0;
  World world_;
};

TYPED_TEST_SUITE_P(NetworkContract);

TYPED_TEST_P(NetworkContract, ListenOnPortZeroChoosesAPort) {
  this->Listen();
  EXPECT_GT(this->at_.port, 0);
  EXPECT_EQ(this->at_.host, this->world_.server_address().host);
}

TYPED_TEST_P(NetworkContract, ListenOnAUsedPortIsAlreadyExists) {
  this->Listen();
  this->OnServer([this] {
    auto second = this->world_.server().Listen(this->at_, [](std::unique_ptr<Connection>) {});
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
  });
}

TYPED_TEST_P(NetworkContract, ListenOnAForeignAddressIsInvalid) {
  this->OnServer([this] {
    auto listener = this->world_.server().Listen(this->world_.foreign_address(),
                                                 [](std::unique_ptr<Connection>) {});
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << listener.status();
  });
}

TYPED_TEST_P(NetworkContract, EmptyHostMeansAllInterfaces) {
  this->OnServer([this] {
    auto listener = this->world_.server().Listen(Endpoint{"", 0},
                                                 [this](std::unique_ptr<Connection> connection) {
                                                   ++this->accepts_;
                                                   this->server_end_.Take(std::move(connection));
                                                 });
    ASSERT_TRUE(listener.ok()) << listener.status();
    this->listener_ = *std::move(listener);
    this->at_ = this->listener_->local();
  });
  EXPECT_TRUE(this->Connect(Endpoint{this->world_.server_address().host, this->at_.port}).ok());
  EXPECT_TRUE(this->EventuallyServer([this] { return this->accepts_ == 1; }));
}

TYPED_TEST_P(NetworkContract, BothEndsNameEachOther) {
  this->Join();
  Endpoint server_peer, server_local, client_peer, client_local;
  this->OnServer([&] {
    server_peer = this->server_end_.connection_->peer();
    server_local = this->server_end_.connection_->local();
  });
  this->OnClient([&] {
    client_peer = this->client_end_.connection_->peer();
    client_local = this->client_end_.connection_->local();
  });
  EXPECT_EQ(client_peer, this->at_);
  EXPECT_EQ(server_local, this->at_);
  EXPECT_EQ(server_peer, client_local);
}

TYPED_TEST_P(NetworkContract, ConnectNeverCompletesInsideTheCall) {
  bool done = false;
  bool inside = false;
  this->OnClient([&] {
    this->world_.client().Connect(Endpoint{this->world_.server_address().host, 1},
                                  std::chrono::seconds(20), [&](auto) { done = true; });
    inside = done;
  });
  EXPECT_FALSE(inside);
  EXPECT_TRUE(this->EventuallyClient([&] { return done; }));
}

TYPED_TEST_P(NetworkContract, ConnectWhereNobodyListensIsUnavailable) {
  this->Listen();
  this->OnServer([this] { this->listener_.reset(); });
  EXPECT_EQ(this->Connect(this->at_).code(), absl::StatusCode::kUnavailable);
}

TYPED_TEST_P(NetworkContract, ConnectToAnUnknownHostIsUnavailable) {
  EXPECT_EQ(this->Connect(Endpoint{this->world_.unknown_host(), 9092}).code(),
            absl::StatusCode::kUnavailable);
}

TYPED_TEST_P(NetworkContract, ConnectWithoutAnAnswerIsDeadlineExceeded) {
  const std::optional<Endpoint> black_hole = this->world_.black_hole();
  if (!black_hole) GTEST_SKIP() << "no black hole here";
  EXPECT_EQ(this->Connect(*black_hole, Millis(30)).code(), absl::StatusCode::kDeadlineExceeded);
}

TYPED_TEST_P(NetworkContract, BytesArriveWholeAndInOrderBothWays) {
  this->Join();
  const std::string bytes = this->Pattern(3'000'000);
  this->OnServer([&] { this->server_end_.Send(bytes); });
  this->OnClient([&] {
    for (size_t i = 0; i < bytes.size(); i += 99'991) {
      this->client_end_.Send(bytes.substr(i, 99'991));
    }
  });
  EXPECT_TRUE(
      this->EventuallyServer([&] { return this->server_end_.received_.size() >= bytes.size(); }));
  EXPECT_TRUE(
      this->EventuallyClient([&] { return this->client_end_.received_.size() >= bytes.size(); }));
  EXPECT_TRUE(this->server_end_.received_ == bytes);
  EXPECT_TRUE(this->client_end_.received_ == bytes);
}

TYPED_TEST_P(NetworkContract, AReadBufferOfOneByteWorks) {
  this->client_end_.buffer_.resize(1);
  this->Join();
  this->OnServer([this] { this->server_end_.Send("hello, world"); });
  EXPECT_TRUE(
      this->EventuallyClient([this] { return this->client_end_.received_ == "hello, world"; }));
}

TYPED_TEST_P(NetworkContract, BytesAndFileSlicesKeepTheirOrder) {
  this->Join();
  const std::string bytes = this->Pattern(2'000'000);
  const std::string expected = "head" + bytes.substr(1000, 500'000) + "mid" + bytes.substr(3, 5) +
                               bytes.substr(700'000, 1'300'000) + "tail";
  this->OnServer([&] {
    auto file = this->world_.fs().Open(this->world_.directory() + "/f", OpenMode::kCreate);
    ASSERT_TRUE(file.ok()) << file.status();
    const std::string_view view = bytes;
    ASSERT_TRUE((*file)->WriteAt(0, {&view, 1}).ok());
    std::vector<OutPiece> pieces;
    pieces.push_back(SharedBytes::Copy("head"));
    pieces.push_back(FileSlice{*file, 1000, 500'000});
    pieces.push_back(SharedBytes());
    pieces.push_back(SharedBytes::Copy("mid"));
    pieces.push_back(FileSlice{*file, 3, 5});
    pieces.push_back(FileSlice{*file, 700'000, 1'300'000});
    pieces.push_back(FileSlice{*file, 0, 0});
    this->server_end_.connection_->Send(std::move(pieces));
    this->server_end_.Send("tail");
  });
  EXPECT_TRUE(this->EventuallyClient(
      [&] { return this->client_end_.received_.size() >= expected.size(); }));
  EXPECT_TRUE(this->client_end_.received_ == expected);
}

TYPED_TEST_P(NetworkContract, ManySmallPiecesArrive) {
  this->Join();
  std::string expected;
  this->OnServer([&] {
    std::vector<OutPiece> pieces;
    for (int i = 0; i < 3000; ++i) {
      std::string text = std::to_string(i);
      expected += text;
      pieces.push_back(SharedBytes::FromString(std::move(text)));
    }
    this->server_end_.connection_->Send(std::move(pieces));
  });
  EXPECT_TRUE(this->EventuallyClient([&] { return this->client_end_.received_ == expected; }));
}

TYPED_TEST_P(NetworkContract, OnDrainedFollowsASendOnceAllIsWithTheKernel) {
  this->Join();
  bool inside = false;
  size_t unsent = 0;
  this->OnClient([&] {
    this->client_end_.Send("hello");
    unsent = this->client_end_.connection_->unsent_bytes();
    inside = this->client_end_.drained_ > 0;
  });
  EXPECT_FALSE(inside);
  EXPECT_LE(unsent, 5u);
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.drained_ > 0; }));
  EXPECT_EQ(this->client_end_.unsent_at_drain_, 0u);
}

TYPED_TEST_P(NetworkContract, WhatAPausedPeerDoesNotTakeStaysUnsent) {
  this->Join();
  this->OnServer([this] { this->server_end_.connection_->PauseReading(); });
  const std::string bytes = this->Pattern(32 << 20);
  this->OnClient([&] { this->client_end_.Send(bytes); });
  this->Settle();
  this->OnClient([this] {
    EXPECT_GT(this->client_end_.connection_->unsent_bytes(), 0u);
    EXPECT_EQ(this->client_end_.drained_, 0);
  });
  this->OnServer([this] {
    EXPECT_EQ(this->server_end_.received_, "");
    this->server_end_.connection_->ResumeReading();
  });
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.drained_ > 0; }));
  EXPECT_TRUE(
      this->EventuallyServer([&] { return this->server_end_.received_.size() == bytes.size(); }));
  EXPECT_TRUE(this->server_end_.received_ == bytes);
}

TYPED_TEST_P(NetworkContract, PauseInsideOnReadStopsReading) {
  this->client_end_.buffer_.resize(10);
  this->Join();
  this->OnClient([this] {
    this->client_end_.on_read_ = [this] { this->client_end_.connection_->PauseReading(); };
  });
  this->OnServer([this] { this->server_end_.Send(this->Pattern(100)); });
  EXPECT_TRUE(this->EventuallyClient([this] { return !this->client_end_.received_.empty(); }));
  this->Settle();
  this->OnClient([this] {
    EXPECT_LE(this->client_end_.received_.size(), 10u);
    this->client_end_.on_read_ = nullptr;
    this->client_end_.connection_->ResumeReading();
  });
  EXPECT_TRUE(
      this->EventuallyClient([this] { return this->client_end_.received_.size() == 100u; }));
}

TYPED_TEST_P(NetworkContract, BytesSentBeforeThePeerStartsAreKept) {
  this->Listen(/*start=*/false);
  ASSERT_TRUE(this->Connect(this->at_).ok());
  this->OnClient([this] { this->client_end_.Send("early"); });
  ASSERT_TRUE(this->EventuallyServer([this] { return this->accepted_ != nullptr; }));
  this->Settle();
  this->OnServer([this] { this->server_end_.Take(std::move(this->accepted_)); });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->server_end_.received_ == "early"; }));
}

TYPED_TEST_P(NetworkContract, AnOrderlyEndComesAfterAllBytes) {
  this->Join();
  const std::string bytes = this->Pattern(1'000'000);
  this->OnServer([&] {
    this->server_end_.on_drained_ = [this] { this->server_end_.connection_->Close(); };
    this->server_end_.Send(bytes);
  });
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.closed_.has_value(); }));
  EXPECT_TRUE(this->client_end_.closed_->ok()) << *this->client_end_.closed_;
  EXPECT_TRUE(this->client_end_.received_ == bytes);
}

TYPED_TEST_P(NetworkContract, DestroyingOneEndClosesTheOther) {
  this->Join();
  this->OnClient([this] { this->client_end_.connection_.reset(); });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->server_end_.closed_.has_value(); }));
}

TYPED_TEST_P(NetworkContract, NoCallbackFollowsClose) {
  this->Join();
  this->OnServer([this] {
    this->server_end_.Send("hello");
    this->server_end_.connection_->Close();
    this->server_end_.Send("dropped");
  });
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.closed_.has_value(); }));
  this->Settle();
  EXPECT_FALSE(this->server_end_.closed_.has_value());
  EXPECT_EQ(this->server_end_.drained_, 0);
}

TYPED_TEST_P(NetworkContract, ASendIntoABrokenStreamShowsAsOnClosed) {
  this->Join();
  this->OnServer([this] { this->server_end_.connection_.reset(); });
  this->OnClient([this] {
    this->client_end_.on_drained_ = [this] { this->client_end_.Send("more"); };
    const bool closed = this->client_end_.closed_.has_value();
    this->client_end_.Send("some");
    EXPECT_EQ(this->client_end_.closed_.has_value(), closed);  // never inside Send
  });
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.closed_.has_value(); }));
}

TYPED_TEST_P(NetworkContract, AConnectionMayBeDestroyedInsideOnRead) {
  this->client_end_.buffer_.resize(1);
  this->Join();
  this->OnClient(
      [this] { this->client_end_.on_read_ = [this] { this->client_end_.connection_.reset(); }; });
  this->OnServer([this] { this->server_end_.Send("hello"); });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->server_end_.closed_.has_value(); }));
  this->OnClient([this] {
    EXPECT_EQ(this->client_end_.received_, "h");
    EXPECT_FALSE(this->client_end_.closed_.has_value());
  });
}

TYPED_TEST_P(NetworkContract, AConnectionMayBeDestroyedInsideOnDrained) {
  this->Join();
  this->OnClient([this] {
    this->client_end_.on_drained_ = [this] { this->client_end_.connection_.reset(); };
    this->client_end_.Send("last");
  });
  EXPECT_TRUE(this->EventuallyServer([this] { return this->server_end_.closed_.has_value(); }));
  EXPECT_EQ(this->server_end_.received_, "last");
}

TYPED_TEST_P(NetworkContract, AConnectionMayBeDestroyedInsideOnClosed) {
  this->Join();
  this->OnClient(
      [this] { this->client_end_.on_closed_ = [this] { this->client_end_.connection_.reset(); }; });
  this->OnServer([this] { this->server_end_.connection_.reset(); });
  EXPECT_TRUE(this->EventuallyClient([this] { return this->client_end_.connection_ == nullptr; }));
  this->Settle();
}

TYPED_TEST_P(NetworkContract, ADestroyedListenerAcceptsNoMore) {
  this->Listen();
  this->OnServer([this] { this->listener_.reset(); });
  EXPECT_FALSE(this->Connect(this->at_).ok());
  EXPECT_EQ(this->accepts_, 0);
}

TYPED_TEST_P(NetworkContract, AListenerMayBeDestroyedInsideItsHandler) {
  this->OnServer([this] {
    auto listener = this->world_.server().Listen(this->world_.server_address(),
                                                 [this](std::unique_ptr<Connection> connection) {
                                                   this->listener_.reset();
                                                   ++this->accepts_;
                                                   this->server_end_.Take(std::move(connection));
                                                 });
    ASSERT_TRUE(listener.ok()) << listener.status();
    this->listener_ = *std::move(listener);
    this->at_ = this->listener_->local();
  });
  EXPECT_TRUE(this->Connect(this->at_).ok());
  EXPECT_TRUE(this->EventuallyServer([this] { return this->accepts_ == 1; }));
  this->OnServer([this] { this->server_end_.Send("still here"); });
  EXPECT_TRUE(
      this->EventuallyClient([this] { return this->client_end_.received_ == "still here"; }));
}

TYPED_TEST_P(NetworkContract, APortCanBeListenedOnAgainAfterItsConnections) {
  this->Join();
  this->OnServer([this] {
    this->server_end_.connection_.reset();
    this->listener_.reset();
    auto again = this->world_.server().Listen(this->at_, [](std::unique_ptr<Connection>) {});
    EXPECT_TRUE(again.ok()) << again.status();
  });
}

REGISTER_TYPED_TEST_SUITE_P(
    NetworkContract, ListenOnPortZeroChoosesAPort, ListenOnAUsedPortIsAlreadyExists,
    ListenOnAForeignAddressIsInvalid, EmptyHostMeansAllInterfaces, BothEndsNameEachOther,
    ConnectNeverCompletesInsideTheCall, ConnectWhereNobodyListensIsUnavailable,
    ConnectToAnUnknownHostIsUnavailable, ConnectWithoutAnAnswerIsDeadlineExceeded,
    BytesArriveWholeAndInOrderBothWays, AReadBufferOfOneByteWorks, BytesAndFileSlicesKeepTheirOrder,
    ManySmallPiecesArrive, OnDrainedFollowsASendOnceAllIsWithTheKernel,
    WhatAPausedPeerDoesNotTakeStaysUnsent, PauseInsideOnReadStopsReading,
    BytesSentBeforeThePeerStartsAreKept, AnOrderlyEndComesAfterAllBytes,
    DestroyingOneEndClosesTheOther, NoCallbackFollowsClose, ASendIntoABrokenStreamShowsAsOnClosed,
    AConnectionMayBeDestroyedInsideOnRead, AConnectionMayBeDestroyedInsideOnDrained,
    AConnectionMayBeDestroyedInsideOnClosed, ADestroyedListenerAcceptsNoMore,
    AListenerMayBeDestroyedInsideItsHandler, APortCanBeListenedOnAgainAfterItsConnections);

}  // namespace quorate
