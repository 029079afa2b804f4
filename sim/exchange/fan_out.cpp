#include "exchange/fan_out.h"

#include <algorithm>

#include "core/check.h"
#include "core/elementary.h"

namespace moesim::exchange {
namespace {
double power(double x, int n) {
  double out = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) out *= x;
  return out;
}

/// The part of a set of slots that lies in one group: rows per token that selected the group, and the product of
/// (1 - rows) over the slots.
using Part = FanOut::Part;

/// How tokens choose: `selected` of the groups, then `picks` rows in all, or in each group if they are spread.
struct Rule {
  int groups = 1, selected = 1, picks = 1;
  bool limited = false;  // groups are selected with the shares that their rows show; else every token may use all
};
Rule rule_of(const routing::GateShape& r, int spread_blocks) {
  if (spread_blocks > 1) return {spread_blocks, std::min(r.top_k, spread_blocks), std::max(1, r.top_k / spread_blocks)};
  if (r.groups_used < r.groups) return {r.groups, r.groups_used, r.top_k, true};
  return {1, 1, r.top_k};
}

/// Share of the tokens with a row in the part, whose group a token selects with probability `selected`.
double part_hit(const Part& part, double selected, int picks) {
  if (part.rows <= 0) return 0;
  const double hit = 1 - power(std::max(0.0, 1 - part.rows / picks), picks) * part.miss * exp_of(part.rows);
  return selected * std::min(hit, part.rows);  // never more tokens than rows
}

double set_hit(std::span<const Part> parts, const Rule& rule, std::span<const double> group_share) {
  if (rule.groups == 1) return part_hit(parts[0], 1, rule.picks);
  double sum = 0, product = 1;
  for (std::size_t g = 0; g < parts.size(); ++g) {
    const double hit = part_hit(parts[g], group_share[g], rule.picks);
    sum += hit;
    product *= 1 - hit;
  }
  if (rule.selected == rule.groups) return 1 - product;
  return std::min(sum, 1 - power(std::max(0.0, 1 - sum / rule.selected), rule.selected) * product * exp_of(sum));
}
}  // namespace

void estimate_fan_out(std::span<const double> slot_rows, double tokens, const routing::GateShape& gate,
                      int spread_blocks, const ExpertMap& map, const spec::GroupShape& group, FanOut& out) {
  check(slot_rows.size() == std::size_t(map.slots()), "{} slots have {} row counts", map.slots(), slot_rows.size());
  const Rule rule = rule_of(gate, spread_blocks);
  const std::size_t groups = std::size_t(rule.groups);
  const int group_size = std::max(1, map.experts / rule.groups);
  const auto group_of = [&](int expert) { return std::min(std::size_t(expert / group_size), groups - 1); };
  out.gpu_reach.assign(std::size_t(group.gpus), 0);
  out.node_reach.assign(std::size_t(group.nodes()), 0);
  out.group_share.assign(groups, 1);
  out.gpus_per_token = out.nodes_per_token = 0;
  if (tokens <= 0) return;
  if (rule.limited) {
    std::fill(out.group_share.begin(), out.group_share.end(), 0);
    for (std::size_t s = 0; s < slot_rows.size(); ++s)
      if (map.slot_to_expert[s] >= 0) out.group_share[group_of(map.slot_to_expert[s])] += slot_rows[s];
    for (double& share : out.group_share) share = std::clamp(share / tokens * rule.selected / rule.picks, 1e-9, 1.0);
  }
  std::vector<Part>& parts = out.parts;
  parts.assign(2 * groups, {});
  const std::span<Part> of_gpu(parts.data(), groups), of_node(parts.data() + groups, groups);
  for (int gpu = 0; gpu < group.gpus; ++gpu) {
    std::fill(of_gpu.begin(), of_gpu.end(), Part{});
    for (int slot = gpu * map.slots_per_gpu; slot < (gpu + 1) * map.slots_per_gpu; ++slot) {
      const int expert = map.slot_to_expert[std::size_t(slot)];
      if (expert < 0) continue;
      const std::size_t g = groups == 1 ? 0 : group_of(expert);
      const double p = std::min(slot_rows[std::size_t(slot)] / tokens / out.group_share[g], 1.0);
      Part& part = of_gpu[g];
      part.rows += p;
      part.miss *= 1 - p;
    }
    out.gpu_reach[std::size_t(gpu)] = set_hit(of_gpu, rule, out.group_share);
    out.gpus_per_token += out.gpu_reach[std::size_t(gpu)];
    for (std::size_t g = 0; g < groups; ++g) {
      of_node[g].rows += of_gpu[g].rows;
      of_node[g].miss *= of_gpu[g].miss;
    }
    if (gpu + 1 == group.gpus || group.node_of(gpu + 1) != group.node_of(gpu)) {
      const double hit = set_hit(of_node, rule, out.group_share);
      out.node_reach[std::size_t(group.node_of(gpu))] = hit;
      out.nodes_per_token += hit;
      std::fill(of_node.begin(), of_node.end(), Part{});
    }
  }
}

void exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate, const ExpertMap& map,
                   const CopyTable& copies, const spec::GroupShape& group, ExchangeSums& out) {
  check(load.size() == std::size_t(map.experts), "{} experts have {} loads", map.experts, load.size());
  check(map.gpus == group.gpus, "a placement on {} GPUs does not fit a group of {}", map.gpus, group.gpus);
  out.tokens = tokens;
  out.slot_rows.assign(std::size_t(map.slots()), 0);
  out.gpu_rows.assign(std::size_t(map.gpus), 0);
  for (std::size_t e = 0; e < load.size(); ++e) {
    const int first = copies.first[e], end = copies.first[e + 1];
    for (int r = first; r < end; ++r)
      out.slot_rows[std::size_t(copies.slots[std::size_t(r)])] = load[e] / (end - first);
  }
  for (std::size_t gpu = 0, slot = 0; gpu < out.gpu_rows.size(); ++gpu)
    for (int i = 0; i < map.slots_per_gpu; ++i) out.gpu_rows[gpu] += out.slot_rows[slot++];
  estimate_fan_out(out.slot_rows, tokens, gate, 0, map, group, out.fan_out);
}
}  // namespace moesim::exchange
