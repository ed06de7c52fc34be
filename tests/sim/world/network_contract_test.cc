#include "base/network_contract.h"

#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

class StreamWorld final : public SimulatedWorld<NetworkWorld> {
 public:
  StreamWorld() {
    internet_.AddHost("server");
    internet_.AddHost("client");
    internet_.AddHost("hole");
    links_.Cut("client", "hole");
    EXPECT_TRUE(files_.CreateDirectories("/d").ok());
  }
  EventLoop& server_loop() override { return server_.loop(); }
  Network& server() override { return server_network_; }
  EventLoop& client_loop() override { return client_.loop(); }
  Network& client() override { return client_network_; }
  Endpoint server_address() override { return {"server", 0}; }
  Endpoint foreign_address() override { return {"hole", 0}; }
  std::string unknown_host() override { return "nowhere"; }
  std::optional<Endpoint> black_hole() override { return Endpoint{"hole", 9092}; }
  FileSystem& fs() override { return files_; }
  std::string directory() override { return "/d"; }

 private:
  SimNetwork server_network_{internet_, server_};
  SimNetwork client_network_{internet_, client_};
};

}  // namespace
}  // namespace quorate::sim

namespace quorate {
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, NetworkContract, sim::StreamWorld);
}  // namespace quorate
