#include "raft/metadata_log_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "raft/metadata_batch_codec.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

bool IsSegmentName(const std::string& name) {
  return name.size() == 24 && name.ends_with(".log") &&
         std::all_of(name.begin(), name.begin() + 20, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string MetadataLogDirectory(FileSystem* file_system, const std::string& directory) {
  std::string log = directory;
  while (log.size() > 1 && log.ends_with('/')) log.pop_back();
  const std::string inner = log + "/__cluster_metadata-0";
  return file_system->IsDirectory(inner) ? inner : log;
}

absl::StatusOr<std::unique_ptr<MetadataLogReader>> MetadataLogReader::Open(
    FileSystem* file_system, const std::string& directory) {
  const std::string log = MetadataLogDirectory(file_system, directory);
  Q_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system->List(log));
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    if (IsSegmentName(name)) paths.push_back(log + "/" + name);
  }
  if (paths.empty()) return absl::NotFoundError(absl::StrFormat("%s: no segments", log));
  return std::unique_ptr<MetadataLogReader>(new MetadataLogReader(file_system, std::move(paths)));
}

absl::Status MetadataLogReader::Damage(const std::string& what) const {
  return absl::DataLossError(
      absl::StrFormat("%s: position %d: %s", file_->path(), position_, what));
}

absl::Status MetadataLogReader::OpenNextFile() {
  Q_ASSIGN_OR_RETURN(file_, file_system_->Open(paths_[next_path_], OpenMode::kRead));
  ++next_path_;
  position_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> MetadataLogReader::ReadBatchBytes() {
  std::string bytes(kBatchHeaderBytes, '\0');
  Q_ASSIGN_OR_RETURN(const size_t header, file_->ReadAt(position_, bytes.data(), bytes.size()));
  torn_bytes_ = static_cast<int64_t>(header);
  if (header < kBatchHeaderBytes) return std::optional<std::string>();
  const auto view = RecordBatchView::ParseHeader(bytes);
  if (!view.ok()) return Damage(std::string(view.status().message()));
  const int64_t size = view->size_bytes();
  Q_ASSIGN_OR_RETURN(const int64_t file_size, file_->Size());
  if (size > file_size - position_) {
    torn_bytes_ = file_size - position_;
    return std::optional<std::string>();
  }
  bytes.resize(static_cast<size_t>(size));
  Q_ASSIGN_OR_RETURN(const size_t whole, file_->ReadAt(position_, bytes.data(), bytes.size()));
  if (whole < bytes.size()) return std::optional<std::string>();
  torn_bytes_ = 0;
  return std::optional<std::string>(std::move(bytes));
}

absl::StatusOr<std::optional<MetadataLogReader::Entry>> MetadataLogReader::Next() {
  if (!file_) Q_RETURN_IF_ERROR(OpenNextFile());
  std::optional<std::string> bytes;
  while (true) {
    Q_ASSIGN_OR_RETURN(bytes, ReadBatchBytes());
    if (bytes) break;
    if (next_path_ == paths_.size()) return std::optional<Entry>();
    if (torn_bytes_ > 0) return Damage("the segment ends in the middle of a batch");
    Q_RETURN_IF_ERROR(OpenNextFile());
  }
  const auto view = RecordBatchView::Parse(*bytes);
  if (!view.ok()) return Damage(std::string(view.status().message()));
  if (!view->VerifyCrc()) return Damage("the checksum of the batch does not fit");
  const auto batch = DecodeMetadataBatch(*view);
  if (!batch.ok()) return Damage(std::string(batch.status().message()));
  if (!first_ && (*batch)->first != next_index_) {
    return Damage(absl::StrFormat("the batch begins at index %d instead of %d",
                                  (*batch)->first.value(), next_index_.value()));
  }
  Entry entry;
  entry.batch = *batch;
  if (view->is_control()) {
    const auto type = ControlTypeOf(*view);
    if (!type.ok()) return Damage(std::string(type.status().message()));
    entry.control_type = *type;
  }
  entry.file = file_->path();
  entry.position = position_;
  entry.size_bytes = view->size_bytes();
  first_ = false;
  next_index_ = entry.batch->end();
  position_ += entry.size_bytes;
  return std::optional<Entry>(std::move(entry));
}

}  // namespace quorate
