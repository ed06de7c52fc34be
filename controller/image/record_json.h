// controller/image/record_json.h
//
// Records of the metadata log as JSON, for people and tools (dump, diff, the console).
//
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace quorate {

// One line: {"type":"topic","name":"a","topic_id":"..."}; ids as Kafka prints them, fields in the
// order of the schema, defaults left out. Bytes that are no record give {"error":"..."}.
std::string RecordToJson(std::string_view record);

// The same for a serialised pb::Cause.
std::string CauseToJson(std::string_view cause);

}  // namespace quorate
