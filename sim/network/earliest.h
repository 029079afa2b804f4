// The earliest of many times that change in bulk: minima of blocks of 16, and of 16 blocks, found again when asked.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/units.h"

namespace moesim {

/// A heap would do n log n work where a change of the network moves most of the times at once; this scans what changed.
class Earliest {
 public:
  /// A slot never set, or set to {INT64_MAX}, is never due.
  void set(std::uint32_t slot, Time when) {
    if (slot >= when_.size()) grow(slot);
    when_[slot] = when.v;
    touch(slot / kFan);
  }
  Time earliest() {
    refresh();
    std::int64_t least = INT64_MAX;
    for (const std::int64_t t : upper_) least = std::min(least, t);
    return {least};
  }
  /// Appends every slot whose time is at most `now`, ascending, and sets those to never.
  void take_until(Time now, std::vector<std::uint32_t>& out) {
    refresh();
    for (std::size_t u = 0; u < upper_.size(); ++u) {
      if (upper_[u] > now.v) continue;
      for (std::size_t b = u * kFan; b < (u + 1) * kFan; ++b) {
        if (lower_[b] > now.v) continue;
        for (std::size_t s = b * kFan; s < (b + 1) * kFan; ++s)
          if (when_[s] <= now.v) {
            when_[s] = INT64_MAX;
            out.push_back(std::uint32_t(s));
          }
        touch(b);
      }
    }
  }

 private:
  static constexpr std::size_t kFan = 16;
  void grow(std::uint32_t slot) {
    const std::size_t least = slot / (kFan * kFan) + 1, blocks = std::max(least, upper_.size() * 3 / 2);
    when_.resize(blocks * kFan * kFan, INT64_MAX);
    lower_.resize(blocks * kFan, INT64_MAX);
    touched_.resize(blocks * kFan, 0);
    upper_.resize(blocks, INT64_MAX);
  }
  void touch(std::size_t block) {
    if (touched_[block]) return;
    touched_[block] = 1;
    stale_.push_back(block);
  }
  void refresh() {
    const auto least_of = [](const std::vector<std::int64_t>& v, std::size_t block) {
      const std::int64_t* first = &v[block * kFan];
      return *std::min_element(first, first + kFan);
    };
    for (const std::size_t b : stale_) {
      lower_[b] = least_of(when_, b);
      touched_[b] = 0;
    }
    for (std::size_t i = 0; i < stale_.size(); ++i)
      if (i == 0 || stale_[i] / kFan != stale_[i - 1] / kFan)
        upper_[stale_[i] / kFan] = least_of(lower_, stale_[i] / kFan);
    stale_.clear();
  }

  std::vector<std::int64_t> when_, lower_, upper_;  // minima of 1, 16 and 256 slots
  std::vector<std::uint8_t> touched_;               // blocks whose minimum is out of date
  std::vector<std::size_t> stale_;
};
}  // namespace moesim
