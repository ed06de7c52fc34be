// Snapshots: read at the start, taken, served, fetched, installed. Part of RaftNode (raft_node.h).
#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "raft/raft_node.h"
#include "raft/raft_wire.h"

namespace quorate {
namespace {

constexpr Micros kPauseAfterFailure = std::chrono::seconds(10);

// A part of a snapshot file.
struct Piece {
  int64_t size = 0;  // of the file
  std::string bytes;
};

absl::StatusOr<Piece> ReadPiece(FileSystem* file_system, const std::string& path, int64_t position,
                                int64_t max_bytes) {
  Piece piece;
  Q_ASSIGN_OR_RETURN(const std::shared_ptr<File> file, file_system->Open(path, OpenMode::kRead));
  Q_ASSIGN_OR_RETURN(piece.size, file->Size());
  if (position >= piece.size) {
    return absl::OutOfRangeError(
        absl::StrFormat("%s: position %d lies behind the end at %d", path, position, piece.size));
  }
  piece.bytes.resize(static_cast<size_t>(std::min(max_bytes, piece.size - position)));
  Q_ASSIGN_OR_RETURN(const size_t read,
                     file->ReadAt(position, piece.bytes.data(), piece.bytes.size()));
  piece.bytes.resize(read);
  return piece;
}

}  // namespace

// --- At the start ---

absl::Status RaftNode::RecoverFromSnapshots() {
  Q_ASSIGN_OR_RETURN(undelivered_, snapshots_->LoadNewest());
  const Offset log_start = log_->log_start_offset();
  if (!undelivered_ || Offset(undelivered_->end.value()) < log_start) {
    if (log_start > Offset(0)) return BeginWithoutSnapshot();
    return absl::OkStatus();
  }
  const Offset end(undelivered_->end.value());
  const LeaderEpoch epoch(undelivered_->term.value());
  const bool in_log =
      end <= log_->end_offset() && (end == log_start || log_->EpochAt(end - 1) == epoch);
  if (!in_log) {
    // An install was cut short, or the snapshot became durable before the records it stands for.
    LOG(WARNING) << directory_ << ": the log from " << log_start << " to " << log_->end_offset()
                 << " gives way to the snapshot at " << end;
    RemoveFiles(snapshots_->TakeBefore(undelivered_->end));
    return log_->TruncateFullyAndStartAt(end);
  }
  if (log_start == Offset(0)) return absl::OkStatus();
  // Segments are deleted whole: the log starts at the oldest snapshot that it reaches down to.
  RemoveFiles(snapshots_->TakeBefore(LogIndex(log_start.value())));
  const Offset oldest(snapshots_->snapshots().front().end.value());
  return log_->IncrementLogStartOffset(oldest).status();
}

absl::Status RaftNode::BeginWithoutSnapshot() {
  const std::string state = absl::StrFormat(
      "%s: the log starts at %d and there is no readable snapshot of what came before%s",
      directory_, log_->log_start_offset().value(),
      snapshots_->set_aside().empty() ? ""
                                      : " (set aside: " + snapshots_->set_aside().front() + ")");
  if (config_.is_controller) {
    // Its log may be what makes a majority, now or in a voter set to come: it is not for the node
    // to forget it.
    return absl::DataLossError(
        state +
        ". Put the snapshot file back; or, if a majority of the other voters is healthy, remove "
        "this directory and let the node join anew");
  }
  LOG(ERROR) << state << ". It is a broker's, which nothing rests on: all of it is fetched anew";
  undelivered_.reset();
  RemoveFiles(snapshots_->TakeBefore(LogIndex(INT64_MAX)));
  return log_->TruncateFullyAndStartAt(Offset(0));
}

// --- Taken ---

void RaftNode::ArmSnapshotTimer() {
  if (config_.snapshot_interval == Micros::max() || !config_.snapshot_state || failed_) return;
  snapshot_timer_ = env_.loop->RunAfter(config_.snapshot_interval, Guarded([this] {
                                          snapshot_time_is_up_ = true;
                                          MaybeTakeSnapshot();
                                          ArmSnapshotTimer();
                                        }));
}

void RaftNode::MaybeTakeSnapshot() {
  if (!config_.snapshot_state || taking_snapshot_ || snapshot_look_posted_ || failed_ ||
      shutting_down_ || undelivered_) {
    return;
  }
  const bool due = bytes_since_snapshot_ >= config_.snapshot_bytes ||
                   (snapshot_time_is_up_ && bytes_since_snapshot_ > 0);
  if (!due || env_.loop->Now() < no_snapshot_before_) return;
  // A task of its own: listeners make a state of what they heard in tasks they posted.
  snapshot_look_posted_ = true;
  env_.loop->Post(Guarded([this] {
    snapshot_look_posted_ = false;
    if (failed_ || shutting_down_ || taking_snapshot_) return;
    const std::shared_ptr<const SnapshotState> state = config_.snapshot_state();
    if (!state || state->end() <= snapshots_->newest().end) return;
    auto header = HeaderFor(*state);
    if (!header.ok()) {
      LOG(ERROR) << directory_ << ": no snapshot at " << state->end() << ": " << header.status();
      no_snapshot_before_ = env_.loop->Now() + kPauseAfterFailure;
      return;
    }
    taking_snapshot_ = true;
    snapshot_time_is_up_ = false;
    env_.pool->RunThen(
        env_.loop,
        [file_system = env_.file_system, directory = directory_, header = *header, state,
         max_bytes = max_batch_bytes()] {
          return SnapshotStore::Write(file_system, directory, header, *state, max_bytes);
        },
        Guarded([this, header = *header,
                 counted = bytes_since_snapshot_](const absl::StatusOr<int64_t>& size) {
          OnSnapshotWritten(header, counted, size);
        }));
  }));
}

absl::StatusOr<SnapshotHeader> RaftNode::HeaderFor(const SnapshotState& state) const {
  const Offset last(state.end().value() - 1);
  Q_ASSIGN_OR_RETURN(const LogReadResult read,
                     log_->Read(last, log_->end_offset(), 1, /*at_least_one=*/true));
  Q_ASSIGN_OR_RETURN(const std::string bytes, read.ToBytes());
  Q_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::Parse(bytes));
  // A snapshot ends where a batch ends, or a log that starts there could not be read (scenario E1).
  if (batch.next_offset() != last + 1 || batch.leader_epoch().value() != state.term().value()) {
    return absl::InternalError(absl::StrFormat(
        "a state at index %d of term %d, where the log has a batch that ends at %d, of term %d",
        state.end().value(), state.term().value(), batch.next_offset().value(),
        batch.leader_epoch().value()));
  }
  SnapshotHeader header{{state.end(), state.term()}, batch.max_timestamp(), config_.cluster_id};
  if (config_.bugs.snapshot_names_last_record) header.id.end = LogIndex(last.value());
  // Committed, as the state is: no truncation changes it while the snapshot is written.
  const auto voters = core_->voter_history().ForSnapshot(state.end());
  if (voters) header.voters = *voters;
  return header;
}

void RaftNode::OnSnapshotWritten(const SnapshotHeader& header, int64_t counted_bytes,
                                 const absl::StatusOr<int64_t>& size) {
  taking_snapshot_ = false;
  if (failed_) return;
  if (!size.ok()) {
    LOG(ERROR) << directory_ << ": the snapshot at " << header.id
               << " could not be written, the log stays as long as it is: " << size.status();
    no_snapshot_before_ = env_.loop->Now() + kPauseAfterFailure;
    return;
  }
  if (header.id.end <= snapshots_->newest().end) {  // a newer one was installed meanwhile
    return RemoveFiles({snapshots_->PathOf(header.id)});
  }
  bytes_since_snapshot_ = std::max<int64_t>(bytes_since_snapshot_ - counted_bytes, 0);
  snapshots_->Add(header.id, header.append_time, *size);
  ++snapshots_taken_;
  // Segments are deleted whole: what comes from here on is to go one day without what was before.
  const WallMillis now = env_.loop->clock().WallNow();
  if (const absl::Status rolled = log_->Roll(now); !rolled.ok()) {
    if (!log_->failure().ok()) return Fail(log_->failure());
    LOG(WARNING) << directory_ << ": no new segment: " << rolled;
  }
  const double records = static_cast<double>(core_->log_end() - core_->log_start());
  const auto is_durable = [this](LogIndex end) {
    return end <= core_->durable_end() && end <= LogIndex(log_->flushed_end_offset().value());
  };
  // The log cannot begin at a snapshot that its own records do not reach durably yet: the one it
  // begins at stays until then (I7).
  const std::vector<raft::SnapshotId>& all = snapshots_->snapshots();
  if (all.size() > 1 && is_durable(all[all.size() - 2].end)) {
    RemoveFiles(snapshots_->TakeExpired(config_.snapshot_retention, now, [&](LogIndex end) {
      const double share = static_cast<double>(core_->log_end() - end) / std::max(records, 1.0);
      return static_cast<int64_t>(static_cast<double>(log_->size_bytes()) * share);
    }));
  }
  const LogIndex oldest = all.front().end;
  const bool deletes = all.size() > 1 && is_durable(oldest);
  LOG(INFO) << directory_ << ": snapshot at " << header.id << ", " << *size << " bytes";
  Enqueue({raft::SnapshotTaken{header.id, deletes ? oldest : core_->log_start()}, SharedBytes()});
}

absl::Status RaftNode::DeleteBefore(LogIndex log_start) {
  const Offset start(log_start.value());
  Q_RETURN_IF_ERROR(log_->IncrementLogStartOffset(start).status());
  RetentionPolicy policy;
  policy.bound = start;
  absl::StatusOr<RemovalJob> removal =
      log_->DeleteOldSegments(policy, env_.loop->clock().WallNow());
  if (!removal.ok()) {
    if (!log_->failure().ok()) return log_->failure();
    LOG(WARNING) << directory_ << ": old segments stay for now: " << removal.status();
    return absl::OkStatus();
  }
  if (removal->empty()) return absl::OkStatus();
  env_.pool->Run([removal = *std::move(removal)] {
    IgnoreError(removal.Run(), "the next start removes what is left");
  });
  return absl::OkStatus();
}

void RaftNode::RemoveFiles(std::vector<std::string> paths) {
  if (paths.empty()) return;
  env_.pool->Run([file_system = env_.file_system, paths = std::move(paths)] {
    for (const std::string& path : paths) {
      IgnoreError(file_system->Remove(path), "an old snapshot does no harm");
    }
  });
}

// --- Served ---

void RaftNode::AnswerWithPiece(raft::RequestId id, const raft::SnapshotAnswer& answer) {
  const auto reply = [this, id](const raft::FetchSnapshotResponse& response,
                                std::string_view piece) {
    const auto it = calls_.find(id);
    if (it == calls_.end()) return;
    const std::unique_ptr<RpcCall> call = std::move(it->second);
    calls_.erase(it);
    call->Reply(Serialise(response, piece));
  };
  raft::FetchSnapshotResponse response = answer.response;
  if (!answer.with_bytes) return reply(response, {});
  if (!snapshots_->contains(response.snapshot)) {
    response.outcome = raft::SnapshotOutcome::kNotFound;
    return reply(response, {});
  }
  const int32_t max_bytes = std::clamp(answer.max_bytes, 1, config_.snapshot_piece_bytes);
  env_.pool->RunThen(
      env_.loop,
      [file_system = env_.file_system, path = snapshots_->PathOf(response.snapshot),
       position = response.position,
       max_bytes] { return ReadPiece(file_system, path, position, max_bytes); },
      Guarded([this, reply, response](const absl::StatusOr<Piece>& piece) mutable {
        if (failed_) return;
        if (!piece.ok()) {
          LOG(WARNING) << directory_ << ": cannot serve snapshot " << response.snapshot << ": "
                       << piece.status();
          response.outcome = raft::SnapshotOutcome::kNotFound;
          return reply(response, {});
        }
        response.size = piece->size;
        reply(response, piece->bytes);
      }));
}

// --- Fetched and installed ---

void RaftNode::WriteChunk(const raft::SnapshotChunk& chunk, const SharedBytes& piece) {
  absl::Status written;
  if (chunk.position == 0) {
    const std::string path = snapshots_->PartPathOf(chunk.snapshot, /*fetched=*/true);
    LOG(INFO) << directory_ << ": fetching snapshot " << chunk.snapshot << " from node "
              << core_->leader();
    auto file = env_.file_system->Open(path, OpenMode::kCreateFresh);
    written = file.status();
    if (file.ok()) download_ = Download{chunk.download, chunk.snapshot, path, *file, nullptr};
  }
  if (written.ok()) {
    QCHECK(download_ && download_->number == chunk.download);
    const std::string_view bytes = piece.view();
    written = download_->file->WriteAt(chunk.position, {&bytes, 1});
  }
  if (!written.ok()) {
    LOG(ERROR) << directory_ << ": the snapshot fetched cannot be kept: " << written;
    inputs_.push_back({raft::SnapshotChecked{chunk.download, false}, SharedBytes()});
  } else if (chunk.last) {
    CheckDownload();
  }
}

void RaftNode::CheckDownload() {
  env_.pool->RunThen(
      env_.loop,
      [file_system = env_.file_system, file = download_->file, path = download_->path,
       id = download_->snapshot,
       cluster = config_.cluster_id]() -> absl::StatusOr<std::shared_ptr<const MetadataSnapshot>> {
        Q_RETURN_IF_ERROR(file->Sync());
        return LoadSnapshotFile(file_system, path, id, cluster);
      },
      Guarded([this, number = download_->number](
                  const absl::StatusOr<std::shared_ptr<const MetadataSnapshot>>& checked) {
        if (failed_ || !download_ || download_->number != number) return;
        if (checked.ok()) {
          download_->checked = *checked;
        } else {
          LOG(ERROR) << directory_ << ": the snapshot fetched is of no use: " << checked.status();
        }
        Enqueue({raft::SnapshotChecked{number, checked.ok(),
                                       checked.ok() ? (*checked)->voters : nullptr},
                 SharedBytes()});
      }));
}

void RaftNode::DropStaleDownload() {
  if (!download_ || core_->snapshot_download() == download_->number) return;
  // Now, not on the pool: the next download may have the same name.
  IgnoreError(env_.file_system->Remove(download_->path), "the next start tries again");
  download_.reset();
}

absl::Status RaftNode::InstallSnapshot(raft::SnapshotId id) {
  QCHECK(download_ && download_->snapshot == id && download_->checked);
  // From the moment it has its name the snapshot counts: should the node die before the log is
  // emptied, the next start does that (scenario E8).
  Q_RETURN_IF_ERROR(
      SnapshotStore::Publish(env_.file_system, download_->path, snapshots_->PathOf(id)));
  Q_ASSIGN_OR_RETURN(const int64_t size, download_->file->Size());
  snapshots_->Add(id, download_->checked->append_time, size);
  if (id.end > delivered_) undelivered_ = download_->checked;
  download_.reset();
  LOG(WARNING) << directory_ << ": snapshot " << id << " takes the place of the log from "
               << log_->log_start_offset() << " to " << log_->end_offset();
  Q_RETURN_IF_ERROR(log_->TruncateFullyAndStartAt(Offset(id.end.value())));
  RemoveFiles(snapshots_->TakeBefore(id.end));
  bytes_since_snapshot_ = 0;
  ++snapshots_installed_;
  return absl::OkStatus();
}

}  // namespace quorate
