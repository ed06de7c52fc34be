#include "cli/config/properties.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace quorate {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

// A logical line: physical lines joined at continuations, leading blanks removed.
struct LogicalLine {
  std::string text;
  int line = 0;
};

bool EndsInContinuation(std::string_view line) {
  size_t backslashes = 0;
  while (backslashes < line.size() && line[line.size() - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 1;
}

std::string_view TrimLeft(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && IsBlank(line[i])) ++i;
  return line.substr(i);
}

std::vector<LogicalLine> SplitLogicalLines(std::string_view text) {
  std::vector<LogicalLine> lines;
  std::optional<LogicalLine> open;
  int number = 0;
  size_t at = 0;
  while (at < text.size()) {
    ++number;
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line = TrimLeft(line);
    if (!open && (line.empty() || line[0] == '#' || line[0] == '!')) continue;
    const bool continues = EndsInContinuation(line);
    if (continues) line.remove_suffix(1);
    if (!open) open = LogicalLine{"", number};
    open->text += line;
    if (continues) continue;
    lines.push_back(*std::move(open));
    open.reset();
  }
  if (open) lines.push_back(*std::move(open));
  return lines;
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3f)));
  }
}

std::optional<uint32_t> Hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  for (char c : text.substr(0, 4)) {
    value <<= 4;
    if (c >= '0' && c <= '9') {
      value |= static_cast<uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value |= static_cast<uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value |= static_cast<uint32_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

// Joins a surrogate pair "D83D" + "\uDE00" found at the start of `rest`; a lone surrogate becomes
// the replacement character.
uint32_t JoinSurrogates(uint32_t first, std::string_view rest, size_t* consumed) {
  *consumed = 0;
  if (first < 0xd800 || first > 0xdfff) return first;
  if (first <= 0xdbff && rest.size() >= 6 && rest[0] == '\\' && rest[1] == 'u') {
    const std::optional<uint32_t> second = Hex4(rest.substr(2));
    if (second && *second >= 0xdc00 && *second <= 0xdfff) {
      *consumed = 6;
      return 0x10000 + ((first - 0xd800) << 10) + (*second - 0xdc00);
    }
  }
  return 0xfffd;
}

// Resolves escapes in `text`; nullopt for a malformed \u.
std::optional<std::string> Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (const char c = text[++i]; c) {
      case 't':
        out.push_back('\t');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'u': {
        const std::optional<uint32_t> code = Hex4(text.substr(i + 1));
        if (!code) return std::nullopt;
        i += 4;
        size_t consumed = 0;
        AppendUtf8(JoinSurrogates(*code, text.substr(i + 1), &consumed), &out);
        i += consumed;
        break;
      }
      default:
        out.push_back(c);
    }
  }
  return out;
}

// The raw key's end: the first '=', ':' or blank that no backslash precedes.
size_t KeyEnd(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && line[i] != '=' && line[i] != ':' && !IsBlank(line[i])) {
    i += line[i] == '\\' ? 2 : 1;
  }
  return std::min(i, line.size());
}

}  // namespace

absl::StatusOr<std::vector<Property>> ParseProperties(std::string_view text,
                                                      const std::string& source) {
  std::vector<Property> properties;
  for (const LogicalLine& line : SplitLogicalLines(text)) {
    const std::string_view whole = line.text;
    const size_t key_end = KeyEnd(whole);
    std::string_view value = TrimLeft(whole.substr(key_end));
    if (!value.empty() && (value[0] == '=' || value[0] == ':')) value = TrimLeft(value.substr(1));
    std::optional<std::string> key = Unescape(whole.substr(0, key_end));
    std::optional<std::string> plain_value = Unescape(value);
    if (!key || !plain_value) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "%s:%d: malformed \\u escape (four hex digits expected)", source, line.line));
    }
    if (key->empty()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s:%d: '%s' has no key", source, line.line, whole));
    }
    properties.push_back(Property{*std::move(key), *std::move(plain_value), line.line});
  }
  return properties;
}

}  // namespace quorate
