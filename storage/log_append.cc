// Appending: batches are judged and staged in a Gather, then written in one call.
#include <array>
#include <deque>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "storage/leader_epoch_cache.h"
#include "storage/log.h"
#include "storage/producer_state.h"
#include "storage/segment.h"

namespace quorate {
namespace {

constexpr char kTooLargePayload[] = "quorate/batch-too-large";

absl::Status TooLarge(absl::Status status) {
  status.SetPayload(kTooLargePayload, absl::Cord("1"));
  return status;
}

}  // namespace

// Batches staged for one write at the end of the active segment. Producer state is changed while
// staging, so that later pieces see earlier ones, and put back if the write fails.
class Log::Gather {
 public:
  struct Undo {
    ProducerId id;
    std::optional<ProducerEntry> entry;
  };

  bool empty() const { return batches.empty(); }
  void Clear() {
    pieces.clear();
    headers.clear();
    batches.clear();
    decided.clear();
    undo.clear();
    bytes = 0;
    staged_results.clear();
  }

  std::vector<std::string_view> pieces;
  std::deque<std::array<char, kBatchHeaderBytes>> headers;  // patched copies; stable addresses
  std::vector<BatchFacts> batches;
  std::vector<std::pair<size_t, DecidedTransaction>> decided;  // with the batch's number
  std::vector<Undo> undo;
  int64_t bytes = 0;
  Offset next{0};  // offset of the next record
  // Which of the caller's pieces fail if this write does.
  std::vector<size_t> staged_results;
  bool rolled = false;
  // Outcome of the caller's pieces (leader only).
  std::vector<absl::StatusOr<AppendResult>>* results = nullptr;
};

bool Log::IsBatchTooLarge(const absl::Status& status) {
  return status.GetPayload(kTooLargePayload).has_value();
}

absl::Status Log::MakeRoom(int64_t bytes, size_t batches, Offset last, WallMillis max_timestamp,
                           Gather* gather) {
  Q_RETURN_IF_ERROR(EnsureActive());
  const Segment& segment = active();
  const int64_t staged = segment.size() + gather->bytes;
  if (staged == 0) return absl::OkStatus();
  const bool full = staged + bytes > config_.segment_bytes || last - segment.base() > INT32_MAX ||
                    (staged + bytes > 4096 && BUGGIFY("storage.segment_4k", 0.2)) ||
                    segment.IndexFull(config_.index_max_bytes, batches + gather->batches.size());
  // By the records' own time: the same log rolls the same way on every replica.
  const WallMillis first = segment.first_timestamp();
  const bool old = first >= 0 && max_timestamp - first > config_.segment_ms;
  if (!full && !old) return absl::OkStatus();
  Q_RETURN_IF_ERROR(Commit(gather));
  Q_RETURN_IF_ERROR(RollActive());
  gather->rolled = true;
  return absl::OkStatus();
}

absl::Status Log::Commit(Gather* gather) {
  if (gather->empty()) return absl::OkStatus();
  Segment& segment = active();
  const int64_t piece = BUGGIFY("storage.preallocate_512", 1.0)    ? 512
                        : BUGGIFY("storage.preallocate_none", 1.0) ? 0
                                                                   : config_.preallocate_bytes;
  absl::Status status = segment.Reserve(gather->bytes, piece);
  bool broken = absl::IsDataLoss(status);
  FAILPOINT("storage.before_append");
  if (status.ok()) status = segment.Write(gather->pieces, &broken);
  FAILPOINT("storage.after_append");
  if (!status.ok()) {
    for (auto it = gather->undo.rbegin(); it != gather->undo.rend(); ++it) {
      producers_->Restore(it->id, it->entry);
    }
    if (broken) status = Fail(status);
    if (gather->results != nullptr) {
      for (size_t i : gather->staged_results) (*gather->results)[i] = status;
    }
    gather->next = end_offset_;
    gather->Clear();
    return status;
  }
  const int32_t interval =
      BUGGIFY("storage.index_every_batch", 0.5) ? 0 : config_.index_interval_bytes;
  size_t decided = 0;
  for (size_t i = 0; i < gather->batches.size(); ++i) {
    const BatchFacts& batch = gather->batches[i];
    segment.NoteAppended(batch, interval);
    if (batch.epoch >= LeaderEpoch(0)) epochs_->Assign(batch.epoch, batch.base_offset);
    for (; decided < gather->decided.size() && gather->decided[decided].first == i; ++decided) {
      NoteDecided(gather->decided[decided].second, &segment);
    }
  }
  end_offset_ = gather->next;
  gather->Clear();
  return absl::OkStatus();
}

void Log::StageProducer(const RecordBatchView& batch, Offset base, WallMillis timestamp,
                        Gather* gather) {
  if (!batch.has_producer_id()) return;
  const ProducerEntry* entry = producers_->Find(batch.producer_id());
  gather->undo.push_back(
      {batch.producer_id(), entry == nullptr ? std::nullopt : std::make_optional(*entry)});
  if (const auto decided = producers_->Update(batch, base, timestamp)) {
    gather->decided.emplace_back(gather->batches.size(), *decided);
  }
}

absl::StatusOr<bool> Log::AcceptProducers(const std::vector<RecordBatchView>& batches,
                                          const LeaderAppend& piece, size_t index, Gather* gather,
                                          AppendResult* result) const {
  for (const RecordBatchView& batch : batches) {
    if (piece.origin == AppendOrigin::kClient && batch.has_producer_id() &&
        batch.base_sequence() < 0) {
      return absl::InvalidArgumentError("producer id without sequence");
    }
    const ProducerCheck check =
        piece.origin == AppendOrigin::kRaft ? ProducerCheck() : producers_->Check(batch);
    if (check.verdict == ProducerVerdict::kAccept) continue;
    result->verdict = check.verdict;
    result->bytes = 0;
    if (check.verdict == ProducerVerdict::kDuplicate) {
      result->first_offset = check.duplicate.first_offset();
      result->last_offset = check.duplicate.last_offset;
      result->max_timestamp = check.duplicate.timestamp;
      if (piece.stamp_log_append_time) result->log_append_time = check.duplicate.timestamp;
      // It may be a duplicate of a batch that is only staged.
      if (result->last_offset >= end_offset_) gather->staged_results.push_back(index);
    }
    return false;
  }
  return true;
}

void Log::StageLeaderBatch(const RecordBatchView& batch, bool stamp_log_append_time,
                           LeaderEpoch epoch, WallMillis now, Gather* gather) {
  std::array<char, kBatchHeaderBytes>& header = gather->headers.emplace_back();
  std::copy_n(batch.bytes().data(), kBatchHeaderBytes, header.data());
  PatchBatchHeader(header.data(), gather->next, epoch);
  if (stamp_log_append_time) StampLogAppendTime(header.data(), batch.payload(), now);
  BatchFacts facts = BatchFacts::Of(batch, active().size() + gather->bytes);
  facts.base_offset = gather->next;
  facts.last_offset = gather->next + batch.last_offset_delta();
  facts.epoch = epoch;
  facts.max_timestamp = stamp_log_append_time ? now : batch.max_timestamp();
  StageProducer(batch, facts.base_offset, facts.max_timestamp, gather);
  gather->pieces.emplace_back(header.data(), header.size());
  if (!batch.payload().empty()) gather->pieces.push_back(batch.payload());
  gather->batches.push_back(facts);
  gather->bytes += facts.size;
  gather->next = facts.last_offset + 1;
}

absl::StatusOr<AppendResult> Log::StageLeaderPiece(const LeaderAppend& piece, size_t index,
                                                   LeaderEpoch epoch, WallMillis now,
                                                   Gather* gather) {
  const bool client = piece.origin == AppendOrigin::kClient;
  BatchLimits limits;
  limits.max_batch_bytes = std::min(config_.max_batch_bytes, config_.segment_bytes);
  limits.max_batches = client ? 1 : INT32_MAX;
  limits.control_allowed = !client;
  absl::StatusOr<std::vector<RecordBatchView>> batches =
      ValidateBatches(piece.batches.view(), limits, BatchOrigin{});
  if (absl::IsResourceExhausted(batches.status())) return TooLarge(batches.status());
  if (!batches.ok()) return batches.status();
  const auto bytes = static_cast<int64_t>(piece.batches.size());
  if (bytes > config_.segment_bytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d bytes do not fit a segment of %d", bytes, config_.segment_bytes));
  }
  AppendResult result;
  result.bytes = bytes;
  Q_ASSIGN_OR_RETURN(const bool accepted, AcceptProducers(*batches, piece, index, gather, &result));
  if (!accepted) return result;
  WallMillis max_timestamp = kNoTimestamp;
  int64_t records = 0;
  for (const RecordBatchView& batch : *batches) {
    max_timestamp = std::max(max_timestamp, batch.max_timestamp());
    records += int64_t{batch.last_offset_delta()} + 1;
  }
  if (piece.stamp_log_append_time) max_timestamp = now;
  const bool rolled_before = gather->rolled;
  Q_RETURN_IF_ERROR(
      MakeRoom(bytes, batches->size(), gather->next + records - 1, max_timestamp, gather));
  result.rolled = gather->rolled && !rolled_before;
  result.first_offset = gather->next;
  result.last_offset = gather->next + records - 1;
  result.max_timestamp = max_timestamp;
  if (piece.stamp_log_append_time) result.log_append_time = now;
  for (const RecordBatchView& batch : *batches) {
    StageLeaderBatch(batch, piece.stamp_log_append_time, epoch, now, gather);
  }
  gather->staged_results.push_back(index);
  return result;
}

std::vector<absl::StatusOr<AppendResult>> Log::AppendAsLeader(std::span<const LeaderAppend> pieces,
                                                              LeaderEpoch epoch, WallMillis now) {
  QCHECK(!latest_epoch().has_value() || *latest_epoch() <= epoch);
  std::vector<absl::StatusOr<AppendResult>> results(pieces.size(), AppendResult());
  Gather gather;
  gather.next = end_offset_;
  gather.results = &results;
  for (size_t i = 0; i < pieces.size(); ++i) {
    absl::Status usable = Usable();
    if (!usable.ok()) {
      results[i] = usable;
      continue;
    }
    // Assigned after the call: a write that fails inside it touches earlier results only.
    absl::StatusOr<AppendResult> result = StageLeaderPiece(pieces[i], i, epoch, now, &gather);
    results[i] = std::move(result);
  }
  IgnoreError(Commit(&gather), "given to the pieces' results");
  return results;
}

absl::StatusOr<AppendResult> Log::AppendAsLeader(const LeaderAppend& piece, LeaderEpoch epoch,
                                                 WallMillis now) {
  return std::move(AppendAsLeader(std::span(&piece, 1), epoch, now).front());
}

void Log::StageFollowerBatch(const RecordBatchView& batch, Gather* gather, AppendResult* result) {
  const BatchFacts facts = BatchFacts::Of(batch, active().size() + gather->bytes);
  if (!config_.bugs.producers_not_replicated) {
    StageProducer(batch, facts.base_offset, facts.max_timestamp, gather);
  }
  const std::string_view bytes = batch.bytes();
  if (!gather->pieces.empty() &&
      gather->pieces.back().data() + gather->pieces.back().size() == bytes.data()) {
    std::string_view& last = gather->pieces.back();
    last = {last.data(), last.size() + bytes.size()};
  } else {
    gather->pieces.push_back(bytes);
  }
  gather->batches.push_back(facts);
  gather->bytes += facts.size;
  gather->next = facts.last_offset + 1;
  if (result->first_offset == kNoOffset) result->first_offset = facts.base_offset;
  result->last_offset = facts.last_offset;
  result->max_timestamp = std::max(result->max_timestamp, facts.max_timestamp);
  result->bytes += facts.size;
}

// Whether `batch` may come from the leader next, after a batch of `last_epoch`; where it begins is
// judged apart.
absl::Status Log::CheckFollowerBatch(const RecordBatchView& batch, LeaderEpoch last_epoch,
                                     LeaderEpoch max_epoch) const {
  BatchLimits limits;
  limits.max_batch_bytes = INT32_MAX;
  Q_RETURN_IF_ERROR(ValidateBatch(batch, limits, BatchOrigin{true}));
  const LeaderEpoch epoch = batch.leader_epoch();
  if (epoch < last_epoch || (max_epoch != kNoLeaderEpoch && epoch > max_epoch)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: batch at %d of leader epoch %d, not in [%d, %d]", directory_,
        batch.base_offset().value(), epoch.value(), last_epoch.value(), max_epoch.value()));
  }
  return absl::OkStatus();
}

absl::StatusOr<AppendResult> Log::AppendAsFollower(const SharedBytes& batches, WallMillis now,
                                                   LeaderEpoch max_epoch) {
  static_cast<void>(now);
  Q_RETURN_IF_ERROR(Usable());
  Gather gather;
  gather.next = end_offset_;
  AppendResult result;
  std::string_view rest = batches.view();
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  if (const auto epoch = epochs_->EpochAt(end_offset_ - 1); epoch.has_value() && !empty()) {
    last_epoch = *epoch;
  }
  Offset start_within = kNoOffset;  // a log start in the middle of the first batch
  const auto refuse = [&](absl::Status why) -> absl::Status {
    Q_RETURN_IF_ERROR(Commit(&gather));  // what precedes is good
    return why;
  };
  while (rest.size() >= kBatchHeaderBytes) {
    absl::StatusOr<RecordBatchView> batch = RecordBatchView::ParseHeader(rest);
    if (!batch.ok()) return refuse(batch.status());
    if (static_cast<uint64_t>(batch->size_bytes()) > rest.size()) break;
    batch = RecordBatchView::Parse(rest);
    if (!batch.ok()) return refuse(batch.status());
    const absl::Status bad = CheckFollowerBatch(*batch, last_epoch, max_epoch);
    if (!bad.ok()) return refuse(bad);
    const Offset base = batch->base_offset();
    if (base < gather.next && empty() && gather.empty() && base >= Offset(0) &&
        batch->last_offset() >= gather.next) {
      start_within = log_start_offset_;
      Q_RETURN_IF_ERROR(TruncateFullyAndStartAt(base));
      gather.next = base;
    }
    if (base < gather.next || (base > gather.next && !config_.offset_gaps_allowed) ||
        base > Offset(INT64_MAX - INT32_MAX)) {
      return refuse(absl::OutOfRangeError(absl::StrFormat(
          "%s: batch at %d where %d is next", directory_, base.value(), gather.next.value())));
    }
    // Epochs that began here and got no record give way to what the leader sends.
    if (gather.empty() && !config_.bugs.keep_conflicting_epochs) {
      epochs_->TruncateFromEnd(end_offset_);
    }
    last_epoch = batch->leader_epoch();
    const bool rolled_before = gather.rolled;
    Q_RETURN_IF_ERROR(
        MakeRoom(batch->size_bytes(), 1, batch->last_offset(), batch->max_timestamp(), &gather));
    result.rolled = result.rolled || (gather.rolled && !rolled_before);
    StageFollowerBatch(*batch, &gather, &result);
    rest.remove_prefix(static_cast<size_t>(batch->size_bytes()));
  }
  Q_RETURN_IF_ERROR(Commit(&gather));
  if (start_within != kNoOffset) {
    log_start_offset_ = start_within;
    epochs_->TruncateFromStart(start_within);
  }
  return result;
}

}  // namespace quorate
