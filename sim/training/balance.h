// Bias balancing: the router's selection bias follows the load, step after step, as auxiliary-loss-free training does.
#pragma once
#include <memory>
#include <vector>

#include "results/results.h"
#include "routing/traffic.h"
#include "training/plan.h"

namespace moesim::training {

struct BalanceSection {
  int steps = 0;
  double speed = 0.001, sensitivity = 20;
  static void fields(auto& f, auto& p) {
    f("steps", p.steps, "steps of balancing before the one simulated");
    f("speed", p.speed, "how much a bias moves a step: down above the mean load, up below it");
    f("sensitivity", p.sensitivity, "how strongly an expert's load answers: share times exp(sensitivity x bias)");
  }
};

/// One layer's biases.  Loads are expectations: share_e in proportion to popularity_e x exp(sensitivity x bias_e).
/// Source: Wang et al., Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts, 2024, algorithm 1.
class BiasBalancer {
 public:
  BiasBalancer(std::vector<double> popularity, const BalanceSection& section);
  const std::vector<double>& shares() const { return shares_; }
  const std::vector<double>& bias() const { return bias_; }
  void step();
  /// Of the shares: max/mean - 1.
  double imbalance() const;

 private:
  void update_shares();
  std::vector<double> popularity_, bias_, shares_;
  BalanceSection section_;
};

/// The source as it is after `balance.steps` steps of balancing; `source` itself if the section asks for none.
/// Throws ConfigError for numbers that make no sense.
std::unique_ptr<routing::TrafficSource> balanced_by_bias(const Config& training, const TrainingPlan& plan,
                                                         const routing::TrafficContext& context,
                                                         std::unique_ptr<routing::TrafficSource> source);

/// Imbalance of the expert shares, mean over layers, after 0, 1, 2, 4, ... steps.
struct BalanceHistory {
  std::vector<int> steps;
  std::vector<double> imbalance;
};
/// source: the one before balancing.
BalanceHistory balance_history(const Config& training, const TrainingPlan& plan, const routing::TrafficSource& source);
}  // namespace moesim::training
