#include "placement/planning/hedged_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/elementary.h"
#include "placement/planning/packing.h"

namespace moesim::placement {
namespace {
constexpr int kRounds = 3;  // of swaps and moved copies
constexpr int kMoves = 4;   // of copies, a round
constexpr int kLeastExponent = 3,
              kMostExponent = 6;  // doublings: below, a norm of the fullest is none; above, floats end
constexpr float kWorst = 16;      // exponent over windows where the worst counts

int usable_gpus(const PlacementProblem& p) {
  int out = 0;
  for (int g = 0; g < p.gpus; ++g) out += p.slots_on(g) > 0;
  return out;
}
}  // namespace

HedgedSearch::HedgedSearch(int experts, const PlacementProblem& problem, const HedgeParams& params)
    : problem_(problem),
      params_(params),
      experts_(Index(experts)),
      gpus_(Index(problem.gpus)),
      width_(Index(problem.slots_per_gpu())),
      most_copies_(usable_gpus(problem)) {
  double speed = 0;
  for (int g = 0; g < problem.gpus; ++g) speed += problem.speed_of(g);
  for (Index g = 0; g < gpus_; ++g) end_.push_back(g * width_ + Index(problem.slots_on(int(g))));
  for (int g = 0; g < problem.gpus; ++g) of_mean_.push_back(float(speed / double(problem.gpus) / problem.speed_of(g)));
}

exchange::ExpertMap HedgedSearch::operator()(const LayerOutlook& layer) {
  weigh(layer);
  map_ = empty_map(int(experts_), problem_);
  copy_hottest();
  fill();
  add_up();
  separate();
  balance();
  return map_;
}

exchange::ExpertMap HedgedSearch::improved(exchange::ExpertMap map, const LayerOutlook& layer) {
  weigh(layer);
  map_ = std::move(map);
  copies_.assign(experts_, 0);
  add_up();
  separate();
  balance();
  return map_;
}

void HedgedSearch::weigh(const LayerOutlook& layer) {
  windows_ = layer.windows.size();
  slowness_ = of_mean_;
  blocks_ = (windows_ + kLanes - 1) / kLanes;
  shares_.assign(experts_ * blocks_, {});
  spread_.assign(experts_, 0);
  const double unit = double(gpus_);  // shares of all rows become times of the mean GPU
  double variance = 0;                // of a mean GPU's time
  for (Index e = 0; e < experts_; ++e) {
    for (Index w = 0; w < windows_; ++w)
      shares_[e * blocks_ + w / kLanes].set(int(w % kLanes), float(layer.windows[w][e] * unit));
    spread_[e] = float(layer.spread[e] * unit * unit);
    variance += spread_[e] / unit;
  }
  const double b = std::sqrt(2 * log_of(std::max(2.0, unit)) / std::max(variance, 1e-6));
  doublings_ = std::clamp(int(std::lround(log2_of(b / 3))), kLeastExponent, kMostExponent);
  hedge_ = float(std::min(b / 3, std::ldexp(1.0, doublings_)) / 2);
  sum_.resize(blocks_);
  slope_.resize(blocks_);
}

float HedgedSearch::hottest(Index expert, int copies) const {
  float out = 0;
  for (Index w = 0; w < windows_; ++w) out = std::max(out, weight(expert, copies, w / kLanes)[int(w % kLanes)]);
  return out;
}

/// One copy each, then one more to the expert whose copies weigh most in some window.
void HedgedSearch::copy_hottest() {
  copies_.assign(experts_, 1);
  std::vector<std::pair<float, int>> heap;  // the heaviest on top, of equals the lower id
  for (Index e = 0; e < experts_; ++e) heap.push_back({hottest(e, 1), -int(e)});
  std::ranges::make_heap(heap);
  for (Index left = Index(problem_.slots) - experts_; left > 0 && !heap.empty() && most_copies_ > 1; --left) {
    std::ranges::pop_heap(heap);
    const auto e = Index(-heap.back().second);
    heap.pop_back();
    if (++copies_[e] == most_copies_) continue;
    heap.push_back({hottest(e, copies_[e]), -int(e)});
    std::ranges::push_heap(heap);
  }
}

void HedgedSearch::fill() {
  std::vector<std::pair<float, int>> items;
  for (Index e = 0; e < experts_; ++e) items.insert(items.end(), Index(copies_[e]), {hottest(e, copies_[e]), int(e)});
  std::ranges::stable_sort(items, std::greater(), &std::pair<float, int>::first);
  time_.assign(gpus_ * blocks_, {});
  std::vector<Index> used(gpus_, 0);
  const auto fourth = [](Lanes x) { return x *= x, (x * x).sum(); };  // steep, and never out of range
  std::vector<Lanes> item(blocks_);
  std::vector<float> steep(gpus_, 0);  // of each GPU as it is
  for (const auto& [heat, expert] : items) {
    const auto e = Index(expert);
    for (Index b = 0; b < blocks_; ++b) item[b] = weight(e, copies_[e], b);
    Index best = gpus_;
    float least = 0;
    bool held = true;  // by the best so far
    float empty = -1;  // slowness of an empty GPU that was tried: others like it are no better
    for (Index g = 0; g < gpus_; ++g) {
      if (first(g) + used[g] == end(g) || (used[g] == 0 && slowness_[g] == empty)) continue;
      if (used[g] == 0) empty = slowness_[g];
      const bool here = copies_[e] > 1 && holds(g, expert);
      if (best < gpus_ && here && !held) continue;
      float more = -steep[g];
      for (Index b = 0; b < blocks_; ++b) more += fourth((time_[g * blocks_ + b] + item[b]) * slowness_[g]);
      if (best < gpus_ && here == held && more >= least) continue;
      best = g, least = more, held = here;
    }
    map_.slot_to_expert[first(best) + used[best]++] = expert;
    steep[best] += least;
    for (Index b = 0; b < blocks_; ++b) time_[best * blocks_ + b] += item[b];
  }
}

void HedgedSearch::add_up() {
  std::ranges::fill(copies_, 0);
  for (const int e : map_.slot_to_expert)
    if (e >= 0) ++copies_[Index(e)];
  slot_.assign(gpus_ * width_ * blocks_, {});
  time_.assign(gpus_ * blocks_, {});
  for (Index s = 0; s < gpus_ * width_; ++s) {
    const int e = map_.slot_to_expert[s];
    for (Index b = 0; e >= 0 && b < blocks_; ++b) {
      slot_[s * blocks_ + b] = weight(Index(e), copies_[Index(e)], b);
      time_[s / width_ * blocks_ + b] += slot_[s * blocks_ + b];
    }
  }
  float fullest = 0;
  for (Index g = 0; g < gpus_; ++g)
    for (Index w = 0; w < windows_; ++w)
      fullest = std::max(fullest, time_[g * blocks_ + w / kLanes][int(w % kLanes)] * of_mean_[g]);
  for (Index g = 0; fullest > 0 && g < gpus_; ++g) slowness_[g] = of_mean_[g] / fullest;
  std::ranges::fill(sum_, Lanes{});
  for (Index g = 0; g < gpus_; ++g)
    for (Index b = 0; b < blocks_; ++b) sum_[b] += power(time_[g * blocks_ + b] * slowness_[g]);
  set_slopes();
}

/// With r(w) the norm of window w, minus the mean over windows of 1 / r, which is balance, or the sum of r^16.
void HedgedSearch::set_slopes() {
  for (Index w = 0; w < windows_; ++w) {
    const float sum = std::max(sum_[w / kLanes][int(w % kLanes)], 1e-30f);
    float norm = sum;
    for (int i = 0; i < doublings_; ++i) norm = std::sqrt(norm);
    const float slope = params_.worst ? float(pow_of(norm, kWorst)) : 1 / norm;
    slope_[w / kLanes].set(int(w % kLanes), slope / sum);
  }
  for (Index w = windows_; w < blocks_ * kLanes; ++w) slope_[w / kLanes].set(int(w % kLanes), 0);
}

bool HedgedSearch::holds(Index gpu, int expert) const {
  const auto from = map_.slot_to_expert.begin() + std::ptrdiff_t(first(gpu));
  const auto to = map_.slot_to_expert.begin() + std::ptrdiff_t(end(gpu));
  return std::find(from, to, expert) != to;
}

/// The GPU's part of what is minimised.
float HedgedSearch::burden(Index gpu) const {
  float out = 0;
  for (Index b = 0; b < blocks_; ++b) out += (slope_[b] * power(time_[gpu * blocks_ + b] * slowness_[gpu])).sum();
  return out;
}

std::vector<std::size_t> HedgedSearch::by_burden(float& total) const {
  std::vector<std::pair<float, Index>> sorted;
  total = 0;
  for (Index g = 0; g < gpus_; ++g) {
    sorted.push_back({burden(g), g});
    total += sorted.back().first;
  }
  std::ranges::stable_sort(sorted, std::greater(), &std::pair<float, Index>::first);
  std::vector<Index> out;
  for (const auto& one : sorted) out.push_back(one.second);
  return out;
}

void HedgedSearch::balance() {
  for (int round = 0; round < kRounds; ++round) {
    // Steep norms look at the few fullest GPUs alone: more rounds for the same work.
    long pairs = params_.sweeps * long(gpus_ * gpus_) / 3;
    while (pairs > 0 && sweep(pairs) > 0) add_up();  // without what rounding has added to the sums
    int moved = 0;
    while (moved < kMoves && move_copy()) ++moved;
    if (moved == 0) break;
  }
}
}  // namespace moesim::placement
