#include "tests/search/raft/search.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <sstream>
#include <utility>

#include "tests/search/raft/fingerprint_set.h"

namespace quorate::raft::search {
namespace {

using Bug = std::pair<const char*, bool BugSwitches::*>;
constexpr Bug kBugs[] = {
    {"vote_without_persisting", &BugSwitches::vote_without_persisting},
    {"commit_earlier_terms_by_counting", &BugSwitches::commit_earlier_terms_by_counting},
    {"trust_unverified_fetch", &BugSwitches::trust_unverified_fetch},
    {"commit_before_own_fsync", &BugSwitches::commit_before_own_fsync},
    {"forget_vote_on_step_down", &BugSwitches::forget_vote_on_step_down},
    {"vote_ignores_log", &BugSwitches::vote_ignores_log},
    {"trust_stale_flush", &BugSwitches::trust_stale_flush},
};

// The states of one level, one behind the other: nodes, history, number of messages, messages.
class Level {
 public:
  void Push(const ClusterState& state) {
    for (const uint32_t node : state.nodes) words_.push_back(node);
    words_.push_back(state.history);
    words_.push_back(static_cast<uint32_t>(state.net.size()));
    words_.insert(words_.end(), state.net.begin(), state.net.end());
    ++size_;
  }
  // Takes the states in the order in which they came; false at the end.
  bool Pop(ClusterState* state) {
    if (next_ == words_.size()) return false;
    for (uint32_t& node : state->nodes) node = words_[next_++];
    state->history = words_[next_++];
    const size_t count = words_[next_++];
    const auto first = words_.begin() + static_cast<std::ptrdiff_t>(next_);
    state->net.assign(first, first + static_cast<std::ptrdiff_t>(count));
    next_ += count;
    return true;
  }
  void Clear() {
    words_.clear();
    next_ = size_ = 0;
  }
  size_t size() const { return size_; }
  size_t bytes() const { return words_.capacity() * sizeof(uint32_t); }
  void Swap(Level* other) {
    words_.swap(other->words_);
    std::swap(next_, other->next_);
    std::swap(size_, other->size_);
  }

 private:
  std::vector<uint32_t> words_;
  size_t next_ = 0;
  size_t size_ = 0;
};

class Searcher {
 public:
  explicit Searcher(const SearchOptions& options) : options_(options), model_(options.model) {}

  SearchResult Run() {
    const ClusterState first = model_.First();
    Visit(first, Model::FingerprintOf(first), 0, 0);
    next_.Swap(&level_);
    bool more = true;
    while (more && level_.size() > 0) {
      more = ExpandLevel();
      if (!more) break;
      level_.Clear();
      level_.Swap(&next_);
      if (level_.size() > 0) ++result_.depth;
      Progress();
      more = result_.depth < options_.depth;
    }
    result_.exhausted = level_.size() == 0;
    result_.states = seen_.size();
    result_.reached = model_.reached();
    result_.node_states = model_.node_states();
    result_.messages = model_.messages();
    result_.core_steps = model_.core_steps();
    return std::move(result_);
  }

 private:
  void Visit(const ClusterState& state, uint64_t fingerprint, uint32_t parent, uint32_t code) {
    if (!seen_.Insert(fingerprint)) return;
    parents_.push_back({parent, code});
    next_.Push(state);
  }

  // False when the search ends here.
  bool ExpandLevel() {
    ClusterState state;
    std::string violation;
    std::vector<ClusterStep> steps;
    // All successors are made first, so that their places in the table are there when they are
    // looked up.
    std::vector<ClusterState> successors;
    std::vector<std::pair<uint64_t, uint32_t>> found;  // fingerprint, step
    while (level_.Pop(&state)) {
      const uint32_t number = expanded_++;
      model_.ListSteps(state, &steps);
      if (successors.size() <= steps.size()) successors.resize(steps.size() + 1);
      found.clear();
      for (const ClusterStep step : steps) {
        ClusterState& successor = successors[found.size()];
        if (!model_.Take(state, step, &successor, &violation)) continue;
        ++result_.steps;
        if (!violation.empty()) {
          Report(number, step, violation);
          return false;
        }
        found.emplace_back(Model::FingerprintOf(successor), step.Code());
        seen_.Prefetch(found.back().first);
      }
      for (size_t i = 0; i < found.size(); ++i) {
        Visit(successors[i], found[i].first, number, found[i].second);
      }
      if (seen_.size() >= options_.states) {
        ++result_.depth;
        return false;
      }
      if (expanded_ % 65536 == 0 && options_.clock() > options_.seconds) return false;
      if (expanded_ % 1048576 == 0) Progress();
    }
    return true;
  }

  void Progress() {
    char line[240];
    const double seconds = options_.clock();
    std::snprintf(line, sizeof line,
                  "depth %d: %zu states, %zu in this level, %.1f s, %.0f states/s, "
                  "%zu node states, %zu messages, %zu MB",
                  result_.depth, seen_.size(), level_.size(), seconds,
                  static_cast<double>(seen_.size()) / std::max(seconds, 1e-3), model_.node_states(),
                  model_.messages(),
                  (seen_.bytes() + parents_.capacity() * 8 + level_.bytes() + next_.bytes()) >> 20);
    options_.progress(line);
  }

  void Report(uint32_t parent, ClusterStep last, const std::string& violation) {
    std::vector<uint32_t> codes = {last.Code()};
    for (uint32_t at = parent; at != 0; at = parents_[at].parent) {
      codes.push_back(parents_[at].code);
    }
    std::reverse(codes.begin(), codes.end());
    result_.violations = 1;
    result_.violation = violation;
    result_.violation_depth = static_cast<int>(codes.size());
    ClusterState state = model_.First();
    ClusterState successor;
    std::string ignored;
    result_.path.push_back("> cluster 3");
    for (const uint32_t code : codes) {
      const ClusterStep step = ClusterStep::Of(code);
      model_.Take(state, step, &successor, &ignored);
      result_.path.push_back(model_.TextOf(step));
      std::istringstream after(model_.TextOf(successor));
      std::istringstream before(model_.TextOf(state));
      std::string line;
      std::string old_line;
      while (std::getline(after, line) && std::getline(before, old_line)) {
        if (line != old_line) result_.path.push_back(line);
      }
      std::swap(state, successor);
    }
  }

  struct Parent {
    uint32_t parent;
    uint32_t code;
  };
  const SearchOptions& options_;
  Model model_;
  FingerprintSet seen_;
  std::vector<Parent> parents_;  // by state, in the order in which they were found
  Level level_;
  Level next_;
  uint32_t expanded_ = 0;
  SearchResult result_;
};

}  // namespace

SearchResult Search(const SearchOptions& options) { return Searcher(options).Run(); }

bool SetMutant(const std::string& name, BugSwitches* bugs) {
  for (const auto& [bug, field] : kBugs) {
    if (name != bug) continue;
    bugs->*field = true;
    return true;
  }
  return false;
}

std::vector<std::string> MutantNames() {
  std::vector<std::string> names;
  for (const auto& [bug, field] : kBugs) names.emplace_back(bug);
  return names;
}

}  // namespace quorate::raft::search
