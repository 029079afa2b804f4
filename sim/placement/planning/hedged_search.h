// Places one layer so that its fullest GPU stays low in windows to come: copies, their number and their places
// together.
//
// In window w, GPU g takes the time T(w, g) = sum over its slots of x(w, e) / c(e), for an expert e of c(e) copies, in
// units of the mean GPU's.  Each share also strays by itself, with variance s(e), so that the GPU's time strays by the
// sum of s(e) / c(e)^2.  Of G normal variables of means T and variances V, the largest is on average at most
//
//   1/b log sum over g of exp(b T(g) + b^2 V(g) / 2)      for every b > 0, least about b = sqrt(2 log G / V)
//
// which is a sum over slots again: a copy weighs x / c + b/2 s / c^2, its effective load (Kelly, 1991).  The search
// lowers the p-norm of the GPUs' effective loads, p a power of two near b / 3, in the mean over the windows or in the
// worst of them: softer than the bound, since b is itself uncertain and what fits the seen windows to the last row does
// not fit the next (a third: in cross-validation over drifting loads drawn at random, halves and quarters do as well).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "placement/placement.h"
#include "placement/planning/lanes.h"
#include "placement/planning/outlook.h"

namespace moesim::placement {

struct HedgeParams {
  bool worst = false;     // the worst window counts, not their mean
  int sweeps = 2;         // a third of all pairs of GPUs each, at most, between moves of copies
  double least_gain = 0;  // a step is taken if it lowers the norm by more than this part
  int apart = 0;          // GPUs that swap among themselves alone, this many at a time; 0: any two
};

/// Keeps its buffers between layers.
class HedgedSearch {
 public:
  HedgedSearch(int experts, const PlacementProblem& problem, const HedgeParams& params);
  exchange::ExpertMap operator()(const LayerOutlook& layer);
  /// The same from a placement that is there: its copies kept but for moves that help.
  exchange::ExpertMap improved(exchange::ExpertMap map, const LayerOutlook& layer);

 private:
  using Index = std::size_t;
  void weigh(const LayerOutlook& layer);  // shares_, spread_, and the search's exponent
  void copy_hottest();
  void fill();      // the heaviest copies first, each to the GPU that it burdens least
  void add_up();    // loads and norms of the map as it is
  void separate();  // second copies on one GPU, each swapped where that burdens least
  void balance();   // swaps and moves of copies until none helps
  int sweep(long& pairs);
  bool swap_best(Index a, Index b, float least);
  struct Swap {
    Index from = 0, to = 0;
    float then;  // the two GPUs' part after it
  };
  template <int doublings, bool one_block>
  void find_swap(Index a, Index b, Swap& best) const;
  void swap(Index from, Index to);
  bool move_copy();
  float moved_copy(Index slot, int wanted);
  std::vector<Index> by_burden(float& total) const;

  Lanes weight(Index expert, int copies, Index block) const {
    const float part = 1 / float(copies);
    return shares_[expert * blocks_ + block] * part + Lanes::all(hedge_ * spread_[expert] * part * part);
  }
  Lanes power(Lanes x) const {
    for (int i = 0; i < doublings_; ++i) x *= x;
    return x;
  }
  void list_slots();
  float hottest(Index expert, int copies) const;
  float burden(Index gpu) const;
  void set_slopes();
  bool may_swap(Index a, Index b) const {
    return params_.apart == 0 || a / Index(params_.apart) == b / Index(params_.apart);
  }
  bool holds(Index gpu, int expert) const;
  Index first(Index gpu) const { return gpu * width_; }
  Index end(Index gpu) const { return end_[gpu]; }

  const PlacementProblem& problem_;
  HedgeParams params_;
  Index experts_, gpus_, width_, windows_ = 0, blocks_ = 0;
  int most_copies_ = 0;          // GPUs with slots
  int doublings_ = 0;            // the norm's exponent is 2^doublings_
  float hedge_ = 0;              // b / 2
  std::vector<Lanes> shares_;    // (experts, blocks): of the mean GPU
  std::vector<float> spread_;    // (experts)
  std::vector<Index> end_;       // (gpus): behind the last slot that may be used
  std::vector<float> of_mean_;   // (gpus): time of a row, in units of the mean GPU's
  std::vector<float> slowness_;  // (gpus): the same in units of the fullest, so that no power leaves a float
  std::vector<int> copies_;      // (experts)
  std::vector<Lanes> slot_;      // (slots, blocks): effective load
  std::vector<Lanes> time_;      // (gpus, blocks): effective, of all its slots
  std::vector<Lanes> sum_;       // (blocks): over GPUs of time^p
  std::vector<Lanes> slope_;     // (blocks): of what is minimised, with sum_; 0 for lanes without a window
  std::vector<Lanes> change_;    // (gpus, blocks): scratch of move_copy
  std::vector<Index> touched_;   // GPUs with a change
  std::vector<std::vector<Index>> slots_of_;  // each expert's, for move_copy
  exchange::ExpertMap map_;
};
}  // namespace moesim::placement
