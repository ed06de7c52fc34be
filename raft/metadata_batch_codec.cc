#include "raft/metadata_batch_codec.h"

#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/voters_record.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

constexpr std::string_view kCauseHeader = "cause";

}  // namespace

std::string EncodeMetadataBatch(const std::vector<std::string>& records, std::string_view cause,
                                Term term, WallMillis now) {
  QCHECK(!records.empty());
  BatchOptions options;
  options.leader_epoch = LeaderEpoch(term.value());
  RecordBatchBuilder builder(options);
  const std::array<RecordHeader, 1> headers = {RecordHeader{kCauseHeader, cause}};
  for (size_t i = 0; i < records.size(); ++i) {
    const bool with_cause = i == 0 && !cause.empty();
    builder.Add(
        now, std::nullopt, records[i],
        with_cause ? std::span<const RecordHeader>(headers) : std::span<const RecordHeader>());
  }
  return builder.Build();
}

std::string EncodeLeaderChange(const raft::LeaderChangeRecord& record, Term term, WallMillis now) {
  pb::LeaderChange message;
  message.set_leader_id(record.leader.value());
  for (NodeId voter : record.voters) message.add_voters(voter.value());
  for (NodeId voter : record.granting) message.add_granting_voters(voter.value());
  BatchOptions options;
  options.leader_epoch = LeaderEpoch(term.value());
  options.control = true;
  RecordBatchBuilder builder(options);
  builder.AddControl(now, ControlRecordType::kLeaderChange, message.SerializeAsString());
  return builder.Build();
}

absl::StatusOr<std::shared_ptr<const MetadataBatch>> DecodeMetadataBatch(
    const RecordBatchView& batch) {
  auto result = std::make_shared<MetadataBatch>();
  result->first = LogIndex(batch.base_offset().value());
  result->term = Term(batch.leader_epoch().value());
  result->append_time = batch.max_timestamp();
  result->control = batch.is_control();
  Q_ASSIGN_OR_RETURN(RecordIterator records, RecordIterator::Open(batch));
  while (true) {
    Q_ASSIGN_OR_RETURN(const std::optional<Record> record, records.Next());
    if (!record) break;
    if (!record->value) {
      return absl::DataLossError(
          absl::StrFormat("metadata record %d has no value", record->offset.value()));
    }
    if (result->records.empty()) {
      for (const RecordHeader& header : record->headers) {
        if (header.key == kCauseHeader && header.value) result->cause = std::string(*header.value);
      }
    }
    result->records.emplace_back(*record->value);
  }
  if (static_cast<int64_t>(result->records.size()) != batch.next_offset() - batch.base_offset()) {
    return absl::DataLossError(
        absl::StrFormat("the metadata batch at %d has gaps", batch.base_offset().value()));
  }
  return std::shared_ptr<const MetadataBatch>(std::move(result));
}

absl::StatusOr<std::vector<raft::BatchSpan>> SpansOf(std::string_view bytes) {
  std::vector<raft::BatchSpan> spans;
  if (bytes.empty()) return spans;
  Q_ASSIGN_OR_RETURN(const std::vector<RecordBatchView> batches,
                     ValidateBatches(bytes, BatchLimits{}, BatchOrigin{}));
  for (const RecordBatchView& batch : batches) {
    Q_ASSIGN_OR_RETURN(std::shared_ptr<const raft::VoterSet> voters, VotersOf(batch));
    spans.push_back({Term(batch.leader_epoch().value()), LogIndex(batch.base_offset().value()),
                     LogIndex(batch.next_offset().value()), std::move(voters)});
  }
  return spans;
}

}  // namespace quorate
