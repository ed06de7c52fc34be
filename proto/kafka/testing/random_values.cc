#include "proto/kafka/testing/random_values.h"

#include <array>
#include <limits>

#include "proto/kafka/records.h"

namespace quorate::kafka {
namespace {

template <typename T>
T RandomInteger(Random& random) {
  switch (random.Below(6)) {
    case 0:
      return std::numeric_limits<T>::min();
    case 1:
      return std::numeric_limits<T>::max();
    case 2:
      return 0;
    case 3:
      return static_cast<T>(-1);
    default:
      return static_cast<T>(random.Next());
  }
}

// Now and then long enough for a two-byte compact length.
std::string RandomString(Random& random) {
  std::string value(random.Below(random.Chance(0.02) ? 300 : 8), '\0');
  for (char& c : value) c = static_cast<char>(random.Next());
  return value;
}

}  // namespace

void RandomValue(bool& value, Random& random) { value = random.Chance(0.5); }
void RandomValue(int8_t& value, Random& random) { value = RandomInteger<int8_t>(random); }
void RandomValue(int16_t& value, Random& random) { value = RandomInteger<int16_t>(random); }
void RandomValue(uint16_t& value, Random& random) { value = RandomInteger<uint16_t>(random); }
void RandomValue(int32_t& value, Random& random) { value = RandomInteger<int32_t>(random); }
void RandomValue(uint32_t& value, Random& random) { value = RandomInteger<uint32_t>(random); }
void RandomValue(int64_t& value, Random& random) { value = RandomInteger<int64_t>(random); }
void RandomValue(std::string& value, Random& random) { value = RandomString(random); }

void RandomValue(Uuid& value, Random& random) {
  std::array<uint8_t, 16> bytes{};
  if (random.Chance(0.8)) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.Next());
  }
  value = Uuid(bytes);
}

void RandomValue(SharedBytes& value, Random& random) {
  value = SharedBytes::FromString(RandomString(random));
}

void RandomValue(Records& value, Random& random) {
  value = Records();
  for (uint64_t n = random.Below(3); n > 0; --n) {
    value.Add(SharedBytes::FromString(RandomString(random)));
  }
}

}  // namespace quorate::kafka
