#include "proto/kafka/messages/fetch.h"

#include <gtest/gtest.h>

#include <string>

#include "broker/handlers/handler_fixture.h"

namespace quorate {
namespace {

using kafka::FetchRequest;
using kafka::FetchResponse;
using kafka::KafkaError;

// A file in memory, for slices.
class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::StatusOr<size_t> ReadAt(int64_t offset, char* out, size_t length) const override {
    return bytes_.copy(out, length, static_cast<size_t>(offset));
  }
  absl::Status WriteAt(int64_t, std::span<const std::string_view>) override { return Refuse(); }
  absl::Status Preallocate(int64_t, int64_t) override { return Refuse(); }
  absl::Status Sync() override { return Refuse(); }
  absl::Status Truncate(int64_t) override { return Refuse(); }
  absl::StatusOr<int64_t> Size() const override { return static_cast<int64_t>(bytes_.size()); }
  absl::StatusOr<std::shared_ptr<const FileMapping>> Map() const override { return Refuse(); }
  const std::string& path() const override { return path_; }
  int descriptor() const override { return -1; }

 private:
  static absl::Status Refuse() { return absl::UnimplementedError("read only"); }
  const std::string bytes_;
  const std::string path_ = "memory";
};

// Reads the file slices of an answer into its frame.
struct FileExchange : Exchange {
  void Complete(uint64_t, std::vector<OutPiece> reply) override {
    answered = true;
    for (const OutPiece& piece : reply) {
      if (const auto* slice = std::get_if<FileSlice>(&piece)) {
        ++slices;
        std::string bytes(slice->length, '\0');
        EXPECT_TRUE(slice->file->ReadAt(slice->offset, bytes.data(), bytes.size()).ok());
        frame += bytes;
      } else {
        frame += std::get<SharedBytes>(piece).view();
      }
    }
  }
  int slices = 0;
};

class FetchTest : public HandlerFixture {
 protected:
  FetchTest() {
    handler_env.sessions = &sessions;
    RegisterFetch(registry, handler_env);
    SetImage(BaseRecords());
    replicas.answer_fetch = [this](const FetchSpec& spec) {
      FetchResult result;
      for (const auto& partition : spec.partitions) {
        auto& out = result.partitions.emplace_back();
        out.partition = partition.partition;
        out.high_watermark = Offset(100);
        out.last_stable_offset = Offset(90);
        out.log_start_offset = Offset(5);
        out.records.push_back(FileSlice{file, 2, 5});
        out.record_bytes = 5;
      }
      return result;
    };
  }
  static FetchRequest Request(std::initializer_list<int> partitions) {
    FetchRequest request;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    auto& topic = request.topics.emplace_back();
    topic.topic = "orders";
    topic.topic_id = OrdersId();
    for (int index : partitions) {
      auto& partition = topic.partitions.emplace_back();
      partition.partition = index;
      partition.fetch_offset = 10 + index;
      partition.partition_max_bytes = 1000;
    }
    return request;
  }
  FetchResponse CallWithFiles(const FetchRequest& request, int16_t version, int* slices) {
    kafka::RequestHeader header;
    header.api_version = version;
    header.correlation_id = 42;
    std::string frame;
    for (const OutPiece& piece : kafka::RequestFrame(header, request)) {
      frame += std::get<SharedBytes>(piece).view();
    }
    auto info = std::make_shared<ConnectionInfo>();
    info->id = 901;
    info->listener = kListener;
    auto exchange = std::make_shared<FileExchange>();
    registry.HandleFrame(info, SharedBytes::Copy(frame.substr(4)), Responder(exchange, 0));
    if (slices != nullptr) *slices = exchange->slices;
    return Answer<FetchResponse>(*exchange, version);
  }

  FetchSessionCache sessions{&loop.clock(), &random};
  std::shared_ptr<MemoryFile> file = std::make_shared<MemoryFile>("0123456789");
};

TEST_F(FetchTest, AnswersWithFileSlicesInEveryVersion) {
  for (int16_t version = 4; version <= 18; ++version) {
    int slices = 0;
    const auto response = CallWithFiles(Request({0, 1}), version, &slices);
    EXPECT_EQ(slices, 2) << version;
    ASSERT_EQ(response.responses.size(), 1u) << version;
    ASSERT_EQ(response.responses[0].partitions.size(), 2u) << version;
    const auto& partition = response.responses[0].partitions[1];
    EXPECT_EQ(partition.records.bytes().view(), "23456") << version;
    EXPECT_EQ(partition.high_watermark, 100);
    EXPECT_EQ(partition.last_stable_offset, 90);
    if (version < 13) {
      EXPECT_EQ(response.responses[0].topic, "orders");
    } else {
      EXPECT_EQ(response.responses[0].topic_id, OrdersId());
    }
  }
}

TEST_F(FetchTest, PassesOnWhatWasAskedWithinTheBrokersBound) {
  FetchRequest request = Request({1});
  request.isolation_level = 1;
  request.min_bytes = 7;
  CallWithFiles(request, 12, nullptr);
  const FetchSpec& spec = replicas.fetched.at(0);
  EXPECT_FALSE(spec.internal);
  EXPECT_EQ(spec.replica, kNoNode);
  EXPECT_EQ(spec.isolation, Isolation::kReadCommitted);
  EXPECT_EQ(spec.max_wait, Millis(500));
  EXPECT_EQ(spec.min_bytes, 7);
  EXPECT_EQ(spec.max_bytes, config.fetch_max_bytes);
  ASSERT_EQ(spec.partitions.size(), 1u);
  EXPECT_EQ(spec.partitions[0].partition, Orders(1));
  EXPECT_EQ(spec.partitions[0].fetch_offset, Offset(11));
}

TEST_F(FetchTest, AReplicaIdOnAClientListenerIsRefused) {
  FetchRequest old = Request({0});
  old.replica_id = 2;
  EXPECT_EQ(Call<FetchResponse>(old, 11).error_code, Code(KafkaError::kClusterAuthorizationFailed));
  EXPECT_EQ(Call<FetchResponse>(old, 5).responses[0].partitions[0].error_code,
            Code(KafkaError::kClusterAuthorizationFailed));
  FetchRequest recent = Request({0});
  recent.replica_state.replica_id = 2;
  EXPECT_EQ(Call<FetchResponse>(recent, 17).error_code,
            Code(KafkaError::kClusterAuthorizationFailed));
  EXPECT_TRUE(replicas.fetched.empty());
}

TEST_F(FetchTest, AReplicaIdOnTheReplicationListenerIsHonoured) {
  replicas.answer_fetch = nullptr;
  FetchRequest request = Request({0});
  request.replica_state.replica_id = 2;
  request.replica_state.replica_epoch = 33;
  request.topics[0].partitions[0].high_watermark = 60;
  Send(request, 18, true);
  const FetchSpec& spec = replicas.fetched.at(0);
  EXPECT_TRUE(spec.internal);
  EXPECT_EQ(spec.replica, NodeId(2));
  EXPECT_EQ(spec.replica_epoch, BrokerEpoch(33));
  EXPECT_EQ(spec.partitions[0].high_watermark, Offset(60));
}

TEST_F(FetchTest, AnErrorIsToldWithZeroLengthRecordsInEveryVersion) {
  replicas.answer_fetch = [](const FetchSpec& spec) {
    FetchResult result;
    auto& out = result.partitions.emplace_back();
    out.partition = spec.partitions.at(0).partition;
    out.status = kafka::KafkaStatus(KafkaError::kOffsetOutOfRange);
    return result;
  };
  for (int16_t version = 4; version <= 18; ++version) {
    const auto exchange = Send(Request({0}), version);
    const auto response = Answer<FetchResponse>(*exchange, version);
    const auto& partition = response.responses.at(0).partitions.at(0);
    EXPECT_EQ(partition.error_code, Code(KafkaError::kOffsetOutOfRange));
    EXPECT_EQ(partition.high_watermark, -1);
    if (version < 12) {
      // The records are the last field: a null would be ff ff ff ff.
      EXPECT_EQ(exchange->frame.substr(exchange->frame.size() - 4), std::string(4, '\0'))
          << version;
    }
  }
}

TEST_F(FetchTest, AnUnknownTopicIsToldAtOnceByNameOrId) {
  FetchRequest request = Request({0});
  request.topics.emplace_back().topic = "nothing";
  request.topics.back().topic_id = quorate::testing::TestUuid(1);
  request.topics.back().partitions.emplace_back().partition = 3;
  int slices = 0;
  const auto by_name = CallWithFiles(request, 12, &slices);
  EXPECT_EQ(replicas.fetched.back().max_wait, Micros(0));
  EXPECT_EQ(by_name.session_id, 0);
  ASSERT_EQ(by_name.responses.size(), 2u);
  EXPECT_EQ(by_name.responses[0].partitions[0].error_code,
            Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(by_name.responses[1].partitions[0].error_code, 0);
  // By id the partition's owner says so.
  CallWithFiles(request, 13, &slices);
  EXPECT_EQ(replicas.fetched.back().partitions.size(), 2u);
}

TEST_F(FetchTest, NotLeaderNamesTheNewLeaderAndItsAddressFromVersion16) {
  replicas.answer_fetch = [](const FetchSpec& spec) {
    FetchResult result;
    auto& out = result.partitions.emplace_back();
    out.partition = spec.partitions.at(0).partition;
    out.status = kafka::KafkaStatus(KafkaError::kNotLeaderOrFollower);
    out.current_leader = {NodeId(2), LeaderEpoch(4)};
    return result;
  };
  const auto response = Call<FetchResponse>(Request({0}), 16);
  EXPECT_EQ(response.responses[0].partitions[0].current_leader.leader_epoch, 4);
  ASSERT_EQ(response.node_endpoints.size(), 1u);
  EXPECT_EQ(response.node_endpoints[0].node_id, 2);
}

TEST_F(FetchTest, DivergenceAndAbortedTransactionsAreTold) {
  replicas.answer_fetch = [](const FetchSpec& spec) {
    FetchResult result;
    auto& out = result.partitions.emplace_back();
    out.partition = spec.partitions.at(0).partition;
    out.diverging = EpochEndOffset{LeaderEpoch(3), Offset(44)};
    out.aborted.push_back({ProducerId(8), Offset(1), Offset(2), Offset(2)});
    return result;
  };
  FetchRequest request = Request({0});
  request.isolation_level = 1;
  const auto response = Call<FetchResponse>(request, 12);
  const auto& partition = response.responses[0].partitions[0];
  EXPECT_EQ(partition.diverging_epoch.epoch, 3);
  EXPECT_EQ(partition.diverging_epoch.end_offset, 44);
  ASSERT_TRUE(partition.aborted_transactions.has_value());
  EXPECT_EQ(partition.aborted_transactions->at(0).producer_id, 8);
}

TEST_F(FetchTest, AFullRequestOpensASessionThatNamesOnlyNewsFromThenOn) {
  FetchRequest first = Request({0, 1});
  first.session_epoch = 0;
  const auto opened = CallWithFiles(first, 13, nullptr);
  ASSERT_NE(opened.session_id, 0);
  FetchRequest next = Request({});
  next.topics.clear();
  next.session_id = opened.session_id;
  next.session_epoch = 1;
  const auto news = CallWithFiles(next, 13, nullptr);
  EXPECT_EQ(news.session_id, opened.session_id);
  EXPECT_EQ(replicas.fetched.back().partitions.size(), 2u);
  next.session_epoch = 7;
  EXPECT_EQ(CallWithFiles(next, 13, nullptr).error_code,
            Code(KafkaError::kInvalidFetchSessionEpoch));
  next.session_id = 123456;
  EXPECT_EQ(CallWithFiles(next, 13, nullptr).error_code, Code(KafkaError::kFetchSessionIdNotFound));
}

TEST_F(FetchTest, ASessionThatKnowsATopicThatIsGoneIsEndedWhereItCannotBeNamed) {
  FetchRequest first = Request({0});
  first.session_epoch = 0;
  const auto opened = CallWithFiles(first, 12, nullptr);
  auto records = BaseRecords();
  records.push_back(quorate::testing::RemoveTopicRecord(OrdersId()));
  SetImage(records);
  FetchRequest next;
  next.max_wait_ms = 500;
  next.session_id = opened.session_id;
  next.session_epoch = 1;
  EXPECT_EQ(CallWithFiles(next, 12, nullptr).error_code, Code(KafkaError::kFetchSessionIdNotFound));
}

TEST_F(FetchTest, AWaitingFetchIsDroppedWithItsConnection) {
  replicas.answer_fetch = nullptr;
  Send(Request({0}), 12);
  Send(Request({1}), 12);
  EXPECT_EQ(replicas.parked.size(), 2u);
  ConnectionInfo other;
  other.id = 5;
  registry.OnConnectionClosed(other);
  EXPECT_EQ(replicas.parked.size(), 2u);
  ConnectionInfo closed;
  closed.id = 901;
  registry.OnConnectionClosed(closed);
  EXPECT_TRUE(replicas.parked.empty());
}

TEST_F(FetchTest, AnotherClustersFetchIsRefused) {
  FetchRequest request = Request({0});
  request.cluster_id = "somebody-elses";
  EXPECT_EQ(Call<FetchResponse>(request, 12).error_code, Code(KafkaError::kInconsistentClusterId));
}

}  // namespace
}  // namespace quorate
