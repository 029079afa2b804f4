#include "placement/exchange_cost.h"

#include <algorithm>
#include <numeric>

#include "placement/packing.h"

namespace moesim {

Traffic sample_traffic(const RoutingSample& sample, std::size_t row, int experts, int gpus) {
  Traffic out;
  out.router = {experts, sample.top_k, 1, 1};
  out.sources = gpus;
  out.tokens.assign(std::size_t(gpus), 0);
  const auto width = std::size_t(sample.top_k);
  for (std::size_t source = 0; source < std::size_t(gpus); ++source)
    for (std::size_t t = source; t < sample.tokens; t += std::size_t(gpus)) {
      ++out.tokens[source];
      for (std::size_t k = 0; k < width; ++k) out.choices.push_back(std::int16_t(sample.chosen(row, t)[k]));
    }
  count_rows(out.router, out);
  return out;
}

double busiest_port(const ExchangeLoad& load, const GroupShape& group, const ExchangeRates& rates) {
  const auto gpus = std::size_t(load.gpus), nodes = std::size_t(load.nodes);
  const auto per_node = std::size_t(group.gpus_per_node);
  std::vector<double> out(gpus, 0), in(gpus, 0), net_out(gpus, 0), net_in(gpus, 0);
  for (std::size_t source = 0; source < gpus; ++source) {
    for (std::size_t node = 0; node < nodes; ++node) {
      const std::size_t gate = node * per_node + source % per_node;  // where the source's tokens enter that node
      if (node != source / per_node && gate < gpus) {
        net_out[source] += load.tokens_to_node[source * nodes + node];
        net_in[gate] += load.tokens_to_node[source * nodes + node];
      }
    }
    for (std::size_t to = 0; to < gpus; ++to) {
      const std::size_t gate = to / per_node * per_node + source % per_node;
      if (to == gate || gate >= gpus) continue;
      out[gate] += load.tokens_to_gpu[source * gpus + to];
      in[to] += load.tokens_to_gpu[source * gpus + to];
    }
  }
  double worst = 0;
  for (std::size_t g = 0; g < gpus; ++g)
    worst = std::max({worst, std::max(out[g], in[g]) * double(rates.row.v) / rates.nvlink.v,
                      std::max(net_out[g], net_in[g]) * double(rates.row.v) / rates.nic.v});
  return worst;
}

LayerCost exchange_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem,
                        const ExchangeRates& rates) {
  std::vector<Traffic> traffic;
  for (std::size_t row = 0; row < loads.rows(); ++row)
    traffic.push_back(sample_traffic(sample, row, loads.experts, problem.gpus));
  const GroupShape group{problem.gpus, problem.gpus_per_node()};
  return [traffic = std::move(traffic), group, problem, rates, load = ExchangeLoad{}](std::size_t row,
                                                                                      const ExpertMap& map) mutable {
    Exchanger exchange(map, group);
    exchange(traffic[row], load);
    std::vector<double> rows(std::size_t(map.gpus), 0);
    for (std::size_t s = 0; s < load.slot_rows.size(); ++s)
      rows[s / std::size_t(map.slots_per_gpu)] += load.slot_rows[s];
    double slowest = 0;
    for (std::size_t g = 0; g < rows.size(); ++g) slowest = std::max(slowest, rows[g] / problem.speed_of(int(g)));
    return busiest_port(load, group, rates) + slowest / rates.rows_per_second;
  };
}

LayerCost node_visits_cost(const RoutingSample& sample, const Loads& loads, const PlacementProblem& problem) {
  std::vector<Traffic> traffic;
  for (std::size_t row = 0; row < loads.rows(); ++row)
    traffic.push_back(sample_traffic(sample, row, loads.experts, problem.gpus));
  const GroupShape group{problem.gpus, problem.gpus_per_node()};
  return [traffic = std::move(traffic), group, &loads, problem, load = ExchangeLoad{}](std::size_t row,
                                                                                       const ExpertMap& map) mutable {
    Exchanger exchange(map, group);
    exchange(traffic[row], load);
    const double visits = std::accumulate(load.tokens_to_node.begin(), load.tokens_to_node.end(), 0.0);
    const double tokens = std::accumulate(traffic[row].tokens.begin(), traffic[row].tokens.end(), 0.0);
    const std::vector<double> times = gpu_times(map, problem, loads.row(row));
    const double mean = std::accumulate(times.begin(), times.end(), 0.0) / double(times.size());
    return visits / tokens + (mean > 0 ? *std::ranges::max_element(times) / mean : 0);
  };
}
}  // namespace moesim
