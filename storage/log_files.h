// storage/log_files.h
//
// Names and small texts of the files in a log's directory, beside its segments.
// Format: storage/FORMAT.md.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/uuid.h"

namespace quorate {

inline constexpr char kEpochCheckpointName[] = "leader-epoch-checkpoint";
inline constexpr char kPartitionMetadataName[] = "partition.metadata";
inline constexpr char kTruncationMarkName[] = "truncation-mark";
inline constexpr char kFlushMarkName[] = "flush-mark";

// Directory part of a path; "." if there is none.
std::string ParentOf(const std::string& path);

std::string PartitionMetadataText(const Uuid& topic_id);
// nullopt if torn or malformed.
std::optional<Uuid> ParsePartitionMetadata(std::string_view text);

// What a truncation leaves for a recovery that starts from older checkpoints.
struct TruncationMark {
  Offset end{0};             // the log was cut here: an older recovery point above it is void
  Offset start = kNoOffset;  // it was emptied, to start here: an older log start is void
};
std::string TruncationMarkText(const TruncationMark& mark);
// nullopt if malformed.
std::optional<TruncationMark> ParseTruncationMark(std::string_view text);

}  // namespace quorate
