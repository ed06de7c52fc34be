#include "controller/image/record_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_format.h"
#include "base/uuid.h"
#include "proto/quorate/metadata.pb.h"

namespace quorate {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += absl::StrFormat("\\u%04x", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

// Ids (16 bytes) as Kafka prints them, other bytes as hexadecimal digits.
std::string BytesText(const std::string& bytes) {
  if (bytes.size() == 16) return Quoted(Uuid::FromBytes(bytes).ToString());
  std::string out;
  for (unsigned char c : bytes) out += absl::StrFormat("%02x", c);
  return Quoted(out);
}

std::string MessageText(const Message& message);

// One value; `index` is -1 for a singular field.
std::string ValueText(const Message& message, const FieldDescriptor* field, int index) {
  const auto* r = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(one ? r->GetInt32(message, field)
                                : r->GetRepeatedInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(one ? r->GetInt64(message, field)
                                : r->GetRepeatedInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value =
          one ? r->GetEnumValue(message, field) : r->GetRepeatedEnumValue(message, field, index);
      const auto* name = field->enum_type()->FindValueByNumber(value);
      return name == nullptr ? std::to_string(value) : Quoted(name->name());
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text =
          one ? r->GetString(message, field) : r->GetRepeatedString(message, field, index);
      return field->type() == FieldDescriptor::TYPE_BYTES ? BytesText(text) : Quoted(text);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageText(one ? r->GetMessage(message, field)
                             : r->GetRepeatedMessage(message, field, index));
    default:
      return "null";  // no schema of ours has other types
  }
}

std::string FieldText(const Message& message, const FieldDescriptor* field) {
  if (!field->is_repeated()) return ValueText(message, field, -1);
  std::string out = "[";
  const int size = message.GetReflection()->FieldSize(message, field);
  for (int i = 0; i < size; ++i) {
    if (i > 0) out += ",";
    out += ValueText(message, field, i);
  }
  return out + "]";
}

// `"a":1,"b":2`: the fields that are set, in the order of their numbers.
std::string FieldsText(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::string out;
  for (const FieldDescriptor* field : fields) {
    if (!out.empty()) out += ",";
    out += Quoted(field->name()) + ":" + FieldText(message, field);
  }
  return out;
}

std::string MessageText(const Message& message) {
  // A list that can be absent reads as a list.
  if (message.GetDescriptor() == pb::IntList::descriptor()) {
    return FieldText(message, message.GetDescriptor()->FindFieldByName("values"));
  }
  return "{" + FieldsText(message) + "}";
}

std::string ErrorText(const std::string& what) { return "{\"error\":" + Quoted(what) + "}"; }

}  // namespace

std::string RecordToJson(std::string_view bytes) {
  pb::MetadataRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return ErrorText(absl::StrFormat("%d bytes that are no metadata record", bytes.size()));
  }
  const auto* reflection = record.GetReflection();
  const auto* oneof = record.GetDescriptor()->FindOneofByName("record");
  const FieldDescriptor* field = reflection->GetOneofFieldDescriptor(record, oneof);
  if (field == nullptr) {
    const auto& unknown = reflection->GetUnknownFields(record);
    return ErrorText(unknown.empty() ? "an empty record"
                                     : absl::StrFormat("a record of unknown type %d",
                                                       unknown.field(0).number()));
  }
  const std::string fields = FieldsText(reflection->GetMessage(record, field));
  return "{\"type\":" + Quoted(field->name()) + (fields.empty() ? "" : "," + fields) + "}";
}

std::string CauseToJson(std::string_view bytes) {
  pb::Cause cause;
  if (!cause.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return ErrorText(absl::StrFormat("%d bytes that are no cause", bytes.size()));
  }
  return MessageText(cause);
}

}  // namespace quorate
