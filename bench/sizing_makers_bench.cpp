// Where the units that their makers chose lie beside the front: GPUs for a request a second, within the targets, of the
// unit and of the best of all pools of its role that could be built.
//   sizing_makers_bench --benchmark_out=...   (a minute or two a line)
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "sizing/search.h"

namespace moesim::sizing {
namespace {
using serving::Role;

struct Maker {
  const char* plan;
  Role role;
  int data, slots;
};
/// DeepSeek open-infra-index, 2025-03: 4 nodes EP32 and 18 nodes EP144, 32 redundant experts.  lmsys.org, 2025-05-05:
/// 4 nodes EP32 and 9 nodes EP72, the same.
constexpr Maker kMakers[] = {{"size-deepseek-v3-production", Role::prefill, 32, 288},
                             {"size-deepseek-v3-production", Role::decode, 144, 288},
                             {"size-deepseek-v3-sglang", Role::prefill, 32, 288},
                             {"size-deepseek-v3-sglang", Role::decode, 72, 288}};

bool of_maker(const Proposal& p, const Maker& m) {
  return p.design.data == m.data && p.design.tensor == 1 && p.design.slots == m.slots;
}

/// GPUs of the pool for a request a second: the largest load, by bisection on the same random numbers, that so many
/// instances carry, beside more than enough of the other role.
double gpus_per_rate(const Plan& plan, const Proposal& pool, const Proposal& other) {
  const auto count = [&](const Proposal& p, double more) {
    return std::max(1, int(plan.load.rate * more / p.steady.rate + 0.999));
  };
  const bool first = pool.design.role == Role::prefill;
  const int instances = count(pool, 1);
  const double whole = instances * pool.steady.rate / plan.load.rate;  // the load that these carry in closed form
  const int others = count(other, 2 * whole);
  Deployment d{pool.node, pool.engine, {pool.design, other.design}, {instances, others}};
  if (!first) std::swap(d.pools[0], d.pools[1]), std::swap(d.instances[0], d.instances[1]);
  const double ttft = first ? pool.steady.ttft : other.steady.ttft, tpot = first ? other.steady.tpot : pool.steady.tpot;
  const auto meets = [&](double load) {
    return judge(plan, d, {.end_to_end = ttft + plan.load.output * tpot, .load = load}).met;
  };
  double low = 0.6 * whole, high = 1.6 * whole;
  if (!meets(low)) return 1e300;
  if (meets(high)) return pool.design.gpus() * instances / (plan.load.rate * high);
  for (int k = 0; k < 5; ++k) (meets((low + high) / 2) ? low : high) = (low + high) / 2;
  return pool.design.gpus() * instances / (plan.load.rate * low);
}

/// The best of each layout and number of slots, cheapest first.
std::vector<const Proposal*> best_of_each(const std::vector<Proposal>& all, Role role) {
  std::vector<const Proposal*> sorted, out;
  for (const Proposal& p : all)
    if (p.design.role == role && p.usable()) sorted.push_back(&p);
  std::ranges::stable_sort(sorted, {}, [](const Proposal* p) { return p->request_cost(); });
  for (const Proposal* p : sorted)
    if (std::ranges::none_of(out, [&](const Proposal* o) {
          return o->design.data == p->design.data && o->design.tensor == p->design.tensor &&
                 o->design.slots == p->design.slots;
        }))
      out.push_back(p);
  return out;
}

void MakersUnit(benchmark::State& state) {
  const Maker& maker = kMakers[state.range(0)];
  for (auto _ : state) {
    const Plan plan = read_plan(maker.plan, {}, {});
    const std::vector<Proposal> all = propose(plan, int(std::thread::hardware_concurrency()));
    const std::vector<const Proposal*> pools = best_of_each(all, maker.role);
    const Proposal* other = best_of_each(all, maker.role == Role::prefill ? Role::decode : Role::prefill).front();
    const auto own = std::ranges::find_if(pools, [&](const Proposal* p) { return of_maker(*p, maker); });
    if (own == pools.end()) return state.SkipWithError("the maker's unit cannot be used");
    // What is no better in closed form, but for this, is not simulated.
    constexpr double kTrust = 1.02;
    double best = 1e300, unit = 0;
    std::string text;
    for (const Proposal* p : pools) {
      if (p->request_cost() > kTrust * (*own)->request_cost()) break;
      const double gpus = gpus_per_rate(plan, *p, *other);
      text += fmt::format("{}{} of {} slots {:.4f} ({:.4f})", text.empty() ? "" : "; ", text_of(p->design, 1),
                          p->design.slots, gpus, p->design.gpus() / p->steady.rate);
      best = std::min(best, gpus);
      if (p == *own) unit = gpus;
    }
    state.counters["unit"] = unit;
    state.counters["front"] = best;
    state.counters["over_front"] = unit / best - 1;
    state.SetLabel(
        fmt::format("{} {}: GPUs for a request/s simulated (closed form): {}", maker.plan, name_of(maker.role), text));
  }
}
BENCHMARK(MakersUnit)->DenseRange(0, 3)->Iterations(1)->Unit(benchmark::kSecond);
}  // namespace
}  // namespace moesim::sizing
