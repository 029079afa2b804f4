// The steps of the hedged search: swaps of two slots, and spare copies turned into copies of other experts.
#include <algorithm>
#include <cmath>

#include "placement/planning/hedged_search.h"

namespace moesim::placement {
namespace {
constexpr float kLeastGain = 1e-4f;  // of the sum over GPUs of time^p: what rounding could make up
constexpr std::size_t kFullest = 2;  // GPUs whose experts may get copies
}  // namespace

/// The pairs with one of the GPUs that burden more than the mean, the fullest with the emptiest first.  What is
/// minimised is concave in the sums of powers, so that a step which lowers it along the slopes lowers it.
int HedgedSearch::sweep(long& pairs) {
  float total = 0;
  const std::vector<Index> order = by_burden(total);
  const auto exponent = float(1 << doublings_);
  const float least = std::max(kLeastGain, float(params_.least_gain) * exponent) * total;
  int steps = 0;
  for (Index i = 0; i < gpus_; ++i) {
    if (burden(order[i]) * float(gpus_) < total) continue;
    for (Index j = gpus_; j-- > i + 1;)
      if (may_swap(order[i], order[j]) && pairs-- > 0) steps += swap_best(order[i], order[j], least);
  }
  return steps;
}

template <int doublings, bool one_block>
void HedgedSearch::find_swap(Index a, Index b, Swap& best) const {
  const auto raised = [](Lanes x) {
    for (int i = 0; i < doublings; ++i) x *= x;
    return x;
  };
  const Lanes slow_a = Lanes::all(slowness_[a]), slow_b = Lanes::all(slowness_[b]);
  const Index blocks = one_block ? 1 : blocks_;
  const Lanes* const time_a = &time_[a * blocks];
  const Lanes* const time_b = &time_[b * blocks];
  for (Index s = first(a); s < end(a); ++s)
    for (Index t = first(b); t < end(b); ++t) {
      float then = 0;
      for (Index k = 0; k < blocks; ++k) {
        const Lanes change = slot_[s * blocks + k] - slot_[t * blocks + k];
        then += (slope_[k] * (raised((time_a[k] - change) * slow_a) + raised((time_b[k] + change) * slow_b))).sum();
      }
      if (then >= best.then) continue;
      const int one = map_.slot_to_expert[s], other = map_.slot_to_expert[t];
      if (one == other || (one >= 0 && holds(b, one)) || (other >= 0 && holds(a, other))) continue;
      best = {s, t, then};
    }
}

bool HedgedSearch::swap_best(Index a, Index b, float least) {
  float now = 0, even = 0;  // as it is, and were both equally full
  for (Index k = 0; k < blocks_; ++k) {
    const Lanes x = time_[a * blocks_ + k], y = time_[b * blocks_ + k];
    now += (slope_[k] * (power(x * slowness_[a]) + power(y * slowness_[b]))).sum();
    even += (slope_[k] * power((x + y) * (slowness_[a] / 2))).sum() * 2;
  }
  const float best = now - least;
  if (slowness_[a] == slowness_[b] && even > best) return false;
  Swap found{.then = best};
  const auto find = [&]<int doublings>() {
    blocks_ == 1 ? find_swap<doublings, true>(a, b, found) : find_swap<doublings, false>(a, b, found);
  };
  switch (doublings_) {  // the hot loop, its exponent known
    case 3:
      find.template operator()<3>();
      break;
    case 4:
      find.template operator()<4>();
      break;
    case 5:
      find.template operator()<5>();
      break;
    default:
      find.template operator()<6>();
      break;
  }
  const auto [from, to, then] = found;
  if (from == to) return false;
  swap(from, to);
  return true;
}

/// Two slots of different GPUs.
void HedgedSearch::swap(Index from, Index to) {
  const Index a = from / width_, b = to / width_;
  for (Index k = 0; k < blocks_; ++k) {
    Lanes &x = time_[a * blocks_ + k], &y = time_[b * blocks_ + k];
    const Lanes change = slot_[from * blocks_ + k] - slot_[to * blocks_ + k];
    sum_[k] -= power(x * slowness_[a]) + power(y * slowness_[b]);
    x -= change, y += change;
    sum_[k] += power(x * slowness_[a]) + power(y * slowness_[b]);
    std::swap(slot_[from * blocks_ + k], slot_[to * blocks_ + k]);
  }
  std::swap(map_.slot_to_expert[from], map_.slot_to_expert[to]);
  set_slopes();
}

void HedgedSearch::separate() {
  const auto twice = [&](Index slot) {
    const auto begin = map_.slot_to_expert.begin() + std::ptrdiff_t(first(slot / width_));
    const auto here = map_.slot_to_expert.begin() + std::ptrdiff_t(slot);
    return *here >= 0 && std::find(begin, here, *here) != here;
  };
  for (Index s = 0; s < gpus_ * width_; ++s) {
    if (!twice(s)) continue;
    const Index a = s / width_;
    Index best = s;
    float least = 0;
    for (Index b = 0; b < gpus_; ++b) {
      if (!may_swap(a, b) || holds(b, map_.slot_to_expert[s])) continue;
      const float now = burden(b);
      for (Index t = first(b); t < end(b); ++t) {
        if (map_.slot_to_expert[t] >= 0 && holds(a, map_.slot_to_expert[t])) continue;
        float more = -now;
        for (Index k = 0; k < blocks_; ++k) {
          const Lanes change = slot_[s * blocks_ + k] - slot_[t * blocks_ + k];
          more += (slope_[k] * (power((time_[a * blocks_ + k] - change) * slowness_[a]) +
                                power((time_[b * blocks_ + k] + change) * slowness_[b])))
                      .sum();
        }
        if (best != s && more >= least) continue;
        best = t, least = more;
      }
    }
    if (best != s) swap(s, best);
  }
}

/// Turns an empty slot or a spare copy on a GPU that burdens less than the mean into one more copy of an expert on the
/// fullest GPUs, if that helps; the best of all.
bool HedgedSearch::move_copy() {
  if (most_copies_ < 2 || params_.apart > 0) return false;
  float total = 0;
  const std::vector<Index> order = by_burden(total);
  float best = -std::max(kLeastGain, float(params_.least_gain) * float(1 << doublings_)) * total;
  Index to = 0;
  int wanted = -1;
  change_.resize(gpus_ * blocks_);
  list_slots();
  for (Index i = 0; i < std::min(kFullest, gpus_); ++i)
    for (Index s = first(order[i]); s < end(order[i]); ++s) {
      const int e = map_.slot_to_expert[s];
      if (e < 0 || copies_[Index(e)] >= most_copies_) continue;
      for (Index g = 0; g < gpus_; ++g) {
        if (holds(g, e) || burden(g) * float(gpus_) > total) continue;
        for (Index t = first(g); t < end(g); ++t) {
          const int given = map_.slot_to_expert[t];
          if (given >= 0 && copies_[Index(given)] < 2) continue;
          const float gain = moved_copy(t, e);
          if (gain < best) best = gain, to = t, wanted = e;
        }
      }
    }
  if (wanted < 0) return false;
  map_.slot_to_expert[to] = wanted;
  add_up();
  return true;
}

void HedgedSearch::list_slots() {
  slots_of_.resize(experts_);
  for (auto& list : slots_of_) list.clear();
  for (Index s = 0; s < gpus_ * width_; ++s)
    if (const int e = map_.slot_to_expert[s]; e >= 0) slots_of_[Index(e)].push_back(s);
}

/// What is minimised changes by this, along the slopes, if the slot becomes a copy of `wanted`.
float HedgedSearch::moved_copy(Index slot, int wanted) {
  const int given = map_.slot_to_expert[slot];
  touched_.clear();
  const auto add = [&](Index gpu, Index k, Lanes x) {
    if (std::ranges::find(touched_, gpu) == touched_.end()) {
      touched_.push_back(gpu);
      for (Index b = 0; b < blocks_; ++b) change_[gpu * blocks_ + b] = {};
    }
    change_[gpu * blocks_ + k] += x;
  };
  for (Index k = 0; k < blocks_; ++k) {
    const int n = copies_[Index(wanted)], m = given < 0 ? 0 : copies_[Index(given)];
    const Lanes one_more = weight(Index(wanted), n + 1, k);
    const Lanes rises = given < 0 ? Lanes{} : weight(Index(given), m - 1, k) - weight(Index(given), m, k);
    const Lanes falls = one_more - weight(Index(wanted), n, k);
    for (const Index s : slots_of_[Index(wanted)]) add(s / width_, k, falls);
    if (given >= 0)
      for (const Index s : slots_of_[Index(given)])
        if (s != slot) add(s / width_, k, rises);
    add(slot / width_, k, one_more);
    if (given >= 0) add(slot / width_, k, Lanes{} - weight(Index(given), m, k));
  }
  float out = 0;
  for (const Index g : touched_)
    for (Index k = 0; k < blocks_; ++k) {
      const Lanes now = time_[g * blocks_ + k];
      out += (slope_[k] * (power((now + change_[g * blocks_ + k]) * slowness_[g]) - power(now * slowness_[g]))).sum();
    }
  return out;
}
}  // namespace moesim::placement
