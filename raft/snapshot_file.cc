#include "raft/snapshot_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "proto/quorate/raft.pb.h"
#include "raft/metadata_batch_codec.h"
#include "raft/voters_record.h"
#include "storage/batch_reader.h"
#include "storage/record_batch_builder.h"
#include "storage/record_iterator.h"

namespace quorate {
namespace {

constexpr std::string_view kSuffix = ".checkpoint";
constexpr int kVersion = 1;
constexpr size_t kReadChunk = 1 << 18;

std::optional<int64_t> ParseDigits(std::string_view text) {
  int64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9' || value > (INT64_MAX - 9) / 10) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// What the batches of a file have told so far.
class FileReader {
 public:
  FileReader(const std::string& path, const raft::SnapshotId& id, const std::string& cluster_id)
      : path_(path), id_(id), cluster_id_(cluster_id) {}

  absl::Status Take(const RecordBatchView& view, int64_t position, SnapshotRecordSink sink);
  absl::StatusOr<SnapshotHeader> Finish(int64_t position) const;

  absl::Status Damage(int64_t position, const std::string& what) const {
    return absl::DataLossError(
        absl::StrFormat("snapshot %s: position %d: %s", path_, position, what));
  }

 private:
  absl::Status TakeHeader(const MetadataBatch& batch, ControlRecordType type, int64_t position);
  absl::Status TakeFooter(const MetadataBatch& batch, ControlRecordType type, int64_t position);

  const std::string& path_;
  const raft::SnapshotId& id_;
  const std::string& cluster_id_;
  std::optional<SnapshotHeader> header_;
  int64_t next_offset_ = 0;
  int64_t records_ = 0;
  bool footer_ = false;
};

absl::Status FileReader::Take(const RecordBatchView& view, int64_t position,
                              SnapshotRecordSink sink) {
  if (!view.VerifyCrc()) return Damage(position, "the checksum of the batch does not fit");
  if (footer_) return Damage(position, "something follows the footer");
  const auto decoded = DecodeMetadataBatch(view);
  if (!decoded.ok()) return Damage(position, std::string(decoded.status().message()));
  const MetadataBatch& batch = **decoded;
  if (batch.first != LogIndex(next_offset_) || batch.term != id_.term) {
    return Damage(position, absl::StrFormat("a batch of offset %d and term %d stands where offset "
                                            "%d and term %d belong",
                                            batch.first.value(), batch.term.value(), next_offset_,
                                            id_.term.value()));
  }
  next_offset_ = batch.end().value();
  if (!batch.control) {
    if (!header_) return Damage(position, "the file does not begin with a snapshot header");
    for (const std::string& record : batch.records) {
      Q_RETURN_IF_ERROR(sink(record));
      ++records_;
    }
    return absl::OkStatus();
  }
  const auto type = ControlTypeOf(view);
  if (!type.ok()) return Damage(position, std::string(type.status().message()));
  if (batch.records.size() != 1) return Damage(position, "a control batch of several records");
  return header_ ? TakeFooter(batch, *type, position) : TakeHeader(batch, *type, position);
}

absl::Status FileReader::TakeHeader(const MetadataBatch& batch, ControlRecordType type,
                                    int64_t position) {
  pb::SnapshotHeader in;
  if (type != ControlRecordType::kSnapshotHeader || !in.ParseFromString(batch.records[0])) {
    return Damage(position, "the file does not begin with a snapshot header");
  }
  if (in.version() != kVersion) {
    return Damage(position, absl::StrFormat("version %d of the format is not known to this "
                                            "program, which writes version %d",
                                            in.version(), kVersion));
  }
  if (in.end_index() != id_.end.value() || in.term() != id_.term.value()) {
    return Damage(position,
                  absl::StrFormat("the header names index %d of term %d, the file's name index %d "
                                  "of term %d",
                                  in.end_index(), in.term(), id_.end.value(), id_.term.value()));
  }
  if (!cluster_id_.empty() && in.cluster_id() != cluster_id_) {
    return absl::FailedPreconditionError(absl::StrFormat("snapshot %s is of cluster %s, this is %s",
                                                         path_, in.cluster_id(), cluster_id_));
  }
  header_ = SnapshotHeader{id_, in.append_time_ms(), in.cluster_id()};
  if (in.voters().empty()) return absl::OkStatus();
  auto voters = DecodeVoters(in.voters());
  if (!voters.ok()) return Damage(position, std::string(voters.status().message()));
  header_->voters = *std::move(voters);
  return absl::OkStatus();
}

absl::Status FileReader::TakeFooter(const MetadataBatch& batch, ControlRecordType type,
                                    int64_t position) {
  pb::SnapshotFooter in;
  if (type != ControlRecordType::kSnapshotFooter || !in.ParseFromString(batch.records[0])) {
    return Damage(position, "a control record that does not belong here");
  }
  if (in.record_count() != records_) {
    return Damage(position, absl::StrFormat("the footer counts %d records, there are %d",
                                            in.record_count(), records_));
  }
  footer_ = true;
  return absl::OkStatus();
}

absl::StatusOr<SnapshotHeader> FileReader::Finish(int64_t position) const {
  if (!footer_) return Damage(position, "the file ends without a footer");
  return *header_;
}

}  // namespace

std::string SnapshotFileName(const raft::SnapshotId& id) {
  return absl::StrFormat("%020d-%010d%s", id.end.value(), id.term.value(), kSuffix);
}

std::optional<raft::SnapshotId> ParseSnapshotFileName(std::string_view name) {
  if (name.size() != 31 + kSuffix.size() || name[20] != '-' || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const auto end = ParseDigits(name.substr(0, 20));
  const auto term = ParseDigits(name.substr(21, 10));
  if (!end || !term || *term > INT32_MAX || *end == 0 || *term == 0) return std::nullopt;
  return raft::SnapshotId{LogIndex(*end), Term(static_cast<int32_t>(*term))};
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Create(
    FileSystem* file_system, const std::string& path, const SnapshotHeader& header) {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, file_system->Open(path, OpenMode::kCreateFresh));
  auto writer = std::unique_ptr<SnapshotWriter>(new SnapshotWriter(std::move(file), header));
  pb::SnapshotHeader out;
  out.set_version(kVersion);
  out.set_end_index(header.id.end.value());
  out.set_term(header.id.term.value());
  out.set_append_time_ms(header.append_time);
  out.set_cluster_id(header.cluster_id);
  if (header.voters) out.set_voters(EncodeVoters(*header.voters));
  Q_RETURN_IF_ERROR(
      writer->WriteControl(ControlRecordType::kSnapshotHeader, out.SerializeAsString()));
  return writer;
}

absl::Status SnapshotWriter::WriteControl(ControlRecordType type, const std::string& value) {
  BatchOptions options;
  options.base_offset = Offset(next_offset_);
  options.leader_epoch = LeaderEpoch(header_.id.term.value());
  options.control = true;
  RecordBatchBuilder builder(options);
  builder.AddControl(header_.append_time, type, value);
  ++next_offset_;
  return Write(builder.Build());
}

absl::Status SnapshotWriter::Add(const std::vector<std::string>& records) {
  QCHECK(!records.empty());
  BatchOptions options;
  options.base_offset = Offset(next_offset_);
  options.leader_epoch = LeaderEpoch(header_.id.term.value());
  RecordBatchBuilder builder(options);
  for (const std::string& record : records) {
    builder.Add(header_.append_time, std::nullopt, record);
  }
  next_offset_ += static_cast<int64_t>(records.size());
  records_ += static_cast<int64_t>(records.size());
  return Write(builder.Build());
}

absl::Status SnapshotWriter::Write(const std::string& batch) {
  const std::string_view piece = batch;
  Q_RETURN_IF_ERROR(file_->WriteAt(position_, {&piece, 1}));
  position_ += static_cast<int64_t>(batch.size());
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Finish() {
  pb::SnapshotFooter out;
  out.set_record_count(records_);
  Q_RETURN_IF_ERROR(WriteControl(ControlRecordType::kSnapshotFooter, out.SerializeAsString()));
  return file_->Sync();
}

absl::StatusOr<SnapshotHeader> ReadSnapshotFile(FileSystem* file_system, const std::string& path,
                                                const raft::SnapshotId& id,
                                                const std::string& cluster_id,
                                                SnapshotRecordSink sink) {
  Q_ASSIGN_OR_RETURN(std::shared_ptr<File> file, file_system->Open(path, OpenMode::kRead));
  Q_ASSIGN_OR_RETURN(const int64_t size, file->Size());
  BatchReader batches(file, 0, size, kReadChunk);
  FileReader reader(path, id, cluster_id);
  while (true) {
    Q_ASSIGN_OR_RETURN(const BatchReader::Found found, batches.Next(/*whole=*/true));
    if (found == BatchReader::Found::kEnd) return reader.Finish(size);
    if (found == BatchReader::Found::kBad) {
      return reader.Damage(batches.position(), batches.bad());
    }
    Q_RETURN_IF_ERROR(reader.Take(batches.batch(), batches.position(), sink));
  }
}

absl::StatusOr<std::shared_ptr<const MetadataSnapshot>> LoadSnapshotFile(
    FileSystem* file_system, const std::string& path, const raft::SnapshotId& id,
    const std::string& cluster_id) {
  auto snapshot = std::make_shared<MetadataSnapshot>();
  Q_ASSIGN_OR_RETURN(
      const SnapshotHeader header,
      ReadSnapshotFile(file_system, path, id, cluster_id, [&snapshot](std::string_view record) {
        snapshot->records.emplace_back(record);
        return absl::OkStatus();
      }));
  snapshot->end = id.end;
  snapshot->term = id.term;
  snapshot->append_time = header.append_time;
  if (header.voters) snapshot->voters = std::make_shared<const raft::VoterSet>(*header.voters);
  return std::shared_ptr<const MetadataSnapshot>(std::move(snapshot));
}

}  // namespace quorate
