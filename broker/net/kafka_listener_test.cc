#include "broker/net/kafka_listener.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "broker/testing/memory_network.h"
#include "broker/testing/test_loop.h"

namespace quorate {
namespace {

std::string Frame(const std::string& body) {
  std::string frame;
  for (int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(body.size() >> shift));
  return frame + body;
}

// Keeps the requests for the test to answer.
struct HoldingHandler final : FrameHandler {
  struct Request {
    std::string body;
    Responder responder;
    void Answer(const std::string& text) {
      responder.Reply({SharedBytes::FromString(Frame(text))});
    }
  };
  uint64_t NewConnectionId() override { return ++connections; }
  void HandleFrame(std::shared_ptr<const ConnectionInfo> connection, SharedBytes frame,
                   Responder responder) override {
    last = std::move(connection);
    requests.push_back({std::string(frame.view()), std::move(responder)});
    if (answer_at_once) requests.back().Answer(requests.back().body);
  }
  void OnConnectionClosed(const ConnectionInfo& connection) override {
    closed.push_back(connection.id);
  }
  uint64_t connections = 0;
  bool answer_at_once = false;
  std::deque<Request> requests;
  std::shared_ptr<const ConnectionInfo> last;
  std::vector<uint64_t> closed;
};

class KafkaListenerTest : public testing::Test {
 protected:
  void StartListener(ListenerOptions options = {}) {
    options.name = "PLAINTEXT";
    options.bind = {"", 9092};
    listener = std::make_unique<KafkaListener>(&loop, &network, options, &memory, &handler);
    ASSERT_TRUE(listener->Start().ok());
    if (serve_at_once) listener->Serve();
  }
  bool serve_at_once = true;
  MemoryNetwork::Client Connect() { return network.Open(9092); }

  TestLoop loop;
  MemoryNetwork network{&loop};
  RequestMemory memory{&loop, 1000};
  HoldingHandler handler;
  std::unique_ptr<KafkaListener> listener;
};

TEST_F(KafkaListenerTest, AnswersLeaveInRequestOrder) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("1") + Frame("2") + Frame("3") + Frame("4"));
  loop.RunPosted();
  ASSERT_EQ(handler.requests.size(), 4u);
  handler.requests[2].Answer("c");
  handler.requests[1].Answer("b");
  loop.RunPosted();
  EXPECT_EQ(client.stream->from_server, "");
  handler.requests[0].Answer("a");
  loop.RunPosted();
  EXPECT_EQ(client.stream->from_server, Frame("a") + Frame("b") + Frame("c"));
  handler.requests[3].Answer("d");
  loop.RunPosted();
  EXPECT_EQ(client.stream->from_server, Frame("a") + Frame("b") + Frame("c") + Frame("d"));
  EXPECT_EQ(memory.used(), 0u);
}

TEST_F(KafkaListenerTest, ARequestWithoutReplySendsNothingAndLetsLaterAnswersPass) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("1") + Frame("2"));
  loop.RunPosted();
  handler.requests[1].Answer("b");
  handler.requests[0].responder.NoReply();
  loop.RunPosted();
  EXPECT_EQ(client.stream->from_server, Frame("b"));
}

TEST_F(KafkaListenerTest, ConnectionsWaitUntilTheListenerServes) {
  serve_at_once = false;
  StartListener();
  auto client = Connect();
  client.Write(Frame("1"));
  loop.RunPosted();
  EXPECT_TRUE(handler.requests.empty());
  EXPECT_FALSE(client.stream->server_closed);
  listener->Serve();
  loop.RunPosted();
  EXPECT_EQ(handler.requests.size(), 1u);
}

TEST_F(KafkaListenerTest, ADroppedResponderClosesTheConnection) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("1"));
  loop.RunPosted();
  handler.requests.clear();
  EXPECT_TRUE(client.stream->server_closed);
  EXPECT_EQ(handler.closed, std::vector<uint64_t>{1});
  EXPECT_EQ(listener->connection_count(), 0u);
}

TEST_F(KafkaListenerTest, ABadSizeClosesTheConnectionWithoutABuffer) {
  StartListener();
  for (const std::string& bad : {std::string("\x7f\xff\xff\xff", 4), std::string("\0\0\0\0", 4),
                                 std::string("GET / HTTP/1.1")}) {
    auto client = Connect();
    client.Write(bad);
    loop.RunPosted();
    EXPECT_TRUE(client.stream->server_closed);
    EXPECT_LE(client.stream->largest_buffer, size_t{64} << 10);
  }
  EXPECT_TRUE(handler.requests.empty());
}

TEST_F(KafkaListenerTest, StopsReadingWhenTheLoopsRequestMemoryIsFullAndGoesOnWhenThereIsRoom) {
  StartListener();
  auto first = Connect();
  auto second = Connect();
  first.Write(Frame(std::string(1500, 'a')));
  loop.RunPosted();
  ASSERT_EQ(handler.requests.size(), 1u);
  second.Write(Frame("b"));
  loop.RunPosted();
  // What the socket had already given is not dispatched.
  EXPECT_EQ(handler.requests.size(), 1u);
  second.Write(Frame("c"));
  loop.RunPosted();
  EXPECT_EQ(second.stream->to_server, Frame("c"));
  handler.requests[0].Answer("done");
  loop.RunPosted();
  EXPECT_EQ(handler.requests.size(), 3u);
}

TEST_F(KafkaListenerTest, StopsReadingWhileTooManyRequestsOfOneConnectionAreOutstanding) {
  ListenerOptions options;
  options.limits.max_outstanding_requests = 2;
  StartListener(options);
  auto client = Connect();
  client.Write(Frame("1") + Frame("2") + Frame("3"));
  loop.RunPosted();
  EXPECT_EQ(handler.requests.size(), 2u);
  handler.requests[0].Answer("a");
  loop.RunPosted();
  EXPECT_EQ(handler.requests.size(), 3u);
}

TEST_F(KafkaListenerTest, StopsReadingWhileTheClientDoesNotTakeItsAnswers) {
  ListenerOptions options;
  options.limits.max_unsent_bytes = 100;
  StartListener(options);
  handler.answer_at_once = true;
  auto client = Connect();
  client.Accept(false);
  for (int i = 0; i < 50; ++i) {
    client.Write(Frame(std::string(50, 'x')));
    loop.RunPosted();
  }
  EXPECT_LT(handler.requests.size(), 5u);
  client.Accept(true);
  loop.RunPosted();
  EXPECT_EQ(handler.requests.size(), 50u);
}

TEST_F(KafkaListenerTest, ClosesAnIdleConnectionButNotOneThatWaitsForAnAnswer) {
  StartListener();
  auto idle = Connect();
  auto parked = Connect();
  parked.Write(Frame("1"));
  loop.Advance(std::chrono::minutes(11));
  EXPECT_TRUE(idle.stream->server_closed);
  EXPECT_FALSE(parked.stream->server_closed);
  handler.requests[0].Answer("late");
  loop.Advance(std::chrono::minutes(21));
  EXPECT_EQ(parked.stream->from_server, Frame("late"));
  EXPECT_TRUE(parked.stream->server_closed);
}

TEST_F(KafkaListenerTest, ClosesAConnectionThatStallsWithinAFrame) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("whole") + Frame("half").substr(0, 6));
  loop.Advance(std::chrono::seconds(20));
  EXPECT_FALSE(client.stream->server_closed);
  handler.requests[0].Answer("x");
  loop.Advance(std::chrono::seconds(41));
  EXPECT_TRUE(client.stream->server_closed);
}

TEST_F(KafkaListenerTest, ClosesAConnectionWhosePeerTakesNothingForTheIdleTime) {
  StartListener();
  handler.answer_at_once = true;
  auto client = Connect();
  client.Accept(false);
  client.Write(Frame("1"));
  loop.Advance(std::chrono::minutes(21));
  EXPECT_TRUE(client.stream->server_closed);
}

TEST_F(KafkaListenerTest, AnIdleConnectionCostsOneTimer) {
  StartListener();
  auto client = Connect();
  handler.answer_at_once = true;
  for (int i = 0; i < 100; ++i) {
    client.Write(Frame("x"));
    loop.Advance(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(loop.timer_count(), 1u);
}

TEST_F(KafkaListenerTest, StopAnswersWhatIsOutstandingAndTakesNothingNew) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("1"));
  loop.RunPosted();
  bool stopped = false;
  listener->Stop(std::chrono::seconds(5), [&] { stopped = true; });
  client.Write(Frame("2"));
  loop.RunPosted();
  EXPECT_FALSE(stopped);
  EXPECT_EQ(handler.requests.size(), 1u);
  handler.requests[0].Answer("a");
  loop.RunPosted();
  EXPECT_EQ(client.stream->from_server, Frame("a"));
  EXPECT_TRUE(client.stream->server_closed);
  EXPECT_TRUE(stopped);
}

TEST_F(KafkaListenerTest, StopClosesAfterItsBound) {
  StartListener();
  auto client = Connect();
  client.Write(Frame("1"));
  loop.RunPosted();
  bool stopped = false;
  listener->Stop(std::chrono::seconds(5), [&] { stopped = true; });
  loop.Advance(std::chrono::seconds(6));
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(client.stream->server_closed);
  handler.requests[0].Answer("too late");  // harmless
}

TEST_F(KafkaListenerTest, RefusesConnectionsAboveTheLimitOfOneHost) {
  ListenerOptions options;
  options.max_connections_per_host = 2;
  StartListener(options);
  auto a = Connect();
  auto b = Connect();
  auto c = Connect();
  EXPECT_FALSE(b.stream->server_closed);
  EXPECT_TRUE(c.stream->server_closed);
  a.End();
  auto d = Connect();
  EXPECT_FALSE(d.stream->server_closed);
}

TEST_F(KafkaListenerTest, ConnectionsThatBreakMidFrameLeakNoMemory) {
  StartListener();
  for (int i = 0; i < 2000; ++i) {
    auto client = Connect();
    client.Write(Frame("x") + Frame(std::string(100'000, 'y')).substr(0, 50'000));
    loop.RunPosted();
    client.End();
    loop.RunPosted();
    handler.requests.clear();
  }
  EXPECT_EQ(memory.used(), 0u);
  EXPECT_EQ(listener->connection_count(), 0u);
}

}  // namespace
}  // namespace quorate
