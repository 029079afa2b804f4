#include "routing/traffic_draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"

namespace moesim::routing {
namespace {
using Alias = ShareTables::Alias;
constexpr std::size_t kMostGroups = 64;  // of a gate that limits a token to some of them

/// One draw: the high half of the bits picks an entry, the low half decides between the item and its alias.
std::size_t pick(std::span<const Alias> table, std::uint64_t bits) {
  const std::size_t i = std::size_t((bits >> 32) * table.size() >> 32);
  return std::uint32_t(bits) < table[i].keep ? i : table[i].alias;
}

/// Appends the table of weights whose sequential draws without replacement include item i with about probability
/// rate[i]: draws in continuous time at speed w include it by time 1 with 1 - e^-w.  (Vose 1991)
void add_table(std::span<const double> rate, std::vector<Alias>& out) {
  const std::size_t n = rate.size(), base = out.size();
  std::vector<double> weight(n);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += weight[i] = -log1p_of(-std::min(rate[i], 0.9999));
  std::vector<std::size_t> small, large;
  for (std::size_t i = 0; i < n; ++i) {
    weight[i] = sum > 0 ? weight[i] / sum * double(n) : 1;
    (weight[i] < 1 ? small : large).push_back(i);
  }
  const std::size_t heaviest = std::size_t(std::max_element(weight.begin(), weight.end()) - weight.begin());
  out.resize(base + n, {UINT32_MAX, std::uint32_t(heaviest)});
  while (!small.empty() && !large.empty()) {
    const std::size_t s = small.back(), l = large.back();
    small.pop_back();
    out[base + s] = {std::uint32_t(weight[s] * 0x1p32), std::uint32_t(l)};
    weight[l] -= 1 - weight[s];
    if (weight[l] < 1) large.pop_back(), small.push_back(l);
  }
  for (const std::size_t s : small)  // only rounding leaves any; what nobody chooses must stay so
    if (rate[s] <= 0) out[base + s].keep = 0;
}

/// How often a token selects each group, such that whichever it selects hold the same rows in all:
///
///     selected = min(1, c rows),  c such that they sum to `used`
///
/// A group with more rows than 1 / c is always selected; a token's rows are then in it as often as they should be.
/// Where fewer groups than `used` have rows at all, the others are selected too.
std::vector<double> selections(std::span<const double> rows, int used) {
  std::vector<double> out(rows.size(), 0);
  const auto with_rows = std::size_t(std::count_if(rows.begin(), rows.end(), [](double r) { return r > 0; }));
  if (with_rows <= std::size_t(used)) {
    const double rest =
        rows.size() > with_rows ? double(std::size_t(used) - with_rows) / double(rows.size() - with_rows) : 0;
    for (std::size_t g = 0; g < rows.size(); ++g) out[g] = rows[g] > 0 ? 1 : rest;
    return out;
  }
  double certain = 0;  // groups selected always
  for (bool more = true; more;) {
    double sum = 0;
    for (std::size_t g = 0; g < rows.size(); ++g) sum += out[g] < 1 ? rows[g] : 0;
    more = false;
    for (std::size_t g = 0; g < rows.size(); ++g) {
      if (out[g] >= 1) continue;
      out[g] = std::min(1.0, (double(used) - certain) * rows[g] / sum);
      more = more || out[g] >= 1;
    }
    certain = double(std::count_if(out.begin(), out.end(), [](double s) { return s >= 1; }));
  }
  return out;
}

/// A token's groups, each as often as `selected` says: marks one apart on a line of the groups' shares, the groups in
/// an order drawn anew for each token, so that no two of them are selected together or apart by their numbers.
/// (Systematic sampling; Madow 1949.)
std::size_t select_groups(std::span<const float> selected, std::size_t used, NoiseBits& bits,
                          std::span<std::uint16_t> out) {
  std::array<std::uint16_t, kMostGroups> order{};
  const std::size_t groups = selected.size();
  for (std::size_t g = 0; g < groups; ++g) order[g] = std::uint16_t(g);
  std::size_t n = 0;
  float at = 0, mark = float(bits.uniform());
  for (std::size_t g = 0; g < groups && n < used; ++g) {
    std::swap(order[g], order[g + bits.below(std::uint32_t(groups - g))]);
    at += selected[order[g]];
    // What rounding leaves of the line is the last groups'.
    if (at > mark || groups - g == used - n) out[n++] = order[g], mark += 1;
  }
  return n;
}
}  // namespace

NoiseBits::NoiseBits(std::uint64_t seed, std::uint64_t layer, std::uint64_t step, std::uint64_t stream) : state_(seed) {
  for (const std::uint64_t part : {layer, step, stream}) state_ = (*this)() ^ part * 0xD1B54A32D192ED03;
  state_ = (*this)();
}

ShareTables share_tables(std::span<const double> weights, const GateShape& gate) {
  ShareTables out;
  out.shares.assign(weights.begin(), weights.end());
  const double most = 1.0 / gate.top_k;
  check(std::count_if(weights.begin(), weights.end(), [](double w) { return w > 0; }) >= gate.top_k,
        "traffic needs at least top-k {} experts with a load", gate.top_k);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& s : out.shares) s /= sum;
  for (bool more = true; more;) {  // each round but the last cuts at least one more expert
    double fixed = 0, free = 0;
    for (const double s : out.shares) (s >= most ? fixed : free) += std::min(s, most);
    more = false;
    for (double& s : out.shares) {
      const bool cut = s >= most;
      s = cut ? most : free > 0 ? s * (1 - fixed) / free : 0;  // top-k experts alone may have it all
      more = more || (!cut && s > most * (1 + 1e-9));
    }
  }
  std::vector<double> rate(out.shares.size());
  for (std::size_t e = 0; e < rate.size(); ++e) {
    rate[e] = std::min(1.0, out.shares[e] * gate.top_k);
    out.rate.push_back(float(rate[e]));
    out.spread.push_back(float(std::sqrt(rate[e] * (1 - rate[e]))));
  }
  if (gate.groups_used < gate.groups) {
    const std::size_t groups = std::size_t(gate.groups), experts = rate.size();
    std::vector<double> rows(groups);
    for (std::size_t e = 0; e < experts; ++e) rows[e * groups / experts] += rate[e];
    const std::vector<double> selected = selections(rows, gate.groups_used);
    for (std::size_t g = 0; g < groups; ++g) {
      out.selected.push_back(float(selected[g]));
      out.group_rows.push_back(float(selected[g] > 0 ? rows[g] / selected[g] : 0));
    }
    for (std::size_t e = 0; e < experts; ++e) {
      const double chosen = selected[e * groups / experts];
      rate[e] = chosen > 0 ? std::min(1.0, rate[e] / chosen) : 0;
    }
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t first = g * experts / groups;
      add_table(std::span(rate).subspan(first, (g + 1) * experts / groups - first), out.experts);
    }
  } else {
    add_table(rate, out.experts);
  }
  return out;
}

void draw_rows(const ShareTables& tables, int top_k, std::int64_t tokens, NoiseBits& bits, std::span<float> scratch,
               std::span<std::int32_t> out) {
  const std::size_t experts = tables.rate.size();
  const float n = float(tokens), root = std::sqrt(n);
  float sum = 0;
  std::size_t last = 0;  // the last expert with any load: it takes what rounding leaves
  for (std::size_t e = 0; e < experts; e += 2) {
    // The sum of four random bytes is near enough to normal: mean 510, standard deviation 147.8.
    const std::uint64_t x = bits();
    const std::uint64_t pairs = (x & 0x00ff00ff00ff00ff) + ((x >> 8) & 0x00ff00ff00ff00ff);
    const std::uint64_t fours = pairs + (pairs >> 16);
    for (std::size_t i = e; i < std::min(e + 2, experts); ++i) {
      const float z = (float(int((fours >> (32 * (i - e))) & 0x7ff)) - 510.0f) * (1 / 147.8f);
      const float rows = n * tables.rate[i] + root * tables.spread[i] * z;
      scratch[i] = rows < 0 ? 0 : rows;
      sum += scratch[i];
      if (scratch[i] > 0) last = i;
    }
  }
  // Cumulative rounding from a random start: every row count is within one of its value, and the sum is exact.
  const std::int64_t total = tokens * top_k;
  const double scale = sum > 0 ? double(total) / double(sum) : 0, start = bits.uniform();
  double at = start;
  std::int64_t given = 0, over = 0;
  for (std::size_t e = 0; e < experts; ++e) {
    at += double(scratch[e]) * scale;
    const std::int64_t upto = e >= last ? total : std::min(std::int64_t(at), total);
    const std::int64_t rows = upto - given;
    given = upto;
    out[e] = std::int32_t(std::min(rows, tokens));
    over += rows - out[e];
  }
  for (std::size_t e = 0; over > 0 && e < experts; ++e) {  // what did not fit goes where there is room
    const std::int64_t room = tables.rate[e] > 0 ? std::min(over, tokens - out[e]) : 0;
    out[e] += std::int32_t(room);
    over -= room;
  }
}

namespace {
void draw_spread(const ShareTables& tables, int blocks, NoiseBits& bits, std::span<std::int16_t> out) {
  const std::size_t k = out.size(), b = std::size_t(blocks), experts = tables.shares.size();
  const std::size_t start = bits.below(std::uint32_t(b));
  const std::size_t stride = k < b ? b / k : 1;  // fewer rows than blocks: every stride-th block
  for (std::size_t j = 0; j < k; ++j) {
    const std::size_t block = (start + j * stride) % b, first = block * experts / b, end = (block + 1) * experts / b;
    do {
      out[j] = std::int16_t(first + bits.below(std::uint32_t(end - first)));
    } while (std::find(out.begin(), out.begin() + std::ptrdiff_t(j), out[j]) != out.begin() + std::ptrdiff_t(j));
  }
}
}  // namespace

void draw_token(const ShareTables& tables, const GateShape& gate, int spread_blocks, NoiseBits& bits,
                std::span<std::int16_t> out) {
  if (spread_blocks > 1) return draw_spread(tables, spread_blocks, bits, out);
  const std::size_t experts = tables.shares.size(), groups = std::size_t(gate.groups);
  // A draw by weight fails often only when few experts (or groups) hold nearly everything; then any will do.
  constexpr int kMostTries = 512;
  int tries = 0;
  const auto taken = [&](std::size_t e, std::size_t n) {
    const auto end = out.begin() + std::ptrdiff_t(n);
    return std::find(out.begin(), end, std::int16_t(e)) != end;
  };
  if (tables.selected.empty()) {
    for (std::size_t j = 0; j < out.size();) {
      const std::size_t e = tries++ < kMostTries ? pick(tables.experts, bits()) : bits.below(std::uint32_t(experts));
      if (!taken(e, j)) out[j++] = std::int16_t(e);
    }
    return;
  }
  std::array<std::uint16_t, kMostGroups> open{};  // the groups that this token selects
  std::array<float, kMostGroups> upto{};          // their rows, cumulative
  check(groups <= open.size(), "a gate of at most {} groups was drawn, got {}", open.size(), groups);
  const std::size_t used = select_groups(tables.selected, std::size_t(gate.groups_used), bits, open);
  float rows = 0;
  for (std::size_t n = 0; n < used; ++n) upto[n] = rows += tables.group_rows[open[n]];
  tries = 0;
  for (std::size_t j = 0; j < out.size();) {
    const float at = float(bits.uniform()) * rows;
    std::size_t n = 0;
    while (n + 1 < used && at >= upto[n]) ++n;
    const std::size_t g = open[n], first = g * experts / groups, size = (g + 1) * experts / groups - first;
    const std::size_t e =
        first + (tries++ < kMostTries ? pick({&tables.experts[first], size}, bits()) : bits.below(std::uint32_t(size)));
    if (!taken(e, j)) out[j++] = std::int16_t(e);
  }
}
}  // namespace moesim::routing
