#include "storage/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "storage/byte_order.h"

namespace quorate {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
constexpr size_t kXerialHeaderBytes = 16;  // magic, version i32, compatible version i32
constexpr size_t kXerialBlockBytes = 32 << 10;

absl::Status Broken(const char* codec, const char* what) {
  return absl::DataLossError(absl::StrFormat("%s: %s", codec, what));
}

absl::Status TooMuch(size_t max_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrFormat("decompressed batch exceeds %d bytes", max_bytes));
}

// Makes room for another chunk behind the `used` bytes of `*out`; false at the limit.
bool Grow(std::string* out, size_t used, size_t max_bytes) {
  // One byte above the limit is enough to see that it is exceeded.
  const size_t step = std::max(kChunk, used);
  const size_t size = std::min(used + step, max_bytes + 1);
  if (size <= used) return false;
  out->resize(size);
  return true;
}

std::string GzipCompress(std::string_view bytes) {
  z_stream stream{};
  QCHECK_EQ(
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  QCHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct InflateEnd {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

absl::StatusOr<std::string> GzipDecompress(std::string_view bytes, size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Broken("gzip", "cannot start");
  const std::unique_ptr<z_stream, InflateEnd> guard(&stream);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  size_t used = 0;
  while (true) {
    if (used == out.size() && !Grow(&out, used, max_bytes)) return TooMuch(max_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + used);
    stream.avail_out = static_cast<uInt>(out.size() - used);
    const int result = inflate(&stream, Z_NO_FLUSH);
    used = out.size() - stream.avail_out;
    if (used > max_bytes) return TooMuch(max_bytes);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      if (inflateReset(&stream) != Z_OK) return Broken("gzip", "cannot restart");  // next member
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Broken("gzip", "bad stream");
    } else if (stream.avail_in == 0 && stream.avail_out != 0) {
      return Broken("gzip", "cut short");
    }
  }
  out.resize(used);
  return out;
}

std::string SnappyCompress(std::string_view bytes) {
  std::string out(kXerialMagic);
  AppendBe32(&out, 1);
  AppendBe32(&out, 1);
  while (!bytes.empty()) {
    const std::string_view block = bytes.substr(0, kXerialBlockBytes);
    std::string compressed;
    snappy::Compress(block.data(), block.size(), &compressed);
    AppendBe32(&out, static_cast<int32_t>(compressed.size()));
    out += compressed;
    bytes.remove_prefix(block.size());
  }
  return out;
}

absl::Status SnappyBlock(std::string_view block, size_t max_bytes, std::string* out) {
  size_t length = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &length)) {
    return Broken("snappy", "bad block");
  }
  if (length > max_bytes - out->size()) return TooMuch(max_bytes);
  // Snappy expands a byte to fewer than 32; a larger claim is false, do not allocate for it.
  if (length / 32 > block.size()) return Broken("snappy", "impossible length");
  const size_t used = out->size();
  out->resize(used + length);
  if (!snappy::RawUncompress(block.data(), block.size(), out->data() + used)) {
    return Broken("snappy", "bad block");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SnappyDecompress(std::string_view bytes, size_t max_bytes) {
  std::string out;
  if (bytes.substr(0, kXerialMagic.size()) != kXerialMagic) {
    Q_RETURN_IF_ERROR(SnappyBlock(bytes, max_bytes, &out));
    return out;
  }
  if (bytes.size() < kXerialHeaderBytes) return Broken("snappy", "cut short");
  bytes.remove_prefix(kXerialHeaderBytes);
  while (!bytes.empty()) {
    if (bytes.size() < 4) return Broken("snappy", "cut short");
    const int32_t length = LoadBe32(bytes.data());
    bytes.remove_prefix(4);
    if (length < 0 || static_cast<size_t>(length) > bytes.size()) {
      return Broken("snappy", "block cut short");
    }
    Q_RETURN_IF_ERROR(SnappyBlock(bytes.substr(0, static_cast<size_t>(length)), max_bytes, &out));
    bytes.remove_prefix(static_cast<size_t>(length));
  }
  return out;
}

std::string Lz4Compress(std::string_view bytes) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // Java's reader knows no other
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  std::string out(LZ4F_compressFrameBound(bytes.size(), &preferences), '\0');
  const size_t size =
      LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), &preferences);
  QCHECK(!LZ4F_isError(size));
  out.resize(size);
  return out;
}

struct Lz4Free {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

absl::StatusOr<std::string> Lz4Decompress(std::string_view bytes, size_t max_bytes) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) {
    return Broken("lz4", "cannot start");
  }
  const std::unique_ptr<LZ4F_dctx, Lz4Free> context(raw);
  std::string out;
  size_t used = 0;
  while (true) {
    if (used == out.size() && !Grow(&out, used, max_bytes)) return TooMuch(max_bytes);
    size_t produced = out.size() - used;
    size_t consumed = bytes.size();
    const size_t hint = LZ4F_decompress(context.get(), out.data() + used, &produced, bytes.data(),
                                        &consumed, nullptr);
    if (LZ4F_isError(hint)) return Broken("lz4", "bad frame");
    used += produced;
    bytes.remove_prefix(consumed);
    if (used > max_bytes) return TooMuch(max_bytes);
    if (hint == 0 && bytes.empty()) break;  // end of the (last) frame
    if (hint != 0 && bytes.empty() && used < out.size()) return Broken("lz4", "cut short");
    if (consumed == 0 && produced == 0) return Broken("lz4", "no progress");
  }
  out.resize(used);
  return out;
}

std::string ZstdCompress(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3);
  QCHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

absl::StatusOr<std::string> ZstdDecompress(std::string_view bytes, size_t max_bytes) {
  const std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  // Refuses windows above 128 MiB instead of allocating them.
  if (context == nullptr ||
      ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 27))) {
    return Broken("zstd", "cannot start");
  }
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string out;
  size_t used = 0;
  while (true) {
    if (used == out.size() && !Grow(&out, used, max_bytes)) return TooMuch(max_bytes);
    ZSTD_outBuffer piece{out.data() + used, out.size() - used, 0};
    const size_t hint = ZSTD_decompressStream(context.get(), &piece, &in);
    if (ZSTD_isError(hint)) return Broken("zstd", ZSTD_getErrorName(hint));
    used += piece.pos;
    if (used > max_bytes) return TooMuch(max_bytes);
    if (hint == 0 && in.pos == in.size) break;
    if (in.pos == in.size && piece.pos < piece.size) return Broken("zstd", "cut short");
  }
  out.resize(used);
  return out;
}

}  // namespace

std::string Compress(CompressionCodec codec, std::string_view bytes) {
  switch (codec) {
    case CompressionCodec::kNone:
      return std::string(bytes);
    case CompressionCodec::kGzip:
      return GzipCompress(bytes);
    case CompressionCodec::kSnappy:
      return SnappyCompress(bytes);
    case CompressionCodec::kLz4:
      return Lz4Compress(bytes);
    case CompressionCodec::kZstd:
      return ZstdCompress(bytes);
  }
  internal::CheckFailed(__FILE__, __LINE__, "known codec", "");
}

absl::StatusOr<std::string> Decompress(CompressionCodec codec, std::string_view bytes,
                                       size_t max_bytes) {
  switch (codec) {
    case CompressionCodec::kNone:
      if (bytes.size() > max_bytes) return TooMuch(max_bytes);
      return std::string(bytes);
    case CompressionCodec::kGzip:
      return GzipDecompress(bytes, max_bytes);
    case CompressionCodec::kSnappy:
      return SnappyDecompress(bytes, max_bytes);
    case CompressionCodec::kLz4:
      return Lz4Decompress(bytes, max_bytes);
    case CompressionCodec::kZstd:
      return ZstdDecompress(bytes, max_bytes);
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("unknown compression codec %d", static_cast<int>(codec)));
}

}  // namespace quorate
