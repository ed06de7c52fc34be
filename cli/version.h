// cli/version.h
#pragma once

#include <string_view>

namespace quorate {

// The first word is the level of Kafka whose tools and clients are served.
inline constexpr std::string_view kVersion = "4.3.1 (quorate 0.1.0)";

}  // namespace quorate
