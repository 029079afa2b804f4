#include "serving/deployment/fold.h"

#include <algorithm>

namespace moesim::serving {
namespace {
int factor_of(const Config& scenario, const Deployment& d) {
  if (!scenario.has("fold")) return 1;
  const Config config = scenario.at("fold");
  const std::string word = config.text();
  int factor = 1;
  if (word == "data") {
    factor = INT32_MAX;
    for (const auto& p : d.pools) factor = std::min(factor, p->described);
  } else if (word != "none") {
    config.parse(factor);
    if (factor < 1) config.fail("expected none, data or a number of instances that one stands for");
  }
  config.resolve("", word);
  return factor;
}

/// Instances of the pools that decode (or of the others) in service, simulated and in all.
struct Serving {
  double simulated = 0, all = 0;
  double share() const { return all > 0 ? simulated / all : 0; }
};

/// The load of the simulated instances at every change of the number in service.
std::vector<LoadShare> load_shares(const Deployment& d) {
  const Time duration = d.section.duration;
  std::vector<std::vector<ScaleStep>> steps;
  std::vector<Time> moments;
  for (const auto& p : d.pools) {
    steps.push_back(scale_steps(p->section.autoscale, p->described, p->section.start_up, duration));
    for (const ScaleStep& s : steps.back()) moments.push_back(s.from);
  }
  std::ranges::sort(moments);
  moments.erase(std::ranges::unique(moments).begin(), moments.end());
  std::vector<LoadShare> out;
  std::vector<std::size_t> at(steps.size(), 0);
  for (const Time moment : moments) {
    Serving prompts, decodes;
    for (std::size_t p = 0; p < steps.size(); ++p) {
      while (at[p] + 1 < steps[p].size() && steps[p][at[p] + 1].from <= moment) ++at[p];
      Serving& side = d.pools[p]->section.role == Role::decode ? decodes : prompts;
      const int on = steps[p][at[p]].on;
      side.all += on;
      side.simulated += std::min(on, d.pools[p]->simulated);
    }
    const double decode = decodes.share(), prompt = prompts.all > 0 ? prompts.share() : decode;
    out.push_back({moment, prompt, decodes.all > 0 ? 1 - decode / prompt : 0});
  }
  return out;
}
}  // namespace

void fold(const Config& scenario, Deployment& d) {
  d.fold = factor_of(scenario, d);
  for (const auto& p : d.pools) p->simulated = std::max(1, p->described / d.fold);
  if (d.fold == 1) return;
  for (const auto& p : d.pools)
    if (!p->section.autoscale.curve.empty() && d.section.duration.v == 0)
      scenario.at("fold").fail("needs serving.duration where a pool follows a curve");
  // Prompts must never be scarcer than the simulated decode instances need them.
  while (d.shares = load_shares(d), std::ranges::min(d.shares, {}, &LoadShare::outside).outside < 0)
    for (const auto& p : d.pools)
      if (p->section.role != Role::decode && p->simulated < p->described) ++p->simulated;
}
}  // namespace moesim::serving
