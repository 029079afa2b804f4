// Closed-form costs of one layer's exchange, computed from a sample of tokens.
#pragma once
#include "core/units.h"
#include "exchange/exchange_load.h"
#include "placement/placement.h"
#include "routing/traffic.h"

namespace moesim::placement {

/// What the closed form weighs: bytes over a GPU's ports, and rows through its experts.
struct PortRates {
  Bandwidth nvlink = 160_GBps;      // H800, reached (DeepEP README)
  Bandwidth nic = 40_GBps;          // 400 Gb/s InfiniBand, reached by small messages (DeepEP README)
  Bytes row = {3 * 7168};           // FP8 there, BF16 back, hidden 7168 (DeepSeek-V3)
  double rows_per_second = 1.45e7;  // 6 x 7168 x 2048 operations a row at the 1.28 PFLOP/s of DeepGEMM's grouped GEMMs

  static void fields(auto& f, auto& p) {
    f("nvlink", p.nvlink, "of a GPU inside its node, one direction");
    f("nic", p.nic, "of a GPU to other nodes, one direction");
    f("row", p.row, "bytes a token and destination, there and back");
    f("rows_per_second", p.rows_per_second, "through one GPU's experts");
  }
};

/// The sample's tokens in one layer, spread over the GPUs in turn.
routing::Traffic sample_traffic(const RoutingSample& sample, std::size_t row, int experts, int gpus);

/// Seconds of one layer for the sample's tokens: the busiest port under the relay rule (exchange/relay.h) plus the
/// slowest GPU's experts.  replica_choice: who computes the rows of an expert with copies.
LayerCost exchange_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem,
                        const PortRates& rates, const exchange::ReplicaSpec& replica_choice = {});
/// The same from the exchange itself: seconds of the busiest port.
double busiest_port_seconds(const exchange::ExchangeLoad& load, const spec::GroupShape& group, const PortRates& rates);

/// Nodes a token visits, on average over the sample, plus the slowest GPU's load over the mean, so that balance is not
/// given up for it.
LayerCost node_visits_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem,
                           const exchange::ReplicaSpec& replica_choice = {});
}  // namespace moesim::placement
