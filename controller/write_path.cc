#include "controller/write_path.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/fault_point.h"
#include "base/status_macros.h"
#include "controller/image/image_loader.h"
#include "controller/image/image_records.h"
#include "controller/image/replay.h"
#include "proto/kafka/status_to_error.h"

namespace quorate {
namespace {

using kafka::KafkaError;
using kafka::KafkaStatus;

// The log did not take a batch. All but a batch that is too large means that this node's time in
// office is over: callers shall look for the next controller.
absl::Status NotProposed(const absl::Status& status) {
  return KafkaStatus(status.code() == absl::StatusCode::kInvalidArgument
                         ? KafkaError::kPolicyViolation
                         : KafkaError::kNotController,
                     status.ToString());
}

}  // namespace

void WritePath::Restore(const MetadataImage& image) {
  QCHECK(!active_ && committed_.index() == LogIndex(0));
  lookup_.Update(committed_, image, TouchedPartitions(committed_, WholeAsDelta(image)));
  committed_ = image;
  speculative_ = image;
}

void WritePath::Activate(Term term) {
  QCHECK(!active_);
  active_ = true;
  term_ = term;
}

void WritePath::Deactivate(const absl::Status& why) {
  if (!active_) return;
  active_ = false;
  lookup_.Update(speculative_, committed_, touched_);
  touched_.clear();
  speculative_ = committed_;
  pending_.clear();
  std::deque<Waiting> waiting = std::exchange(waiting_, {});
  for (Waiting& one : waiting) one.done(why);
}

absl::Status WritePath::OnCommit(const std::vector<std::shared_ptr<const MetadataBatch>>& batches) {
  for (const auto& batch : batches) {
    if (!failure_.ok()) return failure_;
    failure_ = ApplyCommitted(*batch);
  }
  if (!failure_.ok()) return failure_;
  if (!active_) {
    speculative_ = committed_;
  } else if (pending_.empty()) {
    // All of the speculation came true: the two are one state.
    QCHECK(speculative_.hash() == committed_.hash());
    speculative_ = committed_;
    touched_.clear();
  }
  // A callback may propose more, or destroy what it waited for.
  while (!waiting_.empty() && waiting_.front().end <= committed_.index()) {
    Waiting one = std::move(waiting_.front());
    waiting_.pop_front();
    one.done(one.end);
  }
  return absl::OkStatus();
}

void WritePath::LoadSnapshot(MetadataImage image) {
  QCHECK(!active_);
  QCHECK_GT(image.index(), committed_.index());
  const MetadataDelta delta =
      DeltaBetween(std::make_shared<const MetadataImage>(committed_), image);
  lookup_.Update(committed_, image, TouchedPartitions(committed_, delta));
  committed_ = std::move(image);
  speculative_ = committed_;
  failure_ = absl::OkStatus();
}

absl::Status WritePath::ApplyCommitted(const MetadataBatch& batch) {
  if (batch.first < committed_.index()) {
    return absl::InternalError(absl::StrFormat("a batch at index %d comes after index %d",
                                               batch.first.value(), committed_.index().value()));
  }
  if (!batch.control) {
    CheckOwnCommit(batch);
    MetadataImage next = committed_;
    MetadataDelta delta;
    LogIndex index = batch.first;
    for (const std::string& record : batch.records) {
      Q_RETURN_IF_ERROR(Replay(index, record, &next, &delta));
      ++index;
    }
    if (!active_) lookup_.Update(committed_, next, TouchedPartitions(committed_, delta));
    committed_ = std::move(next);
  }
  AdvanceTo(batch.end(), batch.term, &committed_);
  return absl::OkStatus();
}

void WritePath::CheckOwnCommit(const MetadataBatch& batch) {
  if (!active_) return;
  // While this node leads, what is committed is what it proposed.
  QCHECK(!pending_.empty());
  QCHECK_EQ(batch.first, pending_.front().first);
  QCHECK_EQ(batch.end(), pending_.front().end);
  pending_.pop_front();
}

ChangeSet WritePath::Begin() const {
  QCHECK(active_);
  return ChangeSet(speculative_, quorum_.log_end_index());
}

// The speculative image after these records of our own, which were replayed before.
MetadataImage WritePath::ReplayAll(LogIndex index,
                                   const std::vector<std::vector<std::string>>& batches) const {
  MetadataImage image = speculative_;
  for (const auto& records : batches) {
    for (const std::string& record : records) {
      const absl::Status status = Replay(index, record, &image, nullptr);
      if (!status.ok()) {
        internal::CheckFailed(__FILE__, __LINE__, "proposal replays", status.ToString());
      }
      ++index;
    }
  }
  return image;
}

void WritePath::Commit(ChangeSet changes, const Cause& cause, Done done) {
  QCHECK(active_);
  if (!changes.empty()) {
    const std::set<TopicPartition> touched = TouchedPartitions(speculative_, changes.delta());
    const MetadataImage after = changes.image();
    auto batches =
        changes.TakeBatches(quorum_.max_batch_bytes(), BUGGIFY("controller.batch_per_change", 0.3));
    if (!batches.ok()) {
      return done(KafkaStatus(KafkaError::kPolicyViolation, batches.status().ToString()));
    }
    LogIndex next = changes.first_index();
    absl::Status failed;
    std::vector<std::vector<std::string>> kept;  // what was proposed before a later batch failed
    for (std::vector<std::string>& records : *batches) {
      const int64_t count = static_cast<int64_t>(records.size());
      if (batches->size() > 1) kept.push_back(records);
      FAILPOINT("controller.before_propose");
      auto first = quorum_.Propose(term_, std::move(records), EncodeCause(cause));
      if (!first.ok()) {
        failed = first.status();
        if (!kept.empty()) kept.pop_back();
        break;
      }
      QCHECK_EQ(*first, next);
      next += count;
      pending_.push_back({*first, next});
    }
    MetadataImage proposed = failed.ok() ? after : ReplayAll(changes.first_index(), kept);
    lookup_.Update(speculative_, proposed, touched);
    speculative_ = std::move(proposed);
    touched_.insert(touched.begin(), touched.end());
    if (!failed.ok()) return done(NotProposed(failed));
  }
  if (pending_.empty()) return done(committed_.index());
  waiting_.push_back({pending_.back().end, std::move(done)});
}

}  // namespace quorate
