#include "placement/planning/used_together.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/check.h"
#include "placement/planning/packing.h"

namespace moesim::placement {

std::vector<double> together(const RoutingSample& sample, std::size_t row, int experts) {
  const auto width = std::size_t(experts);
  std::vector<double> out(width * width, 0);
  for (std::size_t t = 0; t < sample.tokens; ++t)
    for (const int a : sample.chosen(row, t))
      for (const int b : sample.chosen(row, t))
        if (a >= 0 && b >= 0 && a != b) ++out[std::size_t(a) * width + std::size_t(b)];
  return out;
}

std::vector<double> transitions(const RoutingSample& sample, std::size_t row, int experts) {
  const auto width = std::size_t(experts);
  std::vector<double> out(width * width, 0);
  for (std::size_t t = 0; t < sample.tokens; ++t)
    for (const int a : sample.chosen(row, t))
      for (const int b : sample.chosen(row + 1, t))
        if (a >= 0 && b >= 0) ++out[std::size_t(a) * width + std::size_t(b)];
  return out;
}

Copies copies_of(std::span<const double> load, const PlacementProblem& problem) {
  Copies out;
  out.count = copies_by_load(load, problem.slots, problem.gpus);
  std::vector<double> weight;
  std::vector<int> expert;
  for (const int e : by_load(load)) {
    const int n = out.count[std::size_t(e)];
    expert.insert(expert.end(), std::size_t(n), e);
    weight.insert(weight.end(), std::size_t(n), load[std::size_t(e)] / n);
  }
  std::vector<std::size_t> order(weight.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return weight[a] > weight[b]; });
  for (const std::size_t i : order) {
    out.expert.push_back(expert[i]);
    out.weight.push_back(weight[i]);
  }
  return out;
}

const RoutingSample& sample_of(const PlacementInput& input, std::string_view policy) {
  if (!input.sample)
    throw ConfigError(fmt::format("{}: needs a trace ({}): loads alone do not say which experts are used together",
                                  policy, input.give_trace));
  if (input.sample->dealt) throw ConfigError(fmt::format("{}: {}", policy, kDealt));
  check(input.sample->ids.size() == input.loads.rows() * input.sample->tokens * std::size_t(input.sample->top_k),
        "a sample of {} tokens and {} layers has {} ids", input.sample->tokens, input.loads.rows(),
        input.sample->ids.size());
  return *input.sample;
}

Parts parts_of(const PlacementProblem& problem, int per_part) {
  Parts out;
  for (int first = 0; first < problem.gpus; first += per_part) {
    out.room.push_back(0);
    out.speed.push_back(0);
    for (int g = first; g < first + per_part; ++g) {
      out.room.back() += problem.slots_on(g);
      out.speed.back() += problem.speed_of(g);
    }
  }
  return out;
}

exchange::ExpertMap place_in_parts(const Copies& copies, std::span<const int> part, const PlacementProblem& problem,
                                   int per_part) {
  Bins bins(int(copies.count.size()), problem);
  for (std::size_t i = 0; i < copies.expert.size(); ++i) {
    const int first = part[i] * per_part;
    bins.add(bins.lightest(copies.expert[i], copies.weight[i], first, first + per_part), copies.expert[i],
             copies.weight[i]);
  }
  return bins.take();
}
}  // namespace moesim::placement
