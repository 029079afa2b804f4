#include "placing/place_traffic.h"

#include <numeric>

#include "core/check.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "exchange/copy_shares.h"
#include "exchange/exchanger.h"
#include "exchange/port_load.h"

namespace moesim::placing {
namespace {
constexpr std::int64_t kBlock = 32768;  // tokens read at a time

/// Summed over batches.
struct Moved {
  explicit Moved(int gpus) : ports(gpus) {}
  exchange::PortLoad ports;
  double visits = 0, crossings = 0;

  void add(const exchange::ExchangeLoad& load, const spec::GroupShape& group) {
    ports.add(load, group);
    visits += double(exchange::node_visits(load));
    crossings = std::accumulate(ports.nic_out.begin(), ports.nic_out.end(), 0.0);
  }
  void add(const exchange::ExchangeSums& sums, const spec::GroupShape& group) {
    const double nodes = group.nodes();
    ports.add(sums, group);
    for (int n = 0; n < group.nodes(); ++n) visits += sums.node_tokens(n);
    crossings = visits * (nodes - 1) / nodes;  // sources send alike
  }
  TrafficShape shape(double tokens) const {
    return {visits / tokens, crossings / tokens, ports.busiest_nic() / tokens, ports.busiest_nvlink() / tokens};
  }
};

void add_to(TrafficShape& sum, const TrafficShape& one, double weight) {
  sum.nodes_per_token += one.nodes_per_token * weight;
  sum.crossings += one.crossings * weight;
  sum.busiest_nic += one.busiest_nic * weight;
  sum.busiest_nvlink += one.busiest_nvlink * weight;
}

/// The tokens of a block in order: the first ones are the first GPU's.
void fill(routing::Traffic& traffic, std::int64_t tokens, int gpus) {
  traffic.sources = gpus;
  traffic.tokens.assign(std::size_t(gpus), std::int32_t(tokens / gpus));
  for (std::size_t g = 0; g < std::size_t(tokens % gpus); ++g) ++traffic.tokens[g];
}

std::vector<TrafficShape> from_trace(const Workload& w, const routing::GateShape& gate,
                                     std::span<const std::vector<exchange::ExpertMap>* const> placements,
                                     const spec::GroupShape& group, const exchange::ReplicaSpec& replica_choice) {
  std::vector<TrafficShape> out(placements.size());
  const std::int64_t all = w.range.end - w.range.first;
  Progress progress("routing", std::uint64_t(all) * w.loads.rows(), "tokens of layers");
  routing::Traffic traffic;
  exchange::ExchangeLoad load;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    std::vector<exchange::Exchanger> exchangers;
    for (const auto* maps : placements)
      exchangers.emplace_back((*maps)[row], group, replica_choice.make((*maps)[row], group));
    std::vector<Moved> moved(placements.size(), Moved(group.gpus));
    for (std::int64_t done = 0; done < all; done += kBlock) {
      stop_if_interrupted();
      const std::int64_t count = std::min(kBlock, all - done);
      fill(traffic, count, group.gpus);
      w.trace->read_experts(w.trace->ordinal(w.loads.layers[row]), w.range.first + done, count, traffic.choices);
      routing::count_rows(gate, traffic);
      for (std::size_t p = 0; p < placements.size(); ++p) {
        exchangers[p](traffic, load);
        moved[p].add(load, group);
      }
      progress.at(std::uint64_t(all) * row + std::uint64_t(done));
    }
    for (std::size_t p = 0; p < placements.size(); ++p)
      add_to(out[p], moved[p].shape(double(all)), 1 / double(w.loads.rows()));
  }
  return out;
}

/// Of one token, as counts expect it.
void layer_sums(const Workload& w, std::size_t row, const routing::GateShape& gate, const exchange::ExpertMap& map,
                const spec::GroupShape& group, bool level, exchange::ExchangeSums& sums) {
  std::vector<double> rows(w.loads.row(row).begin(), w.loads.row(row).end());
  double total = 0;
  for (const double r : rows) total += r;
  for (double& r : rows) r *= gate.top_k / total;
  if (level)
    exchange::balanced_exchange_sums(rows, 1, gate, map, group, sums);
  else
    exchange::exchange_sums(rows, 1, gate, map, exchange::copy_table(map), group, sums);
}

std::vector<TrafficShape> from_counts(const Workload& w, const routing::GateShape& gate,
                                      std::span<const std::vector<exchange::ExpertMap>* const> placements,
                                      const spec::GroupShape& group, bool level) {
  std::vector<TrafficShape> out(placements.size());
  exchange::ExchangeSums sums;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    for (std::size_t p = 0; p < placements.size(); ++p) {
      layer_sums(w, row, gate, (*placements[p])[row], group, level, sums);
      Moved moved(group.gpus);
      moved.add(sums, group);
      add_to(out[p], moved.shape(1), 1 / double(w.loads.rows()));
    }
  }
  return out;
}
}  // namespace

std::vector<TrafficShape> traffic_shapes(const Workload& workload, const routing::GateShape& gate,
                                         std::span<const std::vector<exchange::ExpertMap>* const> placements,
                                         const spec::GroupShape& group, const exchange::ReplicaSpec& replica_choice) {
  return workload.trace ? from_trace(workload, gate, placements, group, replica_choice)
                        : from_counts(workload, gate, placements, group, replica_choice.balanced());
}

std::vector<double> pair_copies(const Workload& w, const routing::GateShape& gate,
                                const std::vector<exchange::ExpertMap>& maps, const spec::GroupShape& group,
                                const exchange::ReplicaSpec& replica_choice) {
  if (gate.top_k == 0) return {};
  const auto gpus = std::size_t(group.gpus);
  std::vector<double> out(gpus * gpus);
  const double layers = double(w.loads.rows());
  routing::Traffic traffic;
  exchange::ExchangeLoad load;
  exchange::ExchangeSums sums;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    if (!w.trace) {
      layer_sums(w, row, gate, maps[row], group, replica_choice.balanced(), sums);
      for (std::size_t i = 0; i < out.size(); ++i)  // sources send alike
        out[i] += sums.gpu_tokens(int(i % gpus)) / double(gpus) / layers;
      continue;
    }
    const std::int64_t all = std::min(kPairTokens, w.range.end - w.range.first);
    exchange::Exchanger exchanger(maps[row], group, replica_choice.make(maps[row], group));
    for (std::int64_t done = 0; done < all; done += kBlock) {
      stop_if_interrupted();
      const std::int64_t count = std::min(kBlock, all - done);
      fill(traffic, count, group.gpus);
      w.trace->read_experts(w.trace->ordinal(w.loads.layers[row]), w.range.first + done, count, traffic.choices);
      routing::count_rows(gate, traffic);
      exchanger(traffic, load);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += load.tokens_to_gpu[i] / double(all) / layers;
    }
  }
  return out;
}
}  // namespace moesim::placing
