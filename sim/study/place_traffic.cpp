#include "study/place_traffic.h"

#include <algorithm>

#include "core/check.h"
#include "core/log.h"

namespace moesim {
namespace {
constexpr std::int64_t kBlock = 32768;  // tokens read at a time

/// Tokens through every port, summed over batches.
struct Ports {
  explicit Ports(std::size_t gpus) : nvlink_in(gpus, 0), nvlink_out(gpus, 0), nic_in(gpus, 0), nic_out(gpus, 0) {}
  std::vector<double> nvlink_in, nvlink_out, nic_in, nic_out;
  double visits = 0, crossings = 0;

  void add(const ExchangeLoad& load, const GroupShape& group) {
    const auto gpus = std::size_t(load.gpus), nodes = std::size_t(load.nodes), per = std::size_t(group.gpus_per_node);
    for (std::size_t source = 0; source < gpus; ++source) {
      for (std::size_t node = 0; node < nodes; ++node) {
        const double n = load.tokens_to_node[source * nodes + node];
        visits += n;
        if (node == source / per) continue;
        crossings += n;
        nic_out[source] += n;
        nic_in[node * per + source % per] += n;
      }
      for (std::size_t to = 0; to < gpus; ++to) {
        const std::size_t gate = to / per * per + source % per;  // where the source's tokens enter the node
        if (to == gate) continue;
        nvlink_out[gate] += load.tokens_to_gpu[source * gpus + to];
        nvlink_in[to] += load.tokens_to_gpu[source * gpus + to];
      }
    }
  }
  void add(const ExchangeSums& sums, const GroupShape& group) {
    const double nodes = group.nodes(), per = group.gpus_per_node;
    for (int n = 0; n < group.nodes(); ++n) visits += sums.node_tokens(n);
    crossings = visits * (nodes - 1) / nodes;  // sources send alike
    for (int g = 0; g < group.gpus; ++g) {
      nic_in[std::size_t(g)] += sums.node_tokens(group.node_of(g)) * (nodes - 1) / nodes / per;
      nvlink_in[std::size_t(g)] += sums.gpu_tokens(g) * (per - 1) / per;
    }
  }
  TrafficShape shape(double tokens) const {
    return {visits / tokens, crossings / tokens, std::max(std::ranges::max(nic_in), std::ranges::max(nic_out)) / tokens,
            std::max(std::ranges::max(nvlink_in), std::ranges::max(nvlink_out)) / tokens};
  }
};

void add_to(TrafficShape& sum, const TrafficShape& one, double weight) {
  sum.nodes_per_token += one.nodes_per_token * weight;
  sum.crossings += one.crossings * weight;
  sum.busiest_nic += one.busiest_nic * weight;
  sum.busiest_nvlink += one.busiest_nvlink * weight;
}

/// The tokens of a block in order: the first ones are the first GPU's.
void fill(Traffic& traffic, std::int64_t tokens, int gpus) {
  traffic.sources = gpus;
  traffic.tokens.assign(std::size_t(gpus), std::int32_t(tokens / gpus));
  for (std::size_t g = 0; g < std::size_t(tokens % gpus); ++g) ++traffic.tokens[g];
}

std::vector<TrafficShape> from_trace(const Workload& w, const RouterShape& router,
                                     std::span<const std::vector<ExpertMap>* const> placements,
                                     const GroupShape& group) {
  std::vector<TrafficShape> out(placements.size());
  const std::int64_t all = w.range.end - w.range.first;
  Progress progress("traffic", std::uint64_t(all) * w.loads.rows());
  Traffic traffic;
  ExchangeLoad load;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    std::vector<Exchanger> exchangers;
    for (const auto* maps : placements) exchangers.emplace_back((*maps)[row], group);
    std::vector<Ports> ports(placements.size(), Ports(std::size_t(group.gpus)));
    for (std::int64_t done = 0; done < all && !interrupted(); done += kBlock) {
      const std::int64_t count = std::min(kBlock, all - done);
      fill(traffic, count, group.gpus);
      w.trace->read_experts(w.trace->ordinal(w.loads.layers[row]), w.range.first + done, count, traffic.choices);
      count_rows(router, traffic);
      for (std::size_t p = 0; p < placements.size(); ++p) {
        exchangers[p](traffic, load);
        ports[p].add(load, group);
      }
      progress.at(std::uint64_t(all) * row + std::uint64_t(done));
    }
    for (std::size_t p = 0; p < placements.size(); ++p)
      add_to(out[p], ports[p].shape(double(all)), 1 / double(w.loads.rows()));
  }
  return out;
}

std::vector<TrafficShape> from_counts(const Workload& w, const RouterShape& router,
                                      std::span<const std::vector<ExpertMap>* const> placements,
                                      const GroupShape& group) {
  std::vector<TrafficShape> out(placements.size());
  ExchangeSums sums;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    std::vector<double> rows(w.loads.row(row).begin(), w.loads.row(row).end());
    double total = 0;
    for (const double r : rows) total += r;
    for (double& r : rows) r *= router.top_k / total;  // of one token
    for (std::size_t p = 0; p < placements.size(); ++p) {
      const ExpertMap& map = (*placements[p])[row];
      exchange_sums(rows, 1, router, map, replica_table(map), group, sums);
      Ports ports{std::size_t(group.gpus)};
      ports.add(sums, group);
      add_to(out[p], ports.shape(1), 1 / double(w.loads.rows()));
    }
  }
  return out;
}
}  // namespace

std::vector<TrafficShape> traffic_shapes(const Workload& workload, const RouterShape& router,
                                         std::span<const std::vector<ExpertMap>* const> placements,
                                         const GroupShape& group) {
  return workload.trace ? from_trace(workload, router, placements, group)
                        : from_counts(workload, router, placements, group);
}
}  // namespace moesim
