// HandlerRegistry and ApiVersions.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "broker/handlers/handler_fixture.h"
#include "proto/kafka/messages/api_versions.h"
#include "proto/kafka/messages/init_producer_id.h"

namespace quorate {
namespace {

using kafka::ApiVersionsRequest;
using kafka::ApiVersionsResponse;
using kafka::KafkaError;

class RegistryTest : public HandlerFixture {
 protected:
  RegistryTest() {
    handler_env.sessions = &sessions;
    RegisterHandlers(registry, handler_env);
    SetImage(BaseRecords());
  }
  FetchSessionCache sessions{&loop.clock(), &random};
  static ApiVersionsRequest Request() {
    ApiVersionsRequest request;
    request.client_software_name = "tester";
    request.client_software_version = "1.0";
    return request;
  }
};

TEST_F(RegistryTest, AdvertisesExactlyWhatIsServedWithTheRangesOfTheTable) {
  const auto response = Call<ApiVersionsResponse>(Request(), 3);
  EXPECT_EQ(response.error_code, 0);
  std::map<int16_t, std::pair<int16_t, int16_t>> ranges;
  for (const auto& api : response.api_keys) {
    ranges[api.api_key] = {api.min_version, api.max_version};
  }
  const std::map<int16_t, std::pair<int16_t, int16_t>> expected = {
      {0, {0, 13}}, {1, {4, 18}}, {2, {1, 11}}, {3, {0, 13}}, {18, {0, 4}}, {19, {2, 7}},
      {20, {1, 6}}, {22, {0, 5}}, {23, {2, 4}}, {32, {1, 4}}, {37, {0, 3}}, {44, {0, 1}},
      {55, {0, 2}}, {60, {0, 2}}, {75, {0, 0}}, {80, {0, 1}}, {81, {0, 0}},
  };
  EXPECT_EQ(ranges, expected);
}

TEST_F(RegistryTest, TheReplicationListenerServesFourApisOnly) {
  std::set<int16_t> keys;
  for (const auto& api : Call<ApiVersionsResponse>(Request(), 3, true).api_keys) {
    keys.insert(api.api_key);
  }
  EXPECT_EQ(keys, (std::set<int16_t>{1, 2, 18, 23}));
  const auto exchange = Send(kafka::InitProducerIdRequest(), 4, true);
  EXPECT_FALSE(exchange->closed.ok());
}

TEST_F(RegistryTest, ApiVersionsOfAnUnknownVersionIsAnsweredInVersion0WithItsOwnRange) {
  // Key 18, version 99, correlation id 42, null client id, no tags, and whatever that version has.
  const std::string frame("\0\x12\0\x63\0\0\0\x2a\xff\xff\0\x07\x08\x09", 14);
  const auto exchange = SendFrame(frame);
  const auto response = Answer<ApiVersionsResponse>(*exchange, 0);
  EXPECT_EQ(response.error_code, Code(KafkaError::kUnsupportedVersion));
  ASSERT_EQ(response.api_keys.size(), 1u);
  EXPECT_EQ(response.api_keys[0].api_key, 18);
  EXPECT_EQ(response.api_keys[0].max_version, 4);
}

TEST_F(RegistryTest, FinalizedFeaturesAreTheClusters) {
  const auto response = Call<ApiVersionsResponse>(Request(), 4);
  std::map<std::string, int> finalized;
  for (const auto& feature : response.finalized_features) {
    finalized[feature.name] = feature.max_version_level;
  }
  EXPECT_EQ(finalized, (std::map<std::string, int>{{"eligible.leader.replicas.version", 1},
                                                   {"kraft.version", 1},
                                                   {"metadata.version", 30}}));
  EXPECT_GE(response.finalized_features_epoch, 0);
  EXPECT_EQ(response.supported_features.size(), 3u);
}

TEST_F(RegistryTest, BeforeVersion4SupportedFeaturesWithMinimum0AreLeftOut) {
  for (const auto& feature : Call<ApiVersionsResponse>(Request(), 3).supported_features) {
    EXPECT_GT(feature.min_version, 0) << feature.name;
  }
}

TEST_F(RegistryTest, AMalformedSoftwareNameIsAnInvalidRequest) {
  ApiVersionsRequest request = Request();
  request.client_software_name = "bad name";
  EXPECT_EQ(Call<ApiVersionsResponse>(request, 3).error_code, Code(KafkaError::kInvalidRequest));
}

TEST_F(RegistryTest, AnUnknownKeyOrVersionClosesTheConnection) {
  EXPECT_FALSE(SendFrame(std::string("\x7f\x7f\0\0\0\0\0\x01\xff\xff", 10))->closed.ok());
  // Produce 2 is advertised but not served; Heartbeat (12) has no handler here.
  EXPECT_FALSE(SendFrame(std::string("\0\0\0\x02\0\0\0\x01\xff\xff", 10))->closed.ok());
  EXPECT_FALSE(SendFrame(std::string("\0\x0c\0\x01\0\0\0\x01\xff\xff", 10))->closed.ok());
}

TEST_F(RegistryTest, RandomFramesAreAnsweredOrCloseTheConnection) {
  SeededRandom bytes(3);
  for (int i = 0; i < 5000; ++i) {
    std::string frame(bytes.Below(60), '\0');
    for (char& c : frame) c = static_cast<char>(bytes.Next());
    if (frame.size() > 4 && bytes.Chance(0.8)) {
      frame[0] = 0;
      frame[1] = static_cast<char>(bytes.Below(76));
      frame[2] = 0;
      frame[3] = static_cast<char>(bytes.Below(19));
    }
    SendFrame(frame);
    exchanges.clear();
    replicas.appends.clear();
  }
}

}  // namespace
}  // namespace quorate
