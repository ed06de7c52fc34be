// storage/transaction_index.h
//
// The aborted transactions of one segment as the bytes of its .txnindex file
// (storage/FORMAT.md#transaction-index).
//
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/byte_order.h"
#include "storage/log_types.h"

namespace quorate {

inline constexpr size_t kAbortedTransactionBytes = 34;

inline std::string SerializeAborted(const std::vector<AbortedTransaction>& transactions) {
  std::string bytes;
  for (const AbortedTransaction& transaction : transactions) {
    AppendBe16(&bytes, 0);
    AppendBe64(&bytes, transaction.producer_id.value());
    AppendBe64(&bytes, transaction.first_offset.value());
    AppendBe64(&bytes, transaction.last_offset.value());
    AppendBe64(&bytes, transaction.last_stable_offset.value());
  }
  return bytes;
}

// ERRORS: kDataLoss (size or version).
inline absl::StatusOr<std::vector<AbortedTransaction>> ParseAborted(std::string_view bytes) {
  if (bytes.size() % kAbortedTransactionBytes != 0) {
    return absl::DataLossError("transaction index: size is no multiple of an entry's");
  }
  std::vector<AbortedTransaction> transactions;
  for (; !bytes.empty(); bytes.remove_prefix(kAbortedTransactionBytes)) {
    if (LoadBe16(bytes.data()) != 0) {
      return absl::DataLossError("transaction index: unknown version");
    }
    transactions.push_back(
        {ProducerId(LoadBe64(bytes.data() + 2)), Offset(LoadBe64(bytes.data() + 10)),
         Offset(LoadBe64(bytes.data() + 18)), Offset(LoadBe64(bytes.data() + 26))});
  }
  return transactions;
}

}  // namespace quorate
