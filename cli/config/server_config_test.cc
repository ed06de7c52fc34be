#include "cli/config/server_config.h"

#include "cli/config/config_keys.h"
#include "gtest/gtest.h"

namespace quorate {
namespace {

constexpr char kCombined[] =
    "process.roles=broker,controller\n"
    "node.id=1\n"
    "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
    "controller.listener.names=CONTROLLER\n"
    "controller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.1:9193\n"
    "log.dirs=/data/a, /data/b\n";

struct Parsed {
  absl::StatusOr<ServerConfig> config;
  std::vector<std::string> warnings;
};

Parsed Parse(const std::string& text, std::vector<std::string> overrides = {}) {
  Parsed parsed{absl::UnknownError(""), {}};
  parsed.config = ParseServerConfig(text, "server.properties", overrides, &parsed.warnings);
  return parsed;
}

std::string ErrorOf(const std::string& text, std::vector<std::string> overrides = {}) {
  Parsed parsed = Parse(text, std::move(overrides));
  EXPECT_FALSE(parsed.config.ok());
  EXPECT_EQ(parsed.config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.config.status().message());
}

void ExpectContains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\n  lacks: " << part;
}

TEST(ServerConfigTest, ReadsACombinedNode) {
  Parsed parsed = Parse(kCombined);
  ASSERT_TRUE(parsed.config.ok()) << parsed.config.status();
  const ServerConfig& config = *parsed.config;
  EXPECT_TRUE(config.is_broker);
  EXPECT_TRUE(config.is_controller);
  EXPECT_EQ(config.node_id, NodeId(1));
  ASSERT_EQ(config.client_listeners.size(), 1u);
  EXPECT_EQ(config.client_listeners[0].bind, (Endpoint{"127.0.0.1", 9092}));
  EXPECT_EQ(config.controller_listener->bind.port, 9093);
  ASSERT_EQ(config.voters.size(), 2u);
  EXPECT_EQ(config.voters[1].endpoint.ToString(), "127.0.0.1:9193");
  EXPECT_EQ(config.log_dirs, (std::vector<std::string>{"/data/a", "/data/b"}));
  EXPECT_EQ(config.metadata_log_dir, "/data/a");
  EXPECT_TRUE(parsed.warnings.empty());
}

TEST(ServerConfigTest, KafkasDefaultsHold) {
  const ServerConfig config = *Parse(kCombined).config;
  EXPECT_EQ(config.Int("num.partitions"), 1);
  EXPECT_TRUE(config.Bool("auto.create.topics.enable"));
  EXPECT_EQ(config.Text("quorate.default.durability"), "flush-before-ack");
}

TEST(ServerConfigTest, UnknownKeyIsAWarningThatNamesTheNearest) {
  Parsed parsed = Parse(std::string(kCombined) + "log.retention.byte=5\n");
  ASSERT_TRUE(parsed.config.ok());
  ASSERT_EQ(parsed.warnings.size(), 1u);
  ExpectContains(parsed.warnings[0], "server.properties:7");
  ExpectContains(parsed.warnings[0], "log.retention.bytes");
}

TEST(ServerConfigTest, UnknownKeyOfOursStopsTheStart) {
  ExpectContains(ErrorOf(std::string(kCombined) + "quorate.default.durabilty=os\n"),
                 "quorate.default.durability");
}

TEST(ServerConfigTest, KeyWithoutEffectIsAWarningThatSaysWhy) {
  Parsed parsed = Parse(std::string(kCombined) + "num.io.threads=8\n");
  ASSERT_EQ(parsed.warnings.size(), 1u);
  ExpectContains(parsed.warnings[0], "no effect");
}

TEST(ServerConfigTest, BadValueNamesFileLineKeyValueAndWhatIsAllowed) {
  const std::string error = ErrorOf(std::string(kCombined) + "num.partitions=zero\n");
  for (const char* part : {"server.properties:7", "num.partitions=zero", "from 1 to 10000"}) {
    ExpectContains(error, part);
  }
  ExpectContains(ErrorOf(std::string(kCombined) + "auto.create.topics.enable=yes\n"),
                 "true or false");
}

TEST(ServerConfigTest, OverridesWinOverTheFile) {
  EXPECT_EQ(Parse(kCombined, {"node.id=2"}).config->node_id, NodeId(2));
  ExpectContains(ErrorOf(kCombined, {"node.id"}), "key=value");
}

TEST(ServerConfigTest, MissingEssentialsAreNamed) {
  ExpectContains(ErrorOf("node.id=1\n"), "process.roles");
  ExpectContains(ErrorOf("process.roles=broker\n"), "node.id");
  ExpectContains(ErrorOf("process.roles=broker\nnode.id=1\nlisteners=PLAINTEXT://localhost:1\n"),
                 "controller.quorum.voters");
}

TEST(ServerConfigTest, ControllerMustBeAVoterAndABrokerMustNot) {
  ExpectContains(ErrorOf(kCombined, {"node.id=9"}), "must list this controller");
  ExpectContains(ErrorOf(kCombined, {"process.roles=broker"}), "no controller");
}

TEST(ServerConfigTest, OpenPlaintextListenerNeedsTheSwitch) {
  const std::vector<std::string> open = {"listeners=PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093"};
  ExpectContains(ErrorOf(kCombined, open), "quorate.allow.insecure.listeners");
  std::vector<std::string> allowed = open;
  allowed.push_back("quorate.allow.insecure.listeners=true");
  EXPECT_TRUE(Parse(kCombined, allowed).config.ok());
}

TEST(ServerConfigTest, AdvertisedListenersMustExistAndBeReachable) {
  EXPECT_EQ(Parse(kCombined, {"advertised.listeners=PLAINTEXT://host1:19092"})
                .config->client_listeners[0]
                .advertised,
            (Endpoint{"host1", 19092}));
  ExpectContains(ErrorOf(kCombined, {"advertised.listeners=OTHER://host1:1"}), "OTHER");
  ExpectContains(ErrorOf(kCombined, {"advertised.listeners=PLAINTEXT://:19092"}), "all interfaces");
}

TEST(ServerConfigTest, EndpointsParse) {
  EXPECT_EQ(ParseEndpoint("h:1"), (Endpoint{"h", 1}));
  EXPECT_EQ(ParseEndpoint("[::1]:9092"), (Endpoint{"::1", 9092}));
  EXPECT_EQ(ParseEndpoint(":9092"), (Endpoint{"", 9092}));
  EXPECT_FALSE(ParseEndpoint("h:65536"));
  EXPECT_FALSE(ParseEndpoint("h"));
  EXPECT_FALSE(ParseEndpoint("::1:9092"));
}

TEST(ConfigKeysTest, NearestNeedsSomeLikeness) {
  EXPECT_EQ(NearestConfigKey("num.partition"), "num.partitions");
  EXPECT_FALSE(NearestConfigKey("zzz"));
}

TEST(ConfigKeysTest, EveryDefaultIsAllowed) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.default_value.empty()) continue;
    EXPECT_TRUE(CheckConfigValue(key, key.default_value).ok()) << key.name;
  }
}

}  // namespace
}  // namespace quorate
