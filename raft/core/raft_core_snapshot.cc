// Snapshots: taken here, served to others, fetched and installed. Part of RaftCore (raft_core.h).
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/raft_core.h"

namespace quorate::raft {

std::optional<uint64_t> RaftCore::snapshot_download() const {
  if (!download_ || download_->term != hard_.term) return std::nullopt;
  return download_->number;
}

bool RaftCore::IsDownloading() const {
  return download_ && download_->term == hard_.term && download_->leader == fetcher_.source;
}

void RaftCore::Handle(const SnapshotTaken& event) {
  QCHECK_LE(event.snapshot.end, commit_);
  QCHECK_LE(event.log_start, event.snapshot.end);
  if (event.snapshot.end > snapshot_.end) snapshot_ = event.snapshot;
  if (event.log_start <= log_start_) return;
  QCHECK_LE(event.log_start, durable_end_);
  term_starts_.TruncateFront(event.log_start);
  voter_history_.TruncateFront(event.log_start);
  log_start_ = event.log_start;
  ready_.delete_before = log_start_;
}

// --- The leader's side ---

void RaftCore::Handle(const Request<FetchSnapshotRequest>& event) {
  const FetchSnapshotRequest& request = event.message;
  if (request.term > hard_.term && voters().Contains(request.replica)) {
    AdoptTerm(request.term, kNoNode);
  }
  SnapshotAnswer answer;
  answer.response.term = hard_.term;
  answer.response.leader = leader();
  answer.response.snapshot = request.snapshot;
  answer.response.position = request.position;
  if (role_ != Role::kLeader || request.term > hard_.term ||
      request.replica.node == config_.self.node) {
    answer.response.outcome = SnapshotOutcome::kNotLeader;
  } else if (request.term < hard_.term) {
    answer.response.outcome = SnapshotOutcome::kFencedTerm;
  } else {
    leader_->NoteContact(request.replica, now_);
    // Any snapshot that is still on disk may be fetched to its end, not just the newest.
    answer.with_bytes = true;
    answer.max_bytes = request.max_bytes;
  }
  ready_.replies.push_back({event.id, std::move(answer)});
}

// --- The fetching side ---

void RaftCore::HandleSnapshotNeeded(const FetchResponse& response) {
  const SnapshotId wanted = response.snapshot;
  if (response.leader != fetcher_.source || wanted.term <= Term(0) || wanted.term > hard_.term ||
      wanted.end <= commit_) {
    // What is committed here is in every later leader's log or snapshot: there is nothing to gain.
    Note("a snapshot that makes no sense: refused");
    return HandleFetchFailed();
  }
  NoteLeaderAnswered();
  const bool goes_on = IsDownloading() && (download_->checking || download_->snapshot == wanted);
  if (!goes_on) {
    download_ = SnapshotDownload{++downloads_, fetcher_.source, hard_.term, wanted};
    Note("the leader's log lacks what follows ours: fetching its snapshot");
  }
  MaybeFetch();
}

void RaftCore::FetchChunk() {
  fetcher_.sign_of_life = false;
  fetcher_.retry_at = MonoTime::Max();
  fetcher_.in_flight =
      Send(fetcher_.source, FetchSnapshotRequest{hard_.term, config_.self, download_->snapshot,
                                                 download_->position, config_.fetch_bytes});
}

void RaftCore::Handle(const Response<FetchSnapshotResponse>& event) {
  const FetchSnapshotResponse& response = event.message;
  if (fetcher_.in_flight != event.call) return;
  fetcher_.in_flight.reset();
  if (response.term > hard_.term) return AdoptTerm(response.term, response.leader);
  if (response.term < hard_.term || !IsDownloading()) return HandleFetchFailed();
  switch (response.outcome) {
    case SnapshotOutcome::kOk:
      return HandleChunk(response);
    case SnapshotOutcome::kNotLeader:
      return HandleNotLeader(response.leader);
    case SnapshotOutcome::kFencedTerm:
      return HandleFetchFailed();
    case SnapshotOutcome::kNotFound:
      // A newer one took its place (scenario E5): the next fetch tells which. Not at once, as the
      // leader's may be unreadable.
      NoteLeaderAnswered();
      download_.reset();
      fetcher_.retry_at = now_ + config_.fetch_timeout / 8;
      return;
  }
}

void RaftCore::HandleChunk(const FetchSnapshotResponse& response) {
  SnapshotDownload& download = *download_;  // of this leader and term: else none is in flight
  const bool known_size = download.size >= 0;
  if (response.leader != fetcher_.source || response.snapshot != download.snapshot ||
      response.position != download.position || response.length <= 0 ||
      response.length > response.size - response.position ||
      (known_size && response.size != download.size)) {
    Note("a piece of a snapshot that was not asked for: all of it is dropped");
    download_.reset();
    return HandleFetchFailed();
  }
  NoteLeaderAnswered();
  download.size = response.size;
  download.position += response.length;
  download.checking = download.position == download.size;
  ready_.write_chunk =
      SnapshotChunk{download.number, download.snapshot, response.position, download.checking};
  MaybeFetch();
}

void RaftCore::Handle(const SnapshotChecked& event) {
  if (!download_ || download_->number != event.download) return;
  if (event.ok && !download_->checking) return;
  const SnapshotDownload download = *download_;
  const bool from_our_leader = IsDownloading();
  download_.reset();
  if (!from_our_leader) return;  // another leader may want another log of us (scenario E10)
  // What is under way speaks of this download, or of the log as it was.
  fetcher_.in_flight.reset();
  if (event.ok) {
    if (download.snapshot.end > commit_) Install(download.snapshot, event.voters);
  } else {
    Note("the snapshot fetched cannot be used: to be fetched anew");
    fetcher_.retry_at = now_ + config_.fetch_timeout / 8;
  }
  MaybeFetch();
}

void RaftCore::Install(SnapshotId snapshot, const std::shared_ptr<const VoterSet>& voters) {
  // What our log holds behind the snapshot's end goes with the rest of it, a voters record among it
  // too: the leader's log does not have it. So no newer set is overwritten (scenario D7); one that
  // is committed and newer has its record in what is fetched next.
  QCHECK_GT(snapshot.end, commit_);
  snapshot_ = snapshot;
  log_start_ = snapshot.end;
  log_end_ = snapshot.end;
  durable_end_ = snapshot.end;
  term_starts_.StartAt(snapshot.end, snapshot.term);
  voter_history_ = voters ? VoterHistory(*voters, /*dynamic=*/true) : VoterHistory(config_.voters);
  ++truncations_;
  ready_.install_snapshot = snapshot;
  SetCommit(snapshot.end);
  VotersMayHaveChanged();
}

}  // namespace quorate::raft
