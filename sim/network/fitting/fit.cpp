#include "network/fitting/fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "core/elementary.h"
#include "core/random.h"
#include "network/fitting/knobs.h"

namespace moesim::network {
namespace {
/// Mean absolute log error plus a share of their 12-norm, which the few worst make.
double cost_of(const std::vector<double>& errors) {
  constexpr double kOfWorst = 0.2;
  double sum = 0, high = 0;
  for (const double e : errors) {
    sum += std::abs(e);
    high += pow_of(e * e, 6);
  }
  const double n = double(errors.size());
  return sum / n + kOfWorst * pow_of(high / n, 1.0 / 12);
}

/// Random steps of the logarithms along one or two axes, whose length adapts.
void search(const Knobs& knobs, NetworkCalibration& calibration,
            const std::function<std::vector<double>(const NetworkCalibration&)>& errors, int steps) {
  Random random(1, "fit");
  std::vector<double> best;
  for (const Knob& k : knobs) best.push_back(k.get(calibration));
  std::vector<double> step(best.size(), 0.3);
  const auto with = [&](const std::vector<double>& x) {
    NetworkCalibration out = calibration;
    for (std::size_t i = 0; i < knobs.size(); ++i) knobs[i].set(out, x[i]);
    return out;
  };
  double least = cost_of(errors(with(best)));
  for (int i = 0; i < steps; ++i) {
    if (i % std::max(1, steps / 4) == 0) std::ranges::fill(step, 0.3);  // start over from the best so far
    const auto axis = std::size_t(random.below(best.size())), other = std::size_t(random.below(best.size()));
    std::vector<double> next = best;
    next[axis] = std::min(knobs[axis].most, next[axis] * exp_of(random.normal() * step[axis]));
    if (i % 2 == 1) next[other] = std::min(knobs[other].most, next[other] * exp_of(random.normal() * step[other]));
    const double cost = cost_of(errors(with(next)));
    if (cost < least) {
      least = cost;
      best = next;
      step[axis] = std::min(1.0, step[axis] * 1.6);
    } else {
      step[axis] = std::max(1e-3, step[axis] * 0.93);
    }
  }
  calibration = with(best);
}
}  // namespace

std::vector<bool> held_out_fifth(const std::vector<NetworkRow>& rows, std::uint64_t seed) {
  std::map<std::string, Random> draws;
  std::vector<bool> out;
  for (const NetworkRow& row : rows) {
    const std::string of = row.kind + row.gpu;
    out.push_back(draws.try_emplace(of, seed, "held out " + of).first->second.below(5) == 0);
  }
  return out;
}

NetworkCalibration fit_network(const NetworkCalibration& start, const spec::Gpu& gpu,
                               const std::vector<NetworkRow>& rows, int steps) {
  constexpr std::size_t kMostRows = 500;  // of a part, every n-th of more: a fit then takes seconds
  NetworkCalibration out = start;
  const RowModel model(gpu);
  for (const FitPart& part : fit_parts(start)) {
    std::vector<const NetworkRow*> mine;
    for (const NetworkRow& row : rows)
      if (!row.disturbed && part.belongs(row)) mine.push_back(&row);
    if (mine.size() < part.knobs.size()) continue;
    const std::size_t stride = std::max<std::size_t>(1, mine.size() / kMostRows);
    search(
        part.knobs, out,
        [&](const NetworkCalibration& c) {
          std::vector<double> errors;
          for (std::size_t i = 0; i < mine.size(); i += stride)
            errors.push_back(log_of(model(*mine[i], c) / mine[i]->seconds));
          return errors;
        },
        steps);
  }
  return out;
}
}  // namespace moesim::network
