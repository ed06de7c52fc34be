#include "cli/demo/moved_partition.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/posix/posix_file_system.h"
#include "controller/image/cause.h"
#include "controller/image/metadata_image.h"
#include "controller/image/record_json.h"
#include "controller/image/replay.h"
#include "raft/metadata_log_reader.h"

namespace quorate {
namespace {

// One partition's changes as the log tells them.
struct History {
  NodeId leader = kNoNode;
  int moves = 0;
  std::vector<std::string> lines;
};

// Replays one node's log and notes every change of the topic's partitions.
class LogWalk {
 public:
  explicit LogWalk(std::string topic) : topic_(std::move(topic)) {}

  void Read(const std::string& directory) {
    PosixFileSystem files;
    auto reader = MetadataLogReader::Open(&files, directory);
    if (!reader.ok()) return;
    while (true) {
      auto entry = (*reader)->Next();
      if (!entry.ok() || !entry->has_value()) return;
      if (!OnBatch(*(*entry)->batch)) return;
    }
  }

  int64_t end() const { return image_.index().value(); }
  const std::map<PartitionIndex, History>& histories() const { return histories_; }

 private:
  bool OnBatch(const MetadataBatch& batch) {
    const MetadataImage before = image_;
    for (size_t i = 0; i < batch.records.size() && !batch.control; ++i) {
      const LogIndex index = batch.first + static_cast<int64_t>(i);
      if (!Replay(index, batch.records[i], &image_, nullptr).ok()) return false;
    }
    AdvanceTo(batch.end(), batch.term, &image_);
    const TopicImage* topic = image_.FindTopicByName(topic_);
    if (topic == nullptr) return true;
    const TopicImage* old_topic = before.FindTopicByName(topic_);
    for (int32_t i = 0; i < static_cast<int32_t>(topic->partitions.size()); ++i) {
      const PartitionIndex index(i);
      const PartitionState* state = topic->FindPartition(index);
      const PartitionState* old = old_topic ? old_topic->FindPartition(index) : nullptr;
      if (old == nullptr || !(*old == *state)) Note(index, *state, batch);
    }
    return true;
  }

  void Note(PartitionIndex index, const PartitionState& state, const MetadataBatch& batch) {
    History& history = histories_[index];
    if (history.leader != kNoNode && state.leader != kNoNode && state.leader != history.leader) {
      ++history.moves;
    }
    if (state.leader != kNoNode) history.leader = state.leader;
    std::string isr;
    for (NodeId id : state.isr) isr += (isr.empty() ? "" : ",") + std::to_string(id.value());
    absl::StatusOr<Cause> cause = DecodeCause(batch.cause);
    history.lines.push_back(
        absl::StrFormat("record %d: leader %s, epoch %d, in sync %s   [%s]", batch.first.value(),
                        state.leader == kNoNode ? "none" : std::to_string(state.leader.value()),
                        state.leader_epoch.value(), isr, cause.ok() ? ToString(*cause) : "?"));
  }

  const std::string topic_;
  MetadataImage image_;
  std::map<PartitionIndex, History> histories_;
};

}  // namespace

MovedLeaders ReadMovedLeaders(const std::vector<LocalNode>& nodes, const std::string& topic) {
  std::unique_ptr<LogWalk> longest;
  for (const LocalNode& node : nodes) {
    auto walk = std::make_unique<LogWalk>(topic);
    walk->Read(node.data_directory);
    if (longest == nullptr || walk->end() > longest->end()) longest = std::move(walk);
  }
  MovedLeaders moved;
  if (longest == nullptr) return moved;
  const History* most = nullptr;
  PartitionIndex most_index;
  for (const auto& [index, history] : longest->histories()) {
    moved.moves += history.moves;
    if (history.moves > 0 && (most == nullptr || history.moves > most->moves)) {
      most = &history;
      most_index = index;
    }
  }
  if (most != nullptr) {
    moved.chain.push_back(absl::StrFormat("how %s-%d moved:", topic, most_index.value()));
    moved.chain.insert(moved.chain.end(), most->lines.begin(), most->lines.end());
  }
  return moved;
}

}  // namespace quorate
