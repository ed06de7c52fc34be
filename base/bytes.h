// base/bytes.h
//
// SharedBytes: a view of bytes together with what keeps them alive. Frames read from a socket,
// batches cut out of them and pieces of a reply travel as SharedBytes, without a copy.
//
// Byte sequences are std::string_view throughout (char, no meaning of text implied).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace quorate {

// Immutable bytes, cheap to copy and to slice. The bytes stay valid and unchanged as long as any
// copy lives. Thread-safe as far as shared_ptr is.
class SharedBytes {
 public:
  SharedBytes() = default;
  // `view` must lie within what `owner` keeps alive. A null owner means static storage.
  SharedBytes(std::shared_ptr<const void> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  static SharedBytes FromString(std::string bytes) {
    auto owner = std::make_shared<const std::string>(std::move(bytes));
    std::string_view view = *owner;
    return SharedBytes(std::move(owner), view);
  }
  static SharedBytes Copy(std::string_view bytes) { return FromString(std::string(bytes)); }

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }

  // The `length` bytes from `position`; shares ownership.
  // REQUIRES: position + length <= size().
  SharedBytes Slice(size_t position, size_t length) const {
    QCHECK_LE(position, size());
    QCHECK_LE(length, size() - position);
    return SharedBytes(owner_, view_.substr(position, length));
  }

  // Same bytes, whoever owns them.
  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return a.view_ == b.view_; }

  // A view of bytes that `this` keeps alive, e.g. a field that a decoder cut out of it.
  SharedBytes Wrap(std::string_view inner) const { return SharedBytes(owner_, inner); }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view view_;
};

}  // namespace quorate
