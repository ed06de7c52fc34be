// controller/image/entry_records.h
//
// One entry of an image as the records that rebuild it: what snapshots and the state store are
// made of (image_records.h says how they are read back). Serialised pb::MetadataRecords.
//
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/uuid.h"
#include "controller/image/metadata_image.h"

namespace quorate {

// One record or two: in this order.
std::vector<std::string> RecordsOf(const BrokerImage& broker);
// The topic without its partitions, which follow it in the order of their numbers.
std::string RecordOf(const TopicImage& topic);
std::string RecordOf(const Uuid& topic, PartitionIndex index, const PartitionState& state);
std::string RecordOf(const ConfigResource& resource, std::string_view key, std::string_view value);
std::string RecordOfProducerIds(ProducerId next);
std::string RecordOfFeature(std::string_view name, int32_t level);

}  // namespace quorate
