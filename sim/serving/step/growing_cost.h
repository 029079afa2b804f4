// An instance whose group of ranks grows while it serves: a cost for each size it has, one after the other.
#pragma once
#include <memory>
#include <vector>

#include "serving/step/layered_cost.h"

namespace moesim::serving {

/// What a size costs to get to.
struct GrowthStep {
  Time prepare{};  ///< until the new ranks have their weights, from ranks that have them; these serve meanwhile
  Time move{};     ///< until experts lie where they are to, on ranks that were there before: all stand still
  Bytes sent{};    ///< by each of the ranks that were there, over `prepare`
};

class GrowingCost final : public StepModel {
 public:
  /// sizes: smallest first, at least two; steps: how each but the first is reached.
  GrowingCost(std::vector<std::unique_ptr<LayeredCost>> sizes, std::vector<GrowthStep> steps);

  void cost(const StepWork& work, StepTimes& out) override;
  void crosses(int gpu, bool nvlink, Bytes bytes, Time lasts) override { now().crosses(gpu, nvlink, bytes, lasts); }
  double port_busy(bool nvlink) const override { return sizes_[at_]->port_busy(nvlink); }
  GrowthTimes prepare_growth() override;
  void grow() override { ++at_; }
  int ranks_there(int) const override { return sizes_[at_]->setup().parallel.data; }

 private:
  LayeredCost& now() { return *sizes_[at_]; }
  std::vector<std::unique_ptr<LayeredCost>> sizes_;
  std::vector<GrowthStep> steps_;
  std::size_t at_ = 0;
  StepWork work_;  // scratch: of the ranks that are there
};

/// How long it takes to get from one size to the next, whose setups these are and whose GPUs hold `weights` then.  New
/// ranks get everything from those that are there, as evenly as may be (vLLM pull request 26278, 2025); experts that
/// lie elsewhere afterwards come to ranks that were there once all stand still.  Pairs of GPUs as far apart as any of
/// the group send at a message's rate, one message after the other.
GrowthStep growth_step(const LayeredCost::Setup& from, const LayeredCost::Setup& to, Bytes weights);
}  // namespace moesim::serving
