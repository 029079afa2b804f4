#include "placement/scores/exchange_cost.h"

#include <algorithm>
#include <numeric>

#include "exchange/exchanger.h"
#include "exchange/port_load.h"
#include "placement/planning/packing.h"

namespace moesim::placement {

routing::Traffic sample_traffic(const RoutingSample& sample, std::size_t row, int experts, int gpus) {
  routing::Traffic out;
  out.gate = {experts, sample.top_k, 1, 1};
  out.sources = gpus;
  out.tokens.assign(std::size_t(gpus), 0);
  const auto width = std::size_t(sample.top_k);
  for (std::size_t source = 0; source < std::size_t(gpus); ++source)
    for (std::size_t t = source; t < sample.tokens; t += std::size_t(gpus)) {
      ++out.tokens[source];
      for (std::size_t k = 0; k < width; ++k) out.choices.push_back(std::int16_t(sample.chosen(row, t)[k]));
    }
  routing::count_rows(out.gate, out);
  return out;
}

double busiest_port_seconds(const exchange::ExchangeLoad& load, const spec::GroupShape& group, const PortRates& rates) {
  exchange::PortLoad ports(group.gpus);
  ports.add(load, group);
  return std::max(ports.busiest_nvlink() * double(rates.row.v) / rates.nvlink.v,
                  ports.busiest_nic() * double(rates.row.v) / rates.nic.v);
}

LayerCost exchange_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem,
                        const PortRates& rates, const exchange::ReplicaSpec& replica_choice) {
  std::vector<routing::Traffic> traffic;
  for (std::size_t row = 0; row < loads.rows(); ++row)
    traffic.push_back(sample_traffic(sample, row, loads.experts, problem.gpus));
  const spec::GroupShape group{problem.gpus, problem.gpus_per_node()};
  return [traffic = std::move(traffic), group, problem, rates, replica_choice, load = exchange::ExchangeLoad{}](
             std::size_t row, const exchange::ExpertMap& map) mutable {
    exchange::Exchanger exchange(map, group, replica_choice.make(map, group));
    exchange(traffic[row], load);
    std::vector<double> rows(std::size_t(map.gpus), 0);
    for (std::size_t s = 0; s < load.slot_rows.size(); ++s)
      rows[s / std::size_t(map.slots_per_gpu)] += load.slot_rows[s];
    double slowest = 0;
    for (std::size_t g = 0; g < rows.size(); ++g) slowest = std::max(slowest, rows[g] / problem.speed_of(int(g)));
    return busiest_port_seconds(load, group, rates) + slowest / rates.rows_per_second;
  };
}

LayerCost node_visits_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem,
                           const exchange::ReplicaSpec& replica_choice) {
  std::vector<routing::Traffic> traffic;
  for (std::size_t row = 0; row < loads.rows(); ++row)
    traffic.push_back(sample_traffic(sample, row, loads.experts, problem.gpus));
  const spec::GroupShape group{problem.gpus, problem.gpus_per_node()};
  return [traffic = std::move(traffic), group, &loads, problem, replica_choice, load = exchange::ExchangeLoad{}](
             std::size_t row, const exchange::ExpertMap& map) mutable {
    exchange::Exchanger exchange(map, group, replica_choice.make(map, group));
    exchange(traffic[row], load);
    const double visits = double(exchange::node_visits(load));
    const double tokens = std::accumulate(traffic[row].tokens.begin(), traffic[row].tokens.end(), 0.0);
    const std::vector<double> times = gpu_times(map, problem, loads.row(row));
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / double(times.size());
    return visits / tokens + (mean > 0 ? *std::ranges::max_element(times) / mean : 0);
  };
}
}  // namespace moesim::placement
