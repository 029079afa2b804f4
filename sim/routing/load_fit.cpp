#include "routing/load_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/check.h"
#include "core/elementary.h"
#include "routing/load_shape.h"

namespace moesim::routing {
namespace {
double mean_of(std::span<const double> v) { return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size()); }
/// Of a sample, so over n - 1.
double variance_of(std::span<const double> v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return sum / double(v.size() - 1);
}
double covariance_of_neighbours(std::span<const double> v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < v.size(); ++i) sum += (v[i] - mean) * (v[i + 1] - mean);
  return sum / double(v.size() - 1);
}

std::vector<double> blocks(std::span<const double> load, int n) {
  std::vector<double> out(std::size_t(n), 0.0);
  for (std::size_t e = 0; e < load.size(); ++e) out[e * std::size_t(n) / load.size()] += load[e];
  return out;
}

/// One layer's logarithms: each group's mean, and what its experts differ from it.
struct Logs {
  std::vector<double> group, expert;
};
Logs logs_of(std::span<const double> load, int groups) {
  Logs out;
  out.group.resize(std::size_t(groups));
  const std::size_t n = load.size() / out.group.size();
  double least = std::numeric_limits<double>::infinity();
  for (const double x : load)
    if (x > 0) least = std::min(least, x);
  for (const double x : load) out.expert.push_back(log_of(x > 0 ? x : least / 2));
  for (std::size_t g = 0; g < out.group.size(); ++g) {
    const std::span<double> own(&out.expert[g * n], n);
    out.group[g] = mean_of(own);
    for (double& x : own) x -= out.group[g];
  }
  return out;
}

/// -ln of the groups' numbers, of mean 0, and the sum of its squares: what slopes are fitted along.
struct Ladder {
  std::vector<double> rung;
  double squares = 0;
  explicit Ladder(int groups) {
    for (int g = 1; g <= groups; ++g) rung.push_back(-log_of(double(g)));
    const double mean = mean_of(rung);
    for (double& r : rung) {
      r -= mean;
      squares += r * r;
    }
  }
  double slope(std::span<const double> values) const {
    double sum = 0;
    for (std::size_t g = 0; g < rung.size(); ++g) sum += rung[g] * values[g];
    return squares > 0 ? sum / squares : 0;
  }
};

/// Along a group, from 1/2 at its first expert to -1/2 at its last, over the group's number: what tilt multiplies.
double lean(std::size_t group, std::size_t place, std::size_t n) {
  return (0.5 - (double(place) + 0.5) / double(n)) / double(group + 1);
}
double tilt_of(const std::vector<Logs>& layers, std::size_t groups, std::size_t n) {
  double along = 0, squares = 0;
  for (const Logs& l : layers)
    for (std::size_t e = 0; e < l.expert.size(); ++e) {
      const double x = lean(e / n, e % n, n);
      along += x * l.expert[e];
      squares += x * x;
    }
  return groups > 1 && squares > 0 ? along / squares : 0;
}

/// Spread of each group of each layer, (layers, groups), the tilt taken off.
std::vector<double> spreads_of(const std::vector<Logs>& layers, std::size_t groups, std::size_t n, double tilt) {
  // The standard deviation of n normal numbers falls short of the true one by about 1 in 4 (n - 1).
  const double short_by = 1 - 1 / (4 * (double(n) - 1));
  std::vector<double> out;
  for (const Logs& l : layers)
    for (std::size_t g = 0; g < groups; ++g) {
      std::vector<double> own;
      for (std::size_t i = 0; i < n; ++i) own.push_back(l.expert[g * n + i] - (groups > 1 ? tilt * lean(g, i, n) : 0));
      out.push_back(std::sqrt(variance_of(own)) / short_by);
    }
  return out;
}

void fit_spread(const std::vector<Logs>& layers, std::size_t groups, std::size_t n, GroupedFit& out) {
  const std::vector<double> spreads = spreads_of(layers, groups, n, out.tilt);
  out.spread = mean_of(spreads);
  std::vector<double> of_group(groups), of_layer;
  for (std::size_t i = 0; i < spreads.size(); ++i) of_group[i % groups] += spreads[i] / double(layers.size());
  std::vector<double> logs;
  for (const double s : of_group) logs.push_back(log_of(std::max(s, 1e-9)));
  out.taper = Ladder(int(groups)).slope(logs);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    double sum = 0;
    for (std::size_t g = 0; g < groups; ++g) sum += spreads[l * groups + g] / std::max(of_group[g], 1e-9);
    of_layer.push_back(sum / double(groups));
  }
  const double by_chance = 1 / (2 * double(groups) * (double(n) - 1));
  out.spread_varies = std::sqrt(std::max(0.0, variance_of(of_layer) - by_chance));
}

void fit_slopes(const std::vector<Logs>& layers, std::size_t groups, std::size_t n, GroupedFit& out) {
  const Ladder ladder{int(groups)};
  std::vector<double> slopes;
  double left = 0;  // of the groups' variance, mean over layers
  for (const Logs& l : layers) {
    const double mean = mean_of(l.group), slope = ladder.slope(l.group);
    slopes.push_back(slope);
    for (std::size_t g = 0; g < groups; ++g) {
      const double rest = l.group[g] - mean - slope * ladder.rung[g];
      left += rest * rest / double(groups - 2) / double(layers.size());
    }
  }
  out.slope = mean_of(slopes);
  out.group_spread = std::sqrt(std::max(0.0, left - out.spread * out.spread / double(n)));
  const double varies = std::max(0.0, variance_of(slopes) - left / ladder.squares);
  out.slope_varies = std::sqrt(varies);
  out.neighbours = varies > 0 ? std::clamp(covariance_of_neighbours(slopes) / varies, 0.0, 1.0) : 0;
}
}  // namespace

LoadFigures load_figures(const GroupedLoads& loads, int gpus, int nodes) {
  check(loads.experts % gpus == 0 && loads.experts % nodes == 0 && loads.experts % loads.groups == 0,
        "{} experts are not whole blocks of {} GPUs, {} nodes and {} groups", loads.experts, gpus, nodes, loads.groups);
  LoadFigures sum{0, 0, 0, 0, 0, 0};
  const std::size_t n = std::size_t(loads.experts / loads.groups);
  for (std::size_t l = 0; l < loads.layers(); ++l) {
    const std::span<const double> load = loads.layer(l);
    sum.max_over_mean += max_over_mean(load);
    sum.gini += gini(load);
    sum.gpu_imbalance += max_over_mean(blocks(load, gpus)) - 1;
    sum.node_imbalance += max_over_mean(blocks(load, nodes)) - 1;
    sum.group_variation += variation(blocks(load, loads.groups));
    for (int g = 0; g < loads.groups; ++g)
      sum.within_variation += variation(load.subspan(std::size_t(g) * n, n)) / loads.groups;
  }
  const double layers = double(loads.layers());
  return {sum.max_over_mean / layers,   sum.gini / layers,
          sum.gpu_imbalance / layers,   sum.node_imbalance / layers,
          sum.group_variation / layers, sum.within_variation / layers};
}

GroupedFit fit_grouped(const GroupedLoads& loads) {
  const std::size_t groups = std::size_t(loads.groups), n = std::size_t(loads.experts) / groups;
  check(loads.layers() >= 2 && n >= 2 && groups != 2, "too little to fit: {} layers of {} groups of {} experts",
        loads.layers(), groups, n);
  std::vector<Logs> layers;
  for (std::size_t l = 0; l < loads.layers(); ++l) layers.push_back(logs_of(loads.layer(l), loads.groups));
  GroupedFit out;
  out.tilt = tilt_of(layers, groups, n);
  fit_spread(layers, groups, n, out);
  if (groups > 1) fit_slopes(layers, groups, n, out);
  return out;
}

namespace {
void check_pair(const GroupedLoads& a, const GroupedLoads& b) {
  check(a.experts == b.experts && a.groups == b.groups && a.layers() == b.layers() && a.layers() > 0,
        "loads of {} and {} layers do not compare", a.layers(), b.layers());
}

/// Excess over 3 of the fourth moment of what `from` does not explain of `to`, each layer's of variance 1.
double excess_of_rest(const GroupedLoads& from, const GroupedLoads& to) {
  double fourth = 0, second = 0;
  for (std::size_t l = 0; l < from.layers(); ++l) {
    const Logs x = logs_of(from.layer(l), from.groups), y = logs_of(to.layer(l), to.groups);
    double along = 0, squares = 0;
    for (std::size_t e = 0; e < x.expert.size(); ++e) {
      along += x.expert[e] * y.expert[e];
      squares += x.expert[e] * x.expert[e];
    }
    const double slope = squares > 0 ? along / squares : 0;
    std::vector<double> rest;
    for (std::size_t e = 0; e < x.expert.size(); ++e) rest.push_back(y.expert[e] - slope * x.expert[e]);
    const double variance = variance_of(rest);
    if (variance <= 0) continue;
    for (const double r : rest) {
      fourth += r * r * r * r / (variance * variance);
      second += 1;
    }
  }
  return second > 0 ? fourth / second - 3 : 0;
}
}  // namespace

double alike(const GroupedLoads& a, const GroupedLoads& b) {
  check_pair(a, b);
  double sum = 0;
  for (std::size_t l = 0; l < a.layers(); ++l)
    sum += correlation(logs_of(a.layer(l), a.groups).expert, logs_of(b.layer(l), b.groups).expert);
  return sum / double(a.layers());
}

double slopes_alike(const GroupedLoads& a, const GroupedLoads& b) {
  check_pair(a, b);
  const double varies = (fit_grouped(a).slope_varies + fit_grouped(b).slope_varies) / 2;
  if (a.groups < 3 || varies <= 0) return 1;
  const Ladder ladder{a.groups};
  double squares = 0;
  for (std::size_t l = 0; l < a.layers(); ++l) {
    const Logs x = logs_of(a.layer(l), a.groups), y = logs_of(b.layer(l), b.groups);
    std::vector<double> moved;
    for (std::size_t g = 0; g < x.group.size(); ++g) moved.push_back(y.group[g] - x.group[g]);
    const double mean = mean_of(moved), slope = ladder.slope(moved);
    double left = 0;  // by which a slope is off by chance
    for (std::size_t g = 0; g < moved.size(); ++g) {
      const double rest = moved[g] - mean - slope * ladder.rung[g];
      left += rest * rest / double(moved.size() - 2);
    }
    squares += (slope * slope - left / ladder.squares) / double(a.layers());
  }
  return std::clamp(1 - squares / (2 * varies * varies), 0.0, 1.0);
}

double jump_between(const GroupedLoads& a, const GroupedLoads& b) {
  const double r = alike(a, b);
  if (r <= 0 || r >= 1) return 0;
  // What moved on either side has the excess k and the variance 1 - r; of the rest of a regression of correlation r,
  // one's has the weight 1, the other's r, and a normal part is left of what both share.
  const double of_rest = (excess_of_rest(a, b) + excess_of_rest(b, a)) / 2,
               k = of_rest * (1 + r) * (1 + r) / (1 + r * r * r * r);
  return std::sqrt(std::max(0.0, k * (1 - r) / 3));
}
}  // namespace moesim::routing
