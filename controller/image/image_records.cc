#include "controller/image/image_records.h"

#include <utility>

#include "base/status_macros.h"
#include "controller/image/entry_records.h"
#include "controller/image/replay.h"
#include "controller/image/state_entry.h"

namespace quorate {
namespace {

// Gathers records into batches for the sink.
class Writer {
 public:
  Writer(size_t max_batch_bytes, ImageRecordSink sink)
      : max_batch_bytes_(max_batch_bytes), sink_(sink) {}

  absl::Status Add(std::string bytes) {
    if (!batch_.empty() && batch_bytes_ + bytes.size() > max_batch_bytes_) {
      Q_RETURN_IF_ERROR(Flush());
    }
    batch_bytes_ += bytes.size();
    batch_.push_back(std::move(bytes));
    return absl::OkStatus();
  }
  absl::Status Flush() {
    if (batch_.empty()) return absl::OkStatus();
    batch_bytes_ = 0;
    return sink_(std::exchange(batch_, {}));
  }

 private:
  const size_t max_batch_bytes_;
  const ImageRecordSink sink_;
  std::vector<std::string> batch_;
  size_t batch_bytes_ = 0;
};

absl::Status WriteTopic(const TopicImage& topic, Writer* out) {
  Q_RETURN_IF_ERROR(out->Add(RecordOf(topic)));
  for (const auto& [index, state] : topic.partitions) {
    Q_RETURN_IF_ERROR(out->Add(RecordOf(topic.id, index, state)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteImageRecords(const MetadataImage& image, size_t max_batch_bytes,
                               ImageRecordSink sink) {
  Writer out(max_batch_bytes, sink);
  // Features first: they may one day decide how the rest is read.
  for (const auto& [name, level] : image.features()) {
    Q_RETURN_IF_ERROR(out.Add(RecordOfFeature(name, level)));
  }
  for (const auto& [id, broker] : image.brokers()) {
    for (std::string& record : RecordsOf(broker)) Q_RETURN_IF_ERROR(out.Add(std::move(record)));
  }
  for (const auto& [id, topic] : image.topics()) Q_RETURN_IF_ERROR(WriteTopic(topic, &out));
  for (const auto& [resource, configs] : image.configs()) {
    for (const auto& [key, value] : configs) {
      Q_RETURN_IF_ERROR(out.Add(RecordOf(resource, key, value)));
    }
  }
  if (image.next_producer_id() > ProducerId(0)) {
    Q_RETURN_IF_ERROR(out.Add(RecordOfProducerIds(image.next_producer_id())));
  }
  return out.Flush();
}

absl::Status ImageBuilder::Add(std::string_view record) {
  Q_RETURN_IF_ERROR(ReplayStateRecord(end_, count_, record, &image_));
  ++count_;
  return absl::OkStatus();
}

MetadataImage ImageBuilder::Take() && {
  AdvanceTo(end_, term_, &image_);
  return std::move(image_);
}

absl::StatusOr<MetadataImage> ImageOfRecords(LogIndex end, Term term,
                                             const std::vector<std::string>& records) {
  ImageBuilder builder(end, term);
  for (const std::string& record : records) Q_RETURN_IF_ERROR(builder.Add(record));
  return std::move(builder).Take();
}

MetadataDelta DeltaBetween(const ImagePtr& previous, const MetadataImage& next) {
  MetadataDelta delta;
  delta.previous = previous;
  const MetadataImage& old = *previous;
  for (const auto& [id, broker] : old.brokers()) {
    if (next.FindBroker(id) == nullptr) delta.brokers.insert(id);
  }
  for (const auto& [id, broker] : next.brokers()) {
    const BrokerImage* before = old.FindBroker(id);
    if (before == nullptr || StateEntry(*before) != StateEntry(broker)) delta.brokers.insert(id);
  }
  for (const auto& [id, topic] : old.topics()) {
    if (next.FindTopic(id) == nullptr) delta.topics_deleted.insert(id);
  }
  for (const auto& [id, topic] : next.topics()) {
    const TopicImage* before = old.FindTopic(id);
    if (before == nullptr) delta.topics_created.insert(id);
    for (const auto& [index, state] : topic.partitions) {
      const PartitionState* was = before == nullptr ? nullptr : before->FindPartition(index);
      if (was == nullptr || *was != state) delta.partitions.insert({id, index});
    }
  }
  for (const auto& [resource, configs] : old.configs()) {
    if (!next.configs().contains(resource)) delta.configs.insert(resource);
  }
  for (const auto& [resource, configs] : next.configs()) {
    const ConfigMap* before = old.configs().Find(resource);
    if (before == nullptr || *before != configs) delta.configs.insert(resource);
  }
  delta.producer_ids = old.next_producer_id() != next.next_producer_id();
  for (const auto& [name, level] : old.features()) {
    if (!next.features().contains(name)) delta.features = true;
  }
  for (const auto& [name, level] : next.features()) {
    const int32_t* before = old.features().Find(name);
    if (before == nullptr || *before != level) delta.features = true;
  }
  return delta;
}

}  // namespace quorate
