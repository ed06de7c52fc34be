#include "controller/placement.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"

namespace quorate {
namespace {

// The brokers so that neighbours are of different racks as far as possible: one of each rack in
// turn. Racks become numbers.
struct Seat {
  NodeId id;
  size_t rack;
};

std::vector<Seat> Seats(std::vector<PlacementBroker> brokers) {
  std::sort(brokers.begin(), brokers.end(),
            [](const PlacementBroker& a, const PlacementBroker& b) { return a.id < b.id; });
  std::map<std::string, std::vector<NodeId>> racks;
  for (const PlacementBroker& broker : brokers) racks[broker.rack].push_back(broker.id);
  std::vector<Seat> seats;
  for (size_t round = 0; seats.size() < brokers.size(); ++round) {
    size_t rack = 0;
    for (const auto& [name, ids] : racks) {
      if (round < ids.size()) seats.push_back({ids[round], rack});
      ++rack;
    }
  }
  return seats;
}

}  // namespace

absl::StatusOr<std::vector<ReplicaList>> PlaceReplicas(std::vector<PlacementBroker> brokers,
                                                       int32_t partitions,
                                                       int32_t replication_factor, uint64_t start) {
  QCHECK_GE(partitions, 0);
  QCHECK_GE(replication_factor, 1);
  const size_t n = brokers.size();
  const size_t wanted = static_cast<size_t>(replication_factor);
  if (n < wanted) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the replication factor of %d is larger than the number of live brokers, %d",
        replication_factor, n));
  }
  const std::vector<Seat> seats = Seats(std::move(brokers));
  std::vector<ReplicaList> out(static_cast<size_t>(partitions));
  std::vector<size_t> in_rack(n);  // replicas of this partition, by rack
  std::vector<bool> taken(n);
  for (size_t p = 0; p < out.size(); ++p) {
    std::fill(in_rack.begin(), in_rack.end(), 0);
    std::fill(taken.begin(), taken.end(), false);
    const size_t leader = (start % n + p) % n;
    const size_t shift = n > 1 ? (start / n + p / n) % (n - 1) : 0;
    const auto take = [&](size_t seat) {
      taken[seat] = true;
      ++in_rack[seats[seat].rack];
      out[p].push_back(seats[seat].id);
    };
    take(leader);
    while (out[p].size() < wanted) {
      size_t best = n;
      for (size_t step = 0; step + 1 < n; ++step) {
        const size_t seat = (leader + 1 + (shift + step) % (n - 1)) % n;
        if (taken[seat]) continue;
        if (best == n || in_rack[seats[seat].rack] < in_rack[seats[best].rack]) best = seat;
      }
      take(best);
    }
  }
  return out;
}

}  // namespace quorate
