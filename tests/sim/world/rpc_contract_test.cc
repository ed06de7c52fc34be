#include "base/rpc_contract.h"

#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

class CallWorld final : public SimulatedWorld<RpcWorld> {
 public:
  EventLoop& server_loop() override { return server_.loop(); }
  EventLoop& client_loop() override { return client_.loop(); }
  std::unique_ptr<RpcServer> NewServer() override {
    return std::make_unique<SimRpcServer>(exchange_, server_);
  }
  std::unique_ptr<RpcClient> NewClient() override {
    return std::make_unique<SimRpcClient>(exchange_, client_);
  }
  Endpoint address() override { return {"server", 9093}; }
};

}  // namespace
}  // namespace quorate::sim

namespace quorate {
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, RpcContract, sim::CallWorld);
}  // namespace quorate
