// The earliest of many times that change in bulk: minima of blocks of 8, of 8 blocks, and so on, found again when
// asked.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/ceil_div.h"
#include "core/units.h"

namespace moesim::network {

/// A heap would do n log n work where a change of the network moves most of the times at once; this looks again only at
/// blocks whose minimum may have changed, without a branch that depends on the times.
class Earliest {
 public:
  /// An index never set, or set to {INT64_MAX}, is never due.
  void set(std::uint32_t index, Time when) {
    if (index >= when_.size()) grow(index);
    const std::int64_t before = std::exchange(when_[index], when.v);
    if (std::min(before, when.v) <= first_[index / kFan]) touch(index / kFan);  // else the block's minimum stays
  }
  Time earliest() {
    refresh();
    return {least(upper_.empty() ? first_ : upper_.back(), 0)};
  }
  /// Appends every index whose time is at most `now`, ascending, and sets those to never.
  void take_until(Time now, std::vector<std::uint32_t>& out) {
    refresh();
    take(upper_.size(), 0, now.v, out);
  }

 private:
  static constexpr std::size_t kFan = 8;
  using Times = std::vector<std::int64_t>;

  static std::int64_t least(const Times& times, std::size_t block) {
    const std::int64_t* t = &times[block * kFan];
    const std::int64_t a = std::min(t[0], t[1]), b = std::min(t[2], t[3]), c = std::min(t[4], t[5]),
                       d = std::min(t[6], t[7]);
    return std::min(std::min(a, b), std::min(c, d));
  }
  /// first_, and the minima of its blocks, and of theirs.
  Times& minima(std::size_t level) { return level == 0 ? first_ : upper_[level - 1]; }

  void grow(std::size_t index) {
    const auto blocks = [](std::size_t n) { return ceil_div(n, kFan); };
    std::size_t size = blocks(std::max(index + 1, when_.size() * 3 / 2));
    when_.resize(size * kFan, INT64_MAX);
    touched_.resize(size, 0);
    first_.resize(blocks(size) * kFan, INT64_MAX);
    for (std::size_t level = 0; (size = blocks(size)) > 1; ++level) {
      if (level == upper_.size()) upper_.emplace_back();
      upper_[level].resize(blocks(size) * kFan, INT64_MAX);
    }
    std::ranges::fill(first_, INT64_MAX);  // whatever is set lies below or at it: all that counts is looked at again
    for (Times& times : upper_) std::ranges::fill(times, INT64_MAX);
    for (std::size_t b = 0; b < touched_.size(); ++b) touch(b);
  }
  void touch(std::size_t block) {
    if (touched_[block]) return;
    touched_[block] = 1;
    stale_.push_back(std::uint32_t(block));
  }
  void refresh() {
    for (const std::uint32_t b : stale_) {
      touched_[b] = 0;
      first_[b] = least(when_, b);
    }
    for (std::size_t level = 0; level < upper_.size(); ++level) {
      std::size_t parents = 0;
      for (const std::uint32_t b : stale_)
        if (const auto parent = std::uint32_t(b / kFan); parents == 0 || stale_[parents - 1] != parent) {
          upper_[level][parent] = least(minima(level), parent);
          stale_[parents++] = parent;
        }
      stale_.resize(parents);
    }
    stale_.clear();
  }
  void take(std::size_t level, std::size_t block, std::int64_t now, std::vector<std::uint32_t>& out) {
    for (std::size_t i = block * kFan; i < (block + 1) * kFan; ++i) {
      if (minima(level)[i] > now) continue;
      if (level > 0) {
        take(level - 1, i, now, out);
        continue;
      }
      for (std::size_t index = i * kFan; index < (i + 1) * kFan; ++index) {
        if (when_[index] > now) continue;
        when_[index] = INT64_MAX;
        out.push_back(std::uint32_t(index));
      }
      touch(i);
    }
  }

  Times when_ = Times(kFan, INT64_MAX);      // by index
  Times first_ = Times(kFan, INT64_MAX);     // the least of each block of when_
  std::vector<Times> upper_;                 // [0]: the least of each block of first_, and so on up to one block
  std::vector<std::uint8_t> touched_ = {0};  // blocks of when_ whose minimum may be out of date
  std::vector<std::uint32_t> stale_;         // the same as a list
};
}  // namespace moesim::network
