#include "exchange/exchanger.h"

#include <algorithm>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"

namespace moesim::exchange {
namespace {
/// Fits reach(rows) = 1 - (1 - scale rows)^picks through the mean source's point: sources differ little from the mean,
/// and the curve bends as theirs does.
float curve_scale(double rows, double reach, int picks) {
  if (rows <= 0 || reach <= 0) return float(1.0 / picks);
  return float((1 - pow_of(std::max(0.0, 1 - reach), 1.0 / picks)) / rows);
}
}  // namespace

Exchanger::Exchanger(const ExpertMap& map, const spec::GroupShape& group, std::unique_ptr<ReplicaChoice> choice)
    : map_(map), group_(group), choice_(std::move(choice)) {
  check_map(map_);
  check(group.gpus == map.gpus && group.gpus_per_node > 0, "a placement on {} GPUs does not fit a group of {}",
        map.gpus, group.gpus);
  if (!choice_) choice_ = nearest_replica(map_, group_);
  copies_ = copy_table(map_);
}

void Exchanger::operator()(const routing::Traffic& traffic, ExchangeLoad& out) {
  const std::size_t gpus = std::size_t(group_.gpus), slots = std::size_t(map_.slots());
  check(traffic.sources == group_.gpus, "traffic of {} sources does not fit a group of {} GPUs", traffic.sources,
        group_.gpus);
  check(traffic.gate.experts == map_.experts, "traffic to {} experts does not fit a placement of {}",
        traffic.gate.experts, map_.experts);
  out.gpus = group_.gpus;
  out.nodes = group_.nodes();
  out.slots = map_.slots();
  out.tokens = std::accumulate(traffic.tokens.begin(), traffic.tokens.end(), std::int64_t{0});
  out.rows_to_gpu.assign(gpus * gpus, 0);
  out.tokens_to_gpu.assign(gpus * gpus, 0);
  out.tokens_to_node.assign(gpus * std::size_t(out.nodes), 0);
  out.slot_rows.assign(slots, 0);
  out.exact = traffic.has_lists();
  by_slot_.assign(gpus * slots, 0);
  choice_->split(traffic, by_slot_);
  const std::size_t per_gpu = std::size_t(map_.slots_per_gpu);
  for (std::size_t source = 0; source < gpus; ++source) {
    const std::int32_t* const mine = &by_slot_[source * slots];
    for (std::size_t slot = 0; slot < slots; ++slot) out.slot_rows[slot] += mine[slot];
    std::int32_t* const rows_to = &out.rows_to_gpu[source * gpus];
    for (std::size_t gpu = 0, slot = 0; gpu < gpus; ++gpu) {
      std::int32_t sum = 0;
      for (std::size_t i = 0; i < per_gpu; ++i) sum += mine[slot++];
      rows_to[gpu] = sum;
    }
  }
  out.exact ? exact(traffic, out) : estimate(traffic, out);
}

void Exchanger::exact(const routing::Traffic& traffic, ExchangeLoad& out) {
  const std::size_t gpus = std::size_t(out.gpus), nodes = std::size_t(out.nodes), slots = std::size_t(out.slots);
  const std::size_t k = std::size_t(traffic.gate.top_k);
  stamp_.assign(gpus + nodes, 0);
  const std::int16_t* choice = traffic.choices.data();
  std::uint32_t token = 0;
  for (std::size_t source = 0; source < gpus; ++source) {
    std::int32_t* const left = &by_slot_[source * slots];
    for (std::int32_t t = 0; t < traffic.tokens[source]; ++t, choice += k) {
      ++token;
      for (std::size_t j = 0; j < k; ++j) {
        if (choice[j] < 0) continue;
        const std::size_t e = std::size_t(choice[j]);
        int slot = copies_.slots[std::size_t(copies_.first[e])];
        for (int r = copies_.first[e] + 1; r < copies_.first[e + 1]; ++r)  // the copy with most of its share to come
          if (left[copies_.slots[std::size_t(r)]] > left[slot]) slot = copies_.slots[std::size_t(r)];
        check(left[slot]-- > 0, "the rows of expert {} from GPU {} do not match its tokens", e, source);
        const std::size_t gpu = std::size_t(map_.gpu_of(slot)), node = std::size_t(group_.node_of(int(gpu)));
        if (stamp_[gpu] == token) continue;
        stamp_[gpu] = token;
        ++out.tokens_to_gpu[source * gpus + gpu];
        if (stamp_[gpus + node] == token) continue;
        stamp_[gpus + node] = token;
        ++out.tokens_to_node[source * nodes + node];
      }
    }
  }
}

void Exchanger::measure(const routing::Traffic& traffic) {
  const std::size_t gpus = std::size_t(group_.gpus), k = std::size_t(traffic.gate.top_k);
  fan_out_.gpu_reach.assign(gpus, 0);
  fan_out_.node_reach.assign(std::size_t(group_.nodes()), 0);
  slot_total_.assign(std::size_t(map_.slots()), 0);
  stamp_.assign(gpus + fan_out_.node_reach.size(), 0);
  const double one = double(k) / double(traffic.sample.size());  // a token's share of the sample
  for (std::size_t i = 0; i < traffic.sample.size(); ++i) {
    if (traffic.sample[i] < 0) continue;
    const std::uint32_t token = std::uint32_t(i / k) + 1;
    const std::size_t e = std::size_t(traffic.sample[i]);
    const int first = copies_.first[e], copies = copies_.first[e + 1] - first;
    const int slot = copies_.slots[std::size_t(first + int(token) % copies)];
    const std::size_t gpu = std::size_t(map_.gpu_of(slot)), node = std::size_t(group_.node_of(int(gpu)));
    slot_total_[std::size_t(slot)] += one;
    if (stamp_[gpu] != token) fan_out_.gpu_reach[gpu] += one;
    if (stamp_[gpus + node] != token) fan_out_.node_reach[node] += one;
    stamp_[gpu] = stamp_[gpus + node] = token;
  }
}

namespace {
/// reach of every destination for one source: tokens * (1 - (1 - scale * rows)^picks), a whole number that the rows
/// allow.
void reach_row(std::span<const std::int32_t> rows, float tokens, int picks, std::span<const float> scale,
               std::span<float> miss, std::span<float> power, std::int32_t* out) {
  const float per_token = 1 / tokens;
  const std::size_t n = rows.size();
  for (std::size_t d = 0; d < n; ++d) {
    miss[d] = std::max(0.0f, 1 - scale[d] * float(rows[d]) * per_token);
    power[d] = 1;
  }
  for (int bits = picks; bits > 0; bits >>= 1) {
    if (bits & 1)
      for (std::size_t d = 0; d < n; ++d) power[d] *= miss[d];
    for (std::size_t d = 0; d < n; ++d) miss[d] *= miss[d];
  }
  for (std::size_t d = 0; d < n; ++d) {
    const std::int32_t reach = std::int32_t(tokens * (1 - power[d]) + 0.5f);
    const std::int32_t least = std::int32_t(float(rows[d]) / float(picks)),
                       most = std::min(rows[d], std::int32_t(tokens));
    out[d] = std::min(std::max(reach, least + (least * picks < rows[d])), most);
  }
}
}  // namespace

void Exchanger::estimate(const routing::Traffic& traffic, ExchangeLoad& out) {
  const std::size_t gpus = std::size_t(out.gpus), nodes = std::size_t(out.nodes);
  const int picks = traffic.gate.top_k;
  double tokens = 0;
  for (const std::int32_t t : traffic.tokens) tokens += t;
  if (tokens == 0) return;
  if (traffic.sample.empty()) {
    slot_total_.assign(out.slot_rows.begin(), out.slot_rows.end());
    estimate_fan_out(slot_total_, tokens, traffic.gate, traffic.spread_blocks, map_, group_, fan_out_);
  } else {
    measure(traffic);
    tokens = 1;  // slot_total_ is in rows per token
  }
  const auto resize = [](Curve& c, std::size_t n) { c.scale.resize(n), c.miss.resize(n), c.power.resize(n); };
  resize(gpu_curve_, gpus);
  resize(node_curve_, nodes);
  node_rows_.assign(nodes, 0);
  node_total_.assign(nodes, 0);
  for (std::size_t gpu = 0, slot = 0; gpu < gpus; ++gpu) {
    double rows = 0;
    for (int i = 0; i < map_.slots_per_gpu; ++i) rows += slot_total_[slot++] / tokens;
    gpu_curve_.scale[gpu] = curve_scale(rows, fan_out_.gpu_reach[gpu], picks);
    node_total_[std::size_t(group_.node_of(int(gpu)))] += rows;
  }
  for (std::size_t node = 0; node < nodes; ++node)
    node_curve_.scale[node] = curve_scale(node_total_[node], fan_out_.node_reach[node], picks);
  for (std::size_t source = 0; source < gpus; ++source) {
    if (traffic.tokens[source] == 0) continue;
    const std::span<const std::int32_t> rows_to(&out.rows_to_gpu[source * gpus], gpus);
    const float mine = float(traffic.tokens[source]);
    std::int32_t* const to_gpu = &out.tokens_to_gpu[source * gpus];
    std::int32_t* const to_node = &out.tokens_to_node[source * nodes];
    reach_row(rows_to, mine, picks, gpu_curve_.scale, gpu_curve_.miss, gpu_curve_.power, to_gpu);
    std::fill(node_rows_.begin(), node_rows_.end(), 0);
    for (std::size_t gpu = 0, node = 0, in_node = 0; gpu < gpus; ++gpu) {
      node_rows_[node] += rows_to[gpu];
      if (++in_node == std::size_t(group_.gpus_per_node)) ++node, in_node = 0;
    }
    reach_row(node_rows_, mine, picks, node_curve_.scale, node_curve_.miss, node_curve_.power, to_node);
    // A node is reached by at least the tokens of its busiest GPU and at most those of all its GPUs.
    for (std::size_t node = 0; node < nodes; ++node) {
      const auto first = to_gpu + node * std::size_t(group_.gpus_per_node);
      const auto end = std::min(first + group_.gpus_per_node, to_gpu + gpus);
      std::int32_t most = 0, sum = 0;
      for (auto g = first; g < end; ++g) most = std::max(most, *g), sum += *g;
      to_node[node] = std::clamp(to_node[node], most, std::max(most, std::min(sum, traffic.tokens[source])));
    }
  }
}
}  // namespace moesim::exchange
