// base/persistent_map.h
//
// PersistentMap: an ordered map whose copies share structure. Copying one is O(1); a change costs
// O(log n) new nodes and leaves every other copy as it was. Metadata images are made of these
// (decision D7).
//
//   PersistentMap<int, std::string> a;
//   a.Set(1, "x");
//   PersistentMap<int, std::string> b = a;
//   b.Set(1, "y");   // *a.Find(1) is still "x"
//
// A height-balanced (AVL) tree of immutable nodes. Order of iteration is that of the keys; nothing
// else about the shape can be seen.
//
// Thread-compatible: one copy belongs to one thread at a time, but copies that share nodes may be
// used by different threads, as nodes never change.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace quorate {

// K is ordered by the transparent Less; K and V are immutable once stored. A pointer or reference
// to an entry is valid while any copy that holds this entry lives.
template <typename K, typename V, typename Less = std::less<>>
class PersistentMap {
 public:
  using value_type = std::pair<const K, V>;

 private:
  struct Node;
  using NodePtr = std::shared_ptr<const Node>;
  using EntryPtr = std::shared_ptr<const value_type>;
  struct Node {
    EntryPtr entry;
    NodePtr left;
    NodePtr right;
    int height = 1;
  };

 public:
  // Forward iterator in key order. Valid while the map it came from is neither changed nor
  // destroyed.
  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = PersistentMap::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    reference operator*() const { return *path_.back()->entry; }
    pointer operator->() const { return path_.back()->entry.get(); }
    const_iterator& operator++() {
      const Node* node = path_.back();
      path_.pop_back();
      PushLeft(node->right.get());
      return *this;
    }
    const_iterator operator++(int) {
      const_iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const const_iterator& other) const {
      if (path_.empty() || other.path_.empty()) return path_.empty() == other.path_.empty();
      return path_.back() == other.path_.back();
    }

   private:
    friend class PersistentMap;
    void PushLeft(const Node* node) {
      for (; node != nullptr; node = node->left.get()) path_.push_back(node);
    }
    std::vector<const Node*> path_;  // the node it stands at, on top of those still to come
  };
  using iterator = const_iterator;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The value of `key`, or nullptr.
  template <typename Q>
  const V* Find(const Q& key) const {
    for (const Node* node = root_.get(); node != nullptr;) {
      if (Less()(key, node->entry->first)) {
        node = node->left.get();
      } else if (Less()(node->entry->first, key)) {
        node = node->right.get();
      } else {
        return &node->entry->second;
      }
    }
    return nullptr;
  }
  template <typename Q>
  bool contains(const Q& key) const {
    return Find(key) != nullptr;
  }

  // Adds the entry or replaces its value. O(log n).
  void Set(K key, V value) {
    auto entry = std::make_shared<const value_type>(std::move(key), std::move(value));
    bool added = false;
    root_ = Insert(root_, std::move(entry), &added);
    if (added) ++size_;
  }

  // Removes the entry; false if there is none. O(log n).
  template <typename Q>
  bool Erase(const Q& key) {
    if (!contains(key)) return false;
    root_ = Remove(root_, key);
    --size_;
    return true;
  }

  void clear() {
    root_.reset();
    size_ = 0;
  }

  const_iterator begin() const {
    const_iterator it;
    it.PushLeft(root_.get());
    return it;
  }
  const_iterator end() const { return const_iterator(); }

  // The first entry whose key is not less than `key`.
  template <typename Q>
  const_iterator LowerBound(const Q& key) const {
    const_iterator it;
    for (const Node* node = root_.get(); node != nullptr;) {
      if (Less()(node->entry->first, key)) {
        node = node->right.get();
      } else {
        it.path_.push_back(node);
        node = node->left.get();
      }
    }
    return it;
  }

  // True if both are the same tree: a cheap test that nothing changed in between.
  bool SharesAllWith(const PersistentMap& other) const { return root_ == other.root_; }

  // Levels of the tree; <= 1.45 log2(n + 2).
  int height() const { return Height(root_); }

 private:
  static int Height(const NodePtr& node) { return node == nullptr ? 0 : node->height; }

  static NodePtr Make(EntryPtr entry, NodePtr left, NodePtr right) {
    const int height = 1 + std::max(Height(left), Height(right));
    return std::make_shared<const Node>(
        Node{std::move(entry), std::move(left), std::move(right), height});
  }

  // A balanced node of these parts, whose heights differ by at most 2.
  static NodePtr Balance(EntryPtr entry, NodePtr left, NodePtr right) {
    const int difference = Height(left) - Height(right);
    if (difference > 1) {
      if (Height(left->left) >= Height(left->right)) {
        return Make(left->entry, left->left, Make(std::move(entry), left->right, std::move(right)));
      }
      const NodePtr& middle = left->right;
      return Make(middle->entry, Make(left->entry, left->left, middle->left),
                  Make(std::move(entry), middle->right, std::move(right)));
    }
    if (difference < -1) {
      if (Height(right->right) >= Height(right->left)) {
        return Make(right->entry, Make(std::move(entry), std::move(left), right->left),
                    right->right);
      }
      const NodePtr& middle = right->left;
      return Make(middle->entry, Make(std::move(entry), std::move(left), middle->left),
                  Make(right->entry, middle->right, right->right));
    }
    return Make(std::move(entry), std::move(left), std::move(right));
  }

  static NodePtr Insert(const NodePtr& node, EntryPtr entry, bool* added) {
    if (node == nullptr) {
      *added = true;
      return Make(std::move(entry), nullptr, nullptr);
    }
    if (Less()(entry->first, node->entry->first)) {
      return Balance(node->entry, Insert(node->left, std::move(entry), added), node->right);
    }
    if (Less()(node->entry->first, entry->first)) {
      return Balance(node->entry, node->left, Insert(node->right, std::move(entry), added));
    }
    return Make(std::move(entry), node->left, node->right);
  }

  // `key` is in the tree.
  template <typename Q>
  static NodePtr Remove(const NodePtr& node, const Q& key) {
    if (Less()(key, node->entry->first)) {
      return Balance(node->entry, Remove(node->left, key), node->right);
    }
    if (Less()(node->entry->first, key)) {
      return Balance(node->entry, node->left, Remove(node->right, key));
    }
    if (node->left == nullptr) return node->right;
    if (node->right == nullptr) return node->left;
    EntryPtr next;
    NodePtr right = RemoveFirst(node->right, &next);
    return Balance(std::move(next), node->left, std::move(right));
  }

  static NodePtr RemoveFirst(const NodePtr& node, EntryPtr* first) {
    if (node->left == nullptr) {
      *first = node->entry;
      return node->right;
    }
    return Balance(node->entry, RemoveFirst(node->left, first), node->right);
  }

  NodePtr root_;
  size_t size_ = 0;
};

}  // namespace quorate
