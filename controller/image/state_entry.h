// controller/image/state_entry.h
//
// The canonical bytes of each entry of a metadata image, from which StateHash is computed. They
// are never stored: both ends of a comparison run code that agrees on them, or differ by version.
//
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "controller/image/metadata_image.h"

namespace quorate {

// Every field is in the entry, so that two different states have different bytes.
std::string StateEntry(const BrokerImage& broker);
std::string StateEntry(const TopicImage& topic);  // without its partitions
std::string StateEntry(const Uuid& topic, PartitionIndex index, const PartitionState& state);
std::string StateEntry(const ConfigResource& resource, std::string_view key,
                       std::string_view value);
// Of `next` > 0 only: an image that gave no id away has no such entry.
std::string ProducerIdsEntry(ProducerId next);
std::string FeatureEntry(std::string_view name, int32_t level);

}  // namespace quorate
