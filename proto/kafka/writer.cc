#include "proto/kafka/writer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/network.h"
#include "proto/kafka/reader.h"
#include "proto/kafka/records.h"

namespace quorate::kafka {
namespace {

constexpr size_t kInitialCapacity = 256;
constexpr size_t kMaxLength = std::numeric_limits<int32_t>::max() - 1;

}  // namespace

// `piece` belongs before the byte of the buffer at `position`.
struct Writer::Splice {
  size_t position;
  OutPiece piece;
};

Writer::Writer() = default;
Writer::~Writer() = default;
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;

void Writer::Grow(size_t n) {
  const size_t capacity = std::max({kInitialCapacity, capacity_ * 2, size_ + n});
  auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
  if (buffer_ != nullptr) std::memcpy(bigger.get(), buffer_.get(), size_);
  buffer_ = std::move(bigger);
  capacity_ = capacity;
}

void Writer::Raw(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(Extend(bytes.size()), bytes.data(), bytes.size());
}

void Writer::Uuid128(const Uuid& value) {
  std::memcpy(Extend(value.bytes().size()), value.bytes().data(), value.bytes().size());
}

void Writer::Varint(uint32_t value) {
  while (value >= 0x80) {
    Fixed<1>(value | 0x80);
    value >>= 7;
  }
  Fixed<1>(value);
}

void Writer::String(std::string_view value, bool flexible) {
  value = value.substr(0, kMaxStringLength);
  if (flexible) {
    Varint(static_cast<uint32_t>(value.size()) + 1);
  } else {
    Int16(static_cast<int16_t>(value.size()));
  }
  Raw(value);
}

void Writer::NullableString(const std::optional<std::string>& value, bool flexible, bool null_ok) {
  if (value.has_value() || !null_ok) {
    String(value.has_value() ? std::string_view(*value) : std::string_view(), flexible);
  } else if (flexible) {
    Varint(0);
  } else {
    Int16(-1);
  }
}

void Writer::Length(size_t length, bool flexible) {
  QCHECK_LE(length, kMaxLength);
  if (flexible) {
    Varint(static_cast<uint32_t>(length) + 1);
  } else {
    Int32(static_cast<int32_t>(length));
  }
}

void Writer::Bytes(const SharedBytes& value, bool flexible) {
  Length(value.size(), flexible);
  Raw(value.view());
}

void Writer::NullableBytes(const std::optional<SharedBytes>& value, bool flexible, bool null_ok) {
  if (value.has_value()) {
    Bytes(*value, flexible);
  } else if (null_ok) {
    NullCount(flexible);
  } else {
    Length(0, flexible);
  }
}

void Writer::RecordSet(const Records& value, bool flexible) {
  Length(value.size(), flexible);
  for (const OutPiece& piece : value.pieces()) splices_.push_back({size_, piece});
  spliced_ += value.size();
}

void Writer::Count(size_t count, bool flexible) { Length(count, flexible); }

void Writer::NullCount(bool flexible) {
  if (flexible) {
    Varint(0);
  } else {
    Int32(-1);
  }
}

void Writer::Tag(uint32_t id, const Writer& content) {
  QCHECK(content.splices_.empty());
  QCHECK_LE(content.size(), kMaxLength);
  Varint(id);
  Varint(static_cast<uint32_t>(content.size()));
  if (content.size() > 0) Raw({content.buffer_.get() + kHeadroom, content.size()});
}

std::vector<OutPiece> Writer::TakePieces(size_t begin) {
  if (capacity_ == 0) Grow(0);
  const std::shared_ptr<const char[]> owner(std::move(buffer_));
  const SharedBytes whole(owner, std::string_view(owner.get(), size_));
  std::vector<OutPiece> pieces;
  pieces.reserve(splices_.size() * 2 + 1);
  for (Splice& splice : splices_) {
    if (splice.position > begin) pieces.push_back(whole.Slice(begin, splice.position - begin));
    begin = splice.position;
    pieces.push_back(std::move(splice.piece));
  }
  if (size_ > begin) pieces.push_back(whole.Slice(begin, size_ - begin));
  *this = Writer();
  return pieces;
}

std::vector<OutPiece> Writer::Finish() { return TakePieces(kHeadroom); }

std::vector<OutPiece> Writer::FinishFrame() {
  const size_t total = size();
  QCHECK_LE(total, kMaxLength);
  if (capacity_ == 0) Grow(0);
  for (size_t i = 0; i < kHeadroom; ++i) {
    buffer_[i] = static_cast<char>(total >> (8 * (kHeadroom - 1 - i)));
  }
  return TakePieces(0);
}

std::string Writer::ToString() const {
  std::string joined;
  joined.reserve(size());
  size_t begin = kHeadroom;
  const auto append_until = [&](size_t end) {
    if (end > begin) joined.append(buffer_.get() + begin, end - begin);
    begin = end;
  };
  for (const Splice& splice : splices_) {
    append_until(splice.position);
    const auto* bytes = std::get_if<SharedBytes>(&splice.piece);
    QCHECK(bytes != nullptr);
    joined.append(bytes->view());
  }
  append_until(size_);
  return joined;
}

}  // namespace quorate::kafka
