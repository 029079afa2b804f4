// The published balancing rule: a bias an expert, moved a little after every batch against its load.
#pragma once
#include <span>
#include <vector>

#include "numerics/pass/gate_policy.h"

namespace moesim::numerics {

/// One step: bias[i] -= gamma where load[i] is above target[i], += gamma where below, unchanged where equal.
/// Source: DeepSeek-V3 technical report, section 2.1.2; there the target is the mean load.
void balance_step(std::span<const double> load, std::span<const double> target, double gamma, std::span<float> bias);

/// The gammas of a warm-up: a few hundred steps of one batch in place of the many of training, from coarse to fine.
struct BalanceSchedule {
  double first_gamma = 0.02, last_gamma = 0.001;
  int steps_each = 8;  // before gamma is halved
};

/// Applies the rule to one batch of a layer until it is balanced: the bias that makes loads follow `share`.
///
/// logits: (tokens, experts) row-major; share: (experts), sums to 1.
/// Returns what to add to each expert's score (noaux_tc), or to its logit (all other gates, where it stands for what an
/// auxiliary loss does to the router).
std::vector<float> balanced_bias(const Machine& machine, const spec::MoeShape& moe, const Matrix& logits,
                                 std::span<const double> share, const BalanceSchedule& schedule = {});
}  // namespace moesim::numerics
