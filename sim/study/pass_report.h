// Writes what a passes study found: metrics, and rows a GPU, link, step, expert and part of memory.
#pragma once
#include <string>
#include <vector>

#include "compute/memory.h"
#include "record/results.h"
#include "spec/hardware.h"
#include "study/group_run.h"

namespace moesim {

/// "weights 41.2 GB, kv_cache 30.1 GB": the two largest parts.
std::string largest_items(const MemoryUse& use);

class PassReport {
 public:
  PassReport(Results& results, const Model& model, const Cluster& cluster, const ExchangeGroup& group)
      : results_(results), model_(model), cluster_(cluster), group_(group), gpus_(std::size_t(group.gpus())) {}

  void placement(const std::vector<ExpertMap>& maps);
  void memory(const std::string& phase, const MemoryUse& use);
  void phase(const GroupRun::Phase& phase, const GroupRun& run);
  /// After all phases: figures of the whole run, links, GPUs, where kernel times came from.
  void whole(Network& network, const KernelCosts& costs);

 private:
  struct Balance {
    double balancedness = 0, imbalance = 0, max_over_mean = 0, gini = 0;  // means over layers
  };
  Balance balance(const GroupRun::Phase& phase, const GroupRun& run);
  void metrics(const GroupRun::Phase& phase, const GroupRun& run, const Balance& balance);
  void layer_metrics(const GroupRun::Phase& phase, const GroupRun& run);

  Results& results_;
  const Model& model_;
  const Cluster& cluster_;
  const ExchangeGroup& group_;
  std::vector<GpuTime> gpus_;
  std::vector<std::pair<std::string, Balance>> balances_;
  std::vector<double> nodes_per_token_;
  Bytes peak_{};
  int step_ = 0;
};
}  // namespace moesim
