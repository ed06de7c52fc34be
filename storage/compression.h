// storage/compression.h
//
// The four codecs of record batches, framed as Kafka's clients frame them: gzip (one or more
// members), snappy (xerial chunks; raw snappy is read too), lz4 frames with independent blocks,
// zstd. Only tools, coordinators and lookups by time need it; the data path passes batches on as
// they are.
//
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/record_batch.h"

namespace quorate {

// REQUIRES: a codec of the enum; bytes.size() < 2^31.
std::string Compress(CompressionCodec codec, std::string_view bytes);

// The inverse. Allocates in proportion to what comes out, never to what the bytes claim.
// ERRORS: kDataLoss (not such a stream, cut short, bytes left over), kResourceExhausted (more than
// `max_bytes` would come out), kInvalidArgument (unknown codec).
absl::StatusOr<std::string> Decompress(CompressionCodec codec, std::string_view bytes,
                                       size_t max_bytes);

}  // namespace quorate
