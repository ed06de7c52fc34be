// proto/kafka/testing/random_values.h
//
// Random values for the generated Randomize functions: small, with the extremes of each type.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "base/uuid.h"

namespace quorate::kafka {

class Records;

void RandomValue(bool& value, Random& random);
void RandomValue(int8_t& value, Random& random);
void RandomValue(int16_t& value, Random& random);
void RandomValue(uint16_t& value, Random& random);
void RandomValue(int32_t& value, Random& random);
void RandomValue(uint32_t& value, Random& random);
void RandomValue(int64_t& value, Random& random);
void RandomValue(std::string& value, Random& random);
void RandomValue(Uuid& value, Random& random);
void RandomValue(SharedBytes& value, Random& random);
void RandomValue(Records& value, Random& random);

}  // namespace quorate::kafka
