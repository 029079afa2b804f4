// Requests that decode together on one rank.  A step costs time in proportion to those that end or need a block, not to
// all: what every step changes is kept relative to a clock of steps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace moesim::serving {

class DecodeSet {
 public:
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  std::uint32_t slot(std::size_t i) const { return items_[i].slot; }
  std::int32_t context(std::size_t i) const { return items_[i].context + clock_; }  ///< tokens whose KV exists
  std::int32_t left(std::size_t i) const { return items_[i].end - clock_; }         ///< tokens to generate
  std::int32_t room(std::size_t i) const { return full_[i] - clock_; }              ///< tokens that fit into its blocks
  std::int64_t taken(std::size_t i) const { return items_[i].taken; }               ///< private space it holds

  std::int64_t contexts() const { return contexts_ + std::int64_t(items_.size()) * clock_; }  ///< sum
  std::int32_t longest() const { return items_.empty() ? 0 : longest_ + clock_; }
  /// Whether some request may have too little room for `queries` tokens, or at least for those it has left.
  bool may_lack_room(int queries) const { return clock_ + queries > first_full_; }
  /// The first from `from` on with room for fewer; size() if there is none.
  std::size_t next_lacking(std::size_t from, int queries) const {
    const std::int32_t least = clock_ + queries, *const full = full_.data();
    const std::size_t n = full_.size();
    while (from < n && full[from] >= least) ++from;
    return from;
  }
  bool may_have_ended() const { return clock_ >= end_; }

  void add(std::uint32_t slot, std::int32_t context, std::int32_t left, std::int32_t room, std::int64_t taken) {
    items_.push_back({slot, context - clock_, clock_ + left, taken});
    full_.push_back(clock_ + room);
    note(items_.back());
    first_full_ = std::min(first_full_, full_.back());
  }
  /// Every request has one token more.
  void advance() { ++clock_; }
  /// One of them has `tokens` more than that (or fewer); call recount() after the last.
  void correct(std::size_t i, std::int32_t tokens) {
    items_[i].context += tokens;
    items_[i].end -= tokens;
    full_[i] -= tokens;
  }
  /// Call recount_room() after the last.
  void grow(std::size_t i, std::int32_t room, std::int64_t taken) {
    full_[i] += room;
    items_[i].taken += taken;
  }
  /// The last takes its place; call recount() after the last removal.
  void swap_out(std::size_t i) {
    items_[i] = items_.back();
    items_.pop_back();
    full_[i] = full_.back();
    full_.pop_back();
  }
  /// The others keep their order; call recount() after the last removal.
  void erase(std::size_t i) {
    items_.erase(items_.begin() + std::ptrdiff_t(i));
    full_.erase(full_.begin() + std::ptrdiff_t(i));
  }
  void recount() {
    contexts_ = 0;
    longest_ = INT32_MIN;
    end_ = INT32_MAX;
    for (const Item& item : items_) note(item);
    recount_room();
  }
  void recount_room() {
    std::int32_t first = INT32_MAX;
    for (const std::int32_t full : full_) first = std::min(first, full);
    first_full_ = first;
  }

 private:
  // Relative to the clock: context = stored + clock, left = end - clock, room = full - clock.
  struct Item {
    std::uint32_t slot;
    std::int32_t context, end;
    std::int64_t taken;
  };
  void note(const Item& item) {
    contexts_ += item.context;
    longest_ = std::max(longest_, item.context);
    end_ = std::min(end_, item.end);
  }
  std::vector<Item> items_;
  std::vector<std::int32_t> full_;  // by item; apart, since it is looked through most often
  std::int32_t clock_ = 0, longest_ = INT32_MIN, end_ = INT32_MAX, first_full_ = INT32_MAX;
  std::int64_t contexts_ = 0;
};
}  // namespace moesim::serving
