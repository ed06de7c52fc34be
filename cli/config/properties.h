// cli/config/properties.h
//
// Reader of Java's .properties files, the format of Kafka's server.properties: comments with '#'
// or '!', a key and a value apart by '=', ':' or blanks, '\' at a line's end continues it,
// \t \n \r \f and \uXXXX escapes.
//
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate {

// One entry, with the 1-based line it begins on.
struct Property {
  std::string key;
  std::string value;
  int line = 0;
  bool operator==(const Property&) const = default;
};

// Returns the entries in the order of the text; a key may appear more than once (the last counts).
// `source` names the text in errors. Unicode escapes become UTF-8.
// ERRORS: kInvalidArgument with source and line for a malformed \u escape or an empty key.
absl::StatusOr<std::vector<Property>> ParseProperties(std::string_view text,
                                                      const std::string& source);

}  // namespace quorate
