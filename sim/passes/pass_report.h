// Writes what a passes study found: metrics, and rows a GPU, link, step, expert and part of memory.
#pragma once
#include <string>
#include <vector>

#include "compute/layers/memory.h"
#include "passes/group_run.h"
#include "results/results.h"
#include "spec/hardware.h"

namespace moesim::passes {

class PassReport {
 public:
  PassReport(results::Results& results, const spec::Model& model, const spec::Cluster& cluster,
             const network::ExchangeGroup& group)
      : results_(results), model_(model), cluster_(cluster), group_(group), gpus_(std::size_t(group.gpus())) {}

  void placement(const std::vector<exchange::ExpertMap>& maps);
  void memory(const std::string& phase, const compute::MemoryUse& use);
  void phase(const GroupRun::Phase& phase, const GroupRun& run);
  /// After all phases: figures of the whole run, links, GPUs, where kernel times came from.
  void whole(network::Network& network, const compute::KernelCosts& costs);

 private:
  struct Balance {
    double balancedness = 0, imbalance = 0, max_over_mean = 0, gini = 0;  // means over layers
  };
  Balance balance(const GroupRun::Phase& phase, const GroupRun& run);
  void metrics(const GroupRun::Phase& phase, const GroupRun& run, const Balance& balance);
  void layer_metrics(const GroupRun::Phase& phase, const GroupRun& run);

  results::Results& results_;
  const spec::Model& model_;
  const spec::Cluster& cluster_;
  const network::ExchangeGroup& group_;
  std::vector<GpuTime> gpus_;
  std::vector<std::pair<std::string, Balance>> balances_;
  std::vector<double> nodes_per_token_;
  Bytes peak_{};
  int step_ = 0;
};
}  // namespace moesim::passes
