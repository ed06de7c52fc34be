#include "tests/sim/world/sim_state_store.h"

#include <cstring>
#include <map>
#include <utility>

#include "base/status_macros.h"
#include "storage/crc32c.h"

namespace quorate::sim {
namespace {

// The file is a sequence of batches: length and CRC-32C of the rest, then per change a byte (1 =
// put) and key and value, each with its length in front. Numbers have 4 bytes, the machine's order.
constexpr char kFileName[] = "/batches";
constexpr size_t kHeader = 8;
// The file is rewritten once it is this much larger than what it holds.
constexpr size_t kGarbage = 64 << 10;

void AppendNumber(std::string* out, size_t value) {
  const uint32_t number = static_cast<uint32_t>(value);
  out->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void AppendText(std::string* out, std::string_view text) {
  AppendNumber(out, text.size());
  out->append(text);
}

bool TakeNumber(std::string_view* in, uint32_t* value) {
  if (in->size() < sizeof(*value)) return false;
  std::memcpy(value, in->data(), sizeof(*value));
  in->remove_prefix(sizeof(*value));
  return true;
}

bool TakeText(std::string_view* in, std::string* text) {
  uint32_t size = 0;
  if (!TakeNumber(in, &size) || in->size() < size) return false;
  *text = in->substr(0, size);
  in->remove_prefix(size);
  return true;
}

std::string Encode(const std::vector<StateBatch::Change>& changes) {
  std::string body;
  for (const StateBatch::Change& change : changes) {
    body.push_back(change.value ? 1 : 0);
    AppendText(&body, change.key);
    AppendText(&body, change.value ? *change.value : std::string());
  }
  std::string out;
  AppendNumber(&out, body.size());
  AppendNumber(&out, Crc32c(body));
  return out + body;
}

using Map = std::map<std::string, std::string>;

void Apply(StateBatch::Change change, Map* map) {
  if (change.value) {
    (*map)[std::move(change.key)] = *std::move(change.value);
  } else {
    map->erase(change.key);
  }
}

// Takes the first batch from `in`; false, with both as they were, if it is not whole.
bool TakeBatch(std::string_view* in, Map* map) {
  std::string_view rest = *in;
  uint32_t size = 0;
  uint32_t crc = 0;
  if (!TakeNumber(&rest, &size) || !TakeNumber(&rest, &crc)) return false;
  if (size == 0 || rest.size() < size || Crc32c(rest.substr(0, size)) != crc) return false;
  std::string_view body = rest.substr(0, size);
  while (!body.empty()) {
    StateBatch::Change change;
    const bool put = body.front() == 1;
    body.remove_prefix(1);
    std::string value;
    if (!TakeText(&body, &change.key) || !TakeText(&body, &value)) return false;
    if (put) change.value = std::move(value);
    Apply(std::move(change), map);
  }
  in->remove_prefix(kHeader + size);
  return true;
}

class SimStateStore final : public StateStore {
 public:
  SimStateStore(FileSystem& files, std::string directory)
      : files_(files), path_(directory + kFileName), directory_(std::move(directory)) {}

  // `damaged` decides what becomes of a torn store.
  absl::Status Load(absl::FunctionRef<bool()> damaged) {
    Q_RETURN_IF_ERROR(files_.CreateDirectories(directory_));
    if (!files_.Exists(path_)) return absl::OkStatus();
    Q_ASSIGN_OR_RETURN(const std::string bytes, files_.ReadFile(path_));
    std::string_view rest = bytes;
    while (!rest.empty() && TakeBatch(&rest, &map_)) {
    }
    size_ = bytes.size() - rest.size();
    if (rest.empty()) return absl::OkStatus();
    if (damaged()) return absl::DataLossError(directory_ + ": torn");
    // Bytes of lost batches must not come back behind new ones: the first Write starts anew.
    torn_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) override {
    const auto it = map_.find(std::string(key));
    if (it == map_.end()) return std::optional<std::string>();
    return std::optional<std::string>(it->second);
  }

  absl::Status Scan(
      std::string_view prefix,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) override {
    for (auto it = map_.lower_bound(std::string(prefix)); it != map_.end(); ++it) {
      if (!std::string_view(it->first).starts_with(prefix) || !visit(it->first, it->second)) break;
    }
    return absl::OkStatus();
  }

  absl::Status Write(const StateBatch& batch) override {
    if (batch.empty()) return failure_;
    if (failure_.ok()) failure_ = Append(batch);
    if (failure_.ok()) {
      for (const StateBatch::Change& change : batch.changes()) Apply(change, &map_);
    }
    return failure_;
  }

  absl::Status Flush() override {
    if (failure_.ok() && (file_ != nullptr || files_.Exists(path_))) failure_ = Sync();
    return failure_;
  }

 private:
  absl::Status OpenFile() {
    if (file_ != nullptr) return absl::OkStatus();
    Q_RETURN_IF_ERROR(files_.CreateDirectories(directory_));
    Q_ASSIGN_OR_RETURN(file_, files_.Open(path_, OpenMode::kCreate));
    return absl::OkStatus();
  }

  absl::Status Append(const StateBatch& batch) {
    if (torn_ || IsMostlyGarbage()) Q_RETURN_IF_ERROR(Rewrite());
    Q_RETURN_IF_ERROR(OpenFile());
    const std::string bytes = Encode(batch.changes());
    const std::string_view piece = bytes;
    Q_RETURN_IF_ERROR(file_->WriteAt(static_cast<int64_t>(size_), {&piece, 1}));
    size_ += bytes.size();
    return absl::OkStatus();
  }

  bool IsMostlyGarbage() const {
    if (size_ < kGarbage) return false;
    size_t live = 0;
    for (const auto& [key, value] : map_) live += key.size() + value.size();
    return size_ > 4 * live + kGarbage;
  }

  absl::Status Rewrite() {
    std::vector<StateBatch::Change> all;
    for (const auto& [key, value] : map_) all.push_back({key, value});
    const std::string bytes = all.empty() ? std::string() : Encode(all);
    Q_RETURN_IF_ERROR(files_.WriteFileAtomically(path_, bytes));
    file_ = nullptr;
    size_ = bytes.size();
    torn_ = false;
    return absl::OkStatus();
  }

  absl::Status Sync() {
    Q_RETURN_IF_ERROR(OpenFile());
    Q_RETURN_IF_ERROR(file_->Sync());
    return files_.SyncDirectory(directory_);
  }

  FileSystem& files_;
  const std::string path_;
  const std::string directory_;
  Map map_;
  std::shared_ptr<File> file_;  // null until something is written
  size_t size_ = 0;             // of the whole batches in the file
  bool torn_ = false;           // more bytes follow them
  absl::Status failure_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> SimStateStores::Open(const std::string& directory) {
  auto store = std::make_unique<SimStateStore>(files_, directory);
  Q_RETURN_IF_ERROR(store->Load([this] { return random_.Chance(damage_); }));
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace quorate::sim
