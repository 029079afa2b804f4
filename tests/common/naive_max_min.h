// The reference that the fast sharing must equal: progressive filling by search, and a fluid network that shares anew
// at every start and end.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace moesim::naive {

using Path = std::vector<int>;

/// The max-min fair rate of each path.  Source: Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2.
inline std::vector<double> max_min(const std::vector<Path>& paths, const std::vector<double>& capacity) {
  constexpr double kUnset = std::numeric_limits<double>::infinity();
  std::vector<double> rate(paths.size(), kUnset), left = capacity;
  std::vector<int> waiting(capacity.size());
  for (const Path& path : paths)
    for (const int l : path) ++waiting[std::size_t(l)];
  for (;;) {
    std::size_t tightest = left.size();
    double share = kUnset;
    for (std::size_t l = 0; l < left.size(); ++l)
      if (waiting[l] > 0 && left[l] / waiting[l] < share) share = left[l] / waiting[l], tightest = l;
    if (tightest == left.size()) return rate;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (rate[i] != kUnset || std::ranges::find(paths[i], int(tightest)) == paths[i].end()) continue;
      rate[i] = share;
      for (const int l : paths[i]) {
        left[std::size_t(l)] = std::max(0.0, left[std::size_t(l)] - share);
        --waiting[std::size_t(l)];
      }
    }
  }
}

struct Flow {
  Path path;
  double bytes = 0;
  double start = 0;  // seconds
};

/// When each flow's last byte leaves, in seconds.
inline std::vector<double> finish_times(const std::vector<Flow>& flows, const std::vector<double>& capacity) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  std::vector<double> left, end(flows.size(), kNever);
  for (const Flow& f : flows) left.push_back(f.bytes);
  double now = 0;
  for (;;) {
    std::vector<std::size_t> active;
    std::vector<Path> paths;
    double next = kNever;
    for (std::size_t i = 0; i < flows.size(); ++i) {
      if (end[i] != kNever) continue;
      if (flows[i].start > now) {
        next = std::min(next, flows[i].start);
      } else {
        active.push_back(i);
        paths.push_back(flows[i].path);
      }
    }
    if (active.empty() && next == kNever) return end;
    const std::vector<double> rate = max_min(paths, capacity);
    for (std::size_t k = 0; k < active.size(); ++k) next = std::min(next, now + left[active[k]] / rate[k]);
    for (std::size_t k = 0; k < active.size(); ++k) {
      const std::size_t i = active[k];
      const bool last = now + left[i] / rate[k] <= next;
      left[i] -= rate[k] * (next - now);
      if (last) end[i] = next;
    }
    now = next;
  }
}
}  // namespace moesim::naive
