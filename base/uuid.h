// base/uuid.h
//
// Uuid: 128 random bits that name a topic, a directory, a cluster or an incarnation. Printed as
// Kafka prints it: URL-safe base64 of the 16 bytes, 22 characters, no padding.
//
// Pure.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace quorate {

class Random;

// 16 bytes, big-endian as on the wire. The default value is all zero, which means "none".
class Uuid {
 public:
  constexpr Uuid() = default;
  constexpr explicit Uuid(const std::array<uint8_t, 16>& bytes) : bytes_(bytes) {}

  // A fresh version-4 id, never zero, never one of Kafka's reserved ids (0..99), and never one
  // whose text starts with '-' (so that it can be typed as a command line argument).
  static Uuid Generate(Random& random);

  // The inverse of ToString; nullopt if `text` is not 22 characters of URL-safe base64.
  static std::optional<Uuid> Parse(std::string_view text);

  // REQUIRES: bytes.size() == 16.
  static Uuid FromBytes(std::string_view bytes);

  std::string ToString() const;
  // The 16 bytes as a string, for protobuf fields.
  std::string ToBytes() const;
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  bool is_zero() const { return *this == Uuid(); }

  auto operator<=>(const Uuid&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Uuid& id) {
    return H::combine(std::move(h), id.bytes_);
  }
  friend std::ostream& operator<<(std::ostream& os, const Uuid& id) { return os << id.ToString(); }

 private:
  std::array<uint8_t, 16> bytes_{};
};

}  // namespace quorate

template <>
struct std::hash<quorate::Uuid> {
  size_t operator()(const quorate::Uuid& id) const noexcept;
};
