#include <fmt/format.h>

#include "core/config_error.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
void check_load(const exchange::ExchangeLoad& load, const ExchangeGroup& group, const ExchangeSpec& spec,
                std::string_view where) {
  const auto refuse = [&](std::string_view problem) { throw ConfigError(fmt::format("{}: {}", where, problem)); };
  if (load.gpus != group.gpus() || load.nodes != group.nodes())
    refuse(fmt::format("traffic of {} GPUs on {} nodes, but the group has {} on {}", load.gpus, load.nodes,
                       group.gpus(), group.nodes()));
  const auto n = std::size_t(load.gpus);
  if (load.rows_to_gpu.size() != n * n || load.tokens_to_gpu.size() != n * n ||
      load.tokens_to_node.size() != n * std::size_t(load.nodes))
    refuse(fmt::format("traffic of {} GPUs with {} pairs", load.gpus, load.rows_to_gpu.size()));
  double bytes = 0;
  const auto scan = [&](const std::vector<std::int32_t>& counts, std::size_t columns, std::string_view what) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] < 0) refuse(fmt::format("{} rows from GPU {} to {} {}", counts[i], i / columns, what, i % columns));
      bytes += double(counts[i]) * double(spec.row.v);
    }
  };
  scan(load.rows_to_gpu, n, "GPU");
  scan(load.tokens_to_gpu, n, "GPU");
  scan(load.tokens_to_node, std::size_t(load.nodes), "node");
  if (bytes > 0x1p62) refuse("traffic of more than 2^62 bytes");
}
}  // namespace moesim::network
