#include "network/network_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::network {

LinkTotals link_totals(Network& network) {
  LinkTotals out{};
  const std::vector<LinkUse> use = network.link_use();
  for (std::size_t l = 0; l < use.size(); ++l)
    out[std::size_t(network.topology().links()[LinkId(l)].kind)] += double(use[l].bytes);
  return out;
}

void write_network(results::Results& results, Network& network, std::optional<LinkTotals> all) {
  const Topology& topology = network.topology();
  if (const NetworkCalibration& c = network.calibration(); !c.borrowed.empty())
    results.add(results::Table::assumption, {"run", "network", c.name, fmt::format("borrowed: {}", c.borrowed)});
  const std::vector<LinkUse> use = network.link_use();
  const std::vector<UtilisationSample> samples = network.utilisation();
  std::vector<double> peak(use.size(), -1);
  for (const UtilisationSample& s : samples) {
    peak[index(s.link)] = std::max(peak[index(s.link)], s.share);
    results.add(results::Table::link_use, {index(s.link), s.until, s.share});
  }
  const double elapsed = std::max(1e-12, seconds(network.engine().now()));
  for (std::size_t l = 0; l < use.size(); ++l) {
    if (use[l].bytes == 0) continue;
    const Link& link = topology.links()[LinkId(l)];
    const bool flows = use[l].most_flows > 0;  // closed forms do not know who shares with whom
    results.add(results::Table::link,
                {l, topology.link_name(LinkId(l)), name_of(link.kind), link.capacity.v, double(use[l].bytes),
                 use[l].busy, double(use[l].bytes) / link.capacity.v / elapsed,
                 peak[l] >= 0 ? results::Results::Value(peak[l]) : results::Results::null(),
                 flows ? results::Results::Value(use[l].saturated) : results::Results::null(),
                 flows ? results::Results::Value(use[l].most_flows) : results::Results::null()});
  }
  const LinkTotals totals = all ? *all : link_totals(network);
  for (std::size_t k = 0; k < totals.size(); ++k)
    if (totals[k] > 0) results.metric("link_bytes", totals[k], "B", fmt::format("links:{}", name_of(LinkKind(k))));
  const std::vector<std::int64_t>& pairs = network.pair_bytes();
  const auto gpus = std::size_t(topology.gpus());
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i] > 0) results.add(results::Table::pair, {i / gpus, i % gpus, pairs[i]});
}
}  // namespace moesim::network
