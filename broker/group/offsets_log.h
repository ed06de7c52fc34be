// broker/group/offsets_log.h
//
// OffsetsLog is the topic __consumer_offsets as the group coordinator sees it: partitions it may
// lead, records appended to and read from them.
//
// Owned by the coordinator's loop. Callbacks come on that loop, within the call or later, each at
// most once; they may call OffsetsLog again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"

namespace quorate {

inline constexpr std::string_view kOffsetsTopic = "__consumer_offsets";

// A record of a coordinator; nullopt = a tombstone.
struct LogRecord {
  std::string key;
  std::optional<std::string> value;
  bool operator==(const LogRecord&) const = default;
};

class OffsetsLog {
 public:
  // Hears who leads. Calls come in order, as tasks of their own; what they say may be history by
  // then, so Find tells what is true now.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnBecomeLeader(PartitionIndex partition, LeaderEpoch epoch) = 0;
    virtual void OnStopLeading(PartitionIndex partition) = 0;
    virtual void OnHighWatermark(PartitionIndex partition, Offset high_watermark) = 0;
  };

  struct Positions {
    LeaderEpoch epoch = kNoLeaderEpoch;
    Offset start{0};
    Offset high_watermark{0};
    Offset end{0};  // exclusive
  };

  struct Chunk {
    std::vector<LogRecord> records;
    // Where to read on; > the offset asked for unless nothing lies below `upper`.
    Offset next{0};
  };

  virtual ~OffsetsLog() = default;

  // `observer` outlives this or is taken back with nullptr.
  virtual void Observe(Observer* observer) = 0;

  // nullopt unless this broker leads the partition and its log is open.
  virtual std::optional<Positions> Find(PartitionIndex partition) const = 0;

  // Appends the records as one batch, if this broker leads in `epoch`. OK once they are committed;
  // commits of one partition come in the order of the calls. After an error the records may be in
  // the log all the same.
  // ERRORS: those of AppendOutcome::status.
  using AppendDone = absl::AnyInvocable<void(const absl::Status&)>;
  virtual void Append(PartitionIndex partition, LeaderEpoch epoch,
                      const std::vector<LogRecord>& records, AppendDone done) = 0;

  // Reads records in [from, upper), about `max_bytes` of them. Control records are left out.
  // ERRORS: kNotFound, kOutOfRange, kDataLoss.
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Chunk>)>;
  virtual void Read(PartitionIndex partition, Offset from, Offset upper, int64_t max_bytes,
                    ReadDone done) = 0;
};

}  // namespace quorate
