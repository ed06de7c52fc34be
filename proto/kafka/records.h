// proto/kafka/records.h
//
// Records is the field of Produce requests and Fetch responses that carries record batches, as
// pieces of memory or of files: what is written goes out without a copy, what was read shares the
// frame's buffer. The bytes are opaque here.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/network.h"

namespace quorate::kafka {

// A sequence of pieces. A default one is empty and written as a field of length zero, never as
// null. Thread-compatible.
class Records {
 public:
  Records() = default;
  explicit Records(SharedBytes bytes) { Add(std::move(bytes)); }

  // Appends; an empty piece is dropped.
  void Add(SharedBytes bytes);
  void Add(FileSlice slice);

  // Bytes of all pieces together.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const std::vector<OutPiece>& pieces() const { return pieces_; }

  // The bytes of a Records with at most one piece, as reading a frame leaves it.
  // REQUIRES: no FileSlice, pieces().size() <= 1.
  SharedBytes bytes() const;

  // Same bytes if all pieces are in memory; slices of files are equal if file and range are.
  friend bool operator==(const Records& a, const Records& b);

 private:
  std::vector<OutPiece> pieces_;  // none is empty
  size_t size_ = 0;
};

}  // namespace quorate::kafka
