#include "base/uuid.h"

#include <cstring>

#include "base/check.h"
#include "base/random.h"

namespace quorate {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kTextLength = 22;

uint64_t Load64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace

Uuid Uuid::Generate(Random& random) {
  while (true) {
    std::array<uint8_t, 16> bytes;
    for (size_t i = 0; i < 16; i += 8) {
      const uint64_t word = random.Next();
      std::memcpy(&bytes[i], &word, sizeof(word));
    }
    bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
    const Uuid id(bytes);
    if (id.ToString().front() != '-') return id;
  }
}

std::optional<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  uint32_t bits = 0;
  int bit_count = 0;
  size_t out = 0;
  for (char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes[out++] = static_cast<uint8_t>(bits >> bit_count);
      bits &= (1u << bit_count) - 1;
    }
  }
  QCHECK_EQ(out, 16u);
  if (bits != 0) return std::nullopt;  // Not the text of any 16 bytes.
  return Uuid(bytes);
}

Uuid Uuid::FromBytes(std::string_view bytes) {
  QCHECK_EQ(bytes.size(), 16u);
  std::array<uint8_t, 16> copy;
  std::memcpy(copy.data(), bytes.data(), 16);
  return Uuid(copy);
}

std::string Uuid::ToString() const {
  std::string text;
  text.reserve(kTextLength);
  uint32_t bits = 0;
  int bit_count = 0;
  for (uint8_t byte : bytes_) {
    bits = (bits << 8) | byte;
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      text.push_back(kAlphabet[(bits >> bit_count) & 0x3f]);
    }
    bits &= (1u << bit_count) - 1;
  }
  text.push_back(kAlphabet[(bits << (6 - bit_count)) & 0x3f]);
  return text;
}

std::string Uuid::ToBytes() const {
  return std::string(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
}

}  // namespace quorate

size_t std::hash<quorate::Uuid>::operator()(const quorate::Uuid& id) const noexcept {
  return quorate::Load64(id.bytes().data()) ^ (quorate::Load64(id.bytes().data() + 8) << 1);
}
