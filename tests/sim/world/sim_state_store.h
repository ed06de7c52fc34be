// tests/sim/world/sim_state_store.h
//
// The StateStore on the simulated disk: a map in memory, and a file of the batches that made it.
// What was not flushed is lost or torn in a crash of the machine like any other file; what is left
// of it is, as RocksDB has it, a prefix of the batches or, now and then, a store that says it is
// damaged.
#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/random.h"
#include "base/state_store.h"

namespace quorate::sim {

class SimStateStores final : public StateStores {
 public:
  // Both outlive the stores. `damage` is the chance that a torn store is damaged as a whole.
  SimStateStores(FileSystem& files, Random& random, double damage = 0.3)
      : files_(files), random_(random), damage_(damage) {}

  absl::StatusOr<std::unique_ptr<StateStore>> Open(const std::string& directory) override;

 private:
  FileSystem& files_;
  Random& random_;
  const double damage_;
};

}  // namespace quorate::sim
