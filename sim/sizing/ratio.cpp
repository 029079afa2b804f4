#include "sizing/ratio.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/ceil_div.h"
#include "spec/limits.h"

namespace moesim::sizing {
namespace {
/// Simulates numbers of units once each.
class TriedCount {
 public:
  TriedCount(const Plan& plan, Entry& entry, Terms terms) : plan_(plan), entry_(entry), terms_(terms) {
    terms_.end_to_end = end_to_end(plan, entry);
  }
  const Verdict& operator()(int times) {
    const auto [at, fresh] = seen_.try_emplace(times);
    if (!fresh) return at->second;
    Deployment d = entry_.deployment;
    d.instances = units(entry_, times);
    at->second = judge(plan_, d, terms_);
    entry_.trials += at->second.trials;
    if (const Verdict& v = at->second; !v.met)
      entry_.missed.push_back({d.instances, text_of(*tightest(v.standings)), v.used()});
    return at->second;
  }

 private:
  const Plan& plan_;
  Entry& entry_;
  Terms terms_;
  std::map<int, Verdict> seen_;
};

/// Why the entry may not be as large as that; "": it may.
std::string too_much(const Plan& plan, Entry& entry, int times, double cheapest) {
  Deployment d = entry.deployment;
  d.instances = units(entry, times);
  if (const auto sizes = standings_of_size(plan.section.targets, d); !all_met(sizes)) {
    entry.fell = Fell::size;
    return "more would take " + text_of(*tightest(sizes));
  }
  if (d.cost_per_hour() <= cheapest) return "";
  entry.fell = Fell::cost;
  entry.bound = d.cost_per_hour();
  return fmt::format("more would cost {:.2f} USD/h", d.cost_per_hour());
}

/// The first number of units, from `times` on by half as many more each time, that meets the targets; 0: none that may
/// be had, and then `times` is the last one tried.
int grown(const Plan& plan, Entry& entry, TriedCount& tried, int& times, double cheapest) {
  constexpr int kMostSteps = 12;
  for (int step = 0; step < kMostSteps; ++step) {
    if (tried(times).met) return times;
    entry.reason = text_of(*tightest(tried(times).standings));
    if (entry.reason.starts_with("requests_rejected")) return 0;
    int more = times + std::max(1, times / 2);
    std::string why = too_much(plan, entry, more, cheapest);
    while (!why.empty() && more > times + 1) why = too_much(plan, entry, --more, cheapest);
    if (!why.empty()) {
      entry.reason += ", and " + why;
      return 0;
    }
    entry.fell = Fell::no;
    times = more;
  }
  return 0;
}
}  // namespace

std::vector<int> units(const Entry& entry, int times) {
  std::vector<int> out = entry.unit;
  for (int& n : out) n *= times;
  return out;
}

int times_unit(const Entry& entry) {
  int out = 1;
  for (std::size_t p = 0; p < entry.unit.size(); ++p)
    out = std::max(out, ceil_div(entry.deployment.instances[p], entry.unit[p]));
  return out;
}

Deployment smallest_of(const Entry& entry) {
  Deployment out = entry.deployment;
  out.instances = entry.unit.empty() ? std::vector<int>(out.pools.size(), 1) : entry.unit;
  return out;
}

Entry in_ratio(Entry entry, const PoolRatio& ratio) {
  const std::vector<PoolDesign>& pools = entry.deployment.pools;
  // a x GPUs of an instance of prompts : b x GPUs of one of answers = ratio
  const std::int64_t a = std::int64_t{ratio.prefill} * pools[1].gpus(),
                     b = std::int64_t{ratio.decode} * pools[0].gpus(), all = std::gcd(a, b);
  const std::int64_t gpus = a / all * pools[0].gpus() + b / all * pools[1].gpus();
  if (gpus > spec::kMostGpus) {
    entry.beyond =
        fmt::format("nodes: in the ratio {} : {} these pools take {} GPUs at least", ratio.prefill, ratio.decode, gpus);
    return entry;
  }
  entry.unit = {int(a / all), int(b / all)};
  // More than any cluster has need not be counted.
  entry.deployment.instances = units(entry, std::min(times_unit(entry), int(spec::kMostGpus / gpus)));
  entry.estimate = entry.deployment.cost_per_hour();
  return entry;
}

bool minimise_in_ratio(const Plan& plan, Entry& entry, double cheapest, const Terms& terms) {
  TriedCount tried(plan, entry, terms);
  int times = times_unit(entry);
  entry.fell = Fell::no;
  try {
    int high = grown(plan, entry, tried, times, cheapest);
    if (high == 0) {
      entry.deployment.instances = units(entry, times);
      take(entry, tried(times));
      return false;
    }
    int low = 0;  // fails; high meets
    while (high - low > 1) {
      const int middle = low + (high - low) / 2;
      (tried(middle).met ? high : low) = middle;
    }
    entry.deployment.instances = units(entry, high);
    take(entry, tried(high));
    entry.reason = low > 0 ? "fewer in this ratio would miss " + text_of(*tightest(tried(low).standings))
                           : text_of(*tightest(tried(high).standings));
  } catch (const ConfigError& e) {
    entry.fate = Fate::illegal;
    entry.reason = e.problem();
    return false;
  }
  return true;
}
}  // namespace moesim::sizing
