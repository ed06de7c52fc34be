#include "base/file_system_contract.h"
#include "tests/sim/world/contract_worlds.h"

namespace quorate::sim {
namespace {

class DiskWorld final : public FileSystemWorld {
 public:
  DiskWorld() { IgnoreStatus(files_.CreateDirectories("/disk/d")); }
  FileSystem& fs() override { return files_; }
  std::string directory() override { return "/disk/d"; }

 private:
  static void IgnoreStatus(const absl::Status&) {}
  SeededRandom random_{7};
  SimDisk disk_{random_};
  SimFileSystem files_{disk_};
};

}  // namespace
}  // namespace quorate::sim

namespace quorate {
INSTANTIATE_TYPED_TEST_SUITE_P(Sim, FileSystemContract, sim::DiskWorld);
}  // namespace quorate
