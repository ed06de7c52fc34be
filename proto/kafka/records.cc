#include "proto/kafka/records.h"

#include <string>
#include <tuple>

#include "base/check.h"

namespace quorate::kafka {
namespace {

// The pieces with neighbouring ones in memory joined.
struct Flat {
  std::vector<std::string> memory{""};  // before, between and after the slices
  std::vector<std::tuple<const File*, int64_t, size_t>> slices;
  bool operator==(const Flat&) const = default;
};

Flat Flatten(const std::vector<OutPiece>& pieces) {
  Flat flat;
  for (const OutPiece& piece : pieces) {
    if (const auto* bytes = std::get_if<SharedBytes>(&piece)) {
      flat.memory.back().append(bytes->view());
    } else {
      const auto& slice = std::get<FileSlice>(piece);
      flat.slices.emplace_back(slice.file.get(), slice.offset, slice.length);
      flat.memory.emplace_back();
    }
  }
  return flat;
}

}  // namespace

void Records::Add(SharedBytes bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  pieces_.emplace_back(std::move(bytes));
}

void Records::Add(FileSlice slice) {
  if (slice.length == 0) return;
  size_ += slice.length;
  pieces_.emplace_back(std::move(slice));
}

SharedBytes Records::bytes() const {
  QCHECK_LE(pieces_.size(), 1u);
  if (pieces_.empty()) return SharedBytes();
  const auto* bytes = std::get_if<SharedBytes>(&pieces_.front());
  QCHECK(bytes != nullptr);
  return *bytes;
}

bool operator==(const Records& a, const Records& b) {
  return a.size_ == b.size_ && Flatten(a.pieces_) == Flatten(b.pieces_);
}

}  // namespace quorate::kafka
