// Where the units that their makers chose lie beside the front: GPUs for a request a second, within the targets, of the
// unit and of the best of all pools of its role that could be built.
// One instance each, twelve simulations a line: what they carry is known to 4 %.
// DeepSeek's prefill unit lies on the front: 0.491 GPUs for a request/s, its rival (256 slots) 0.499.
//   sizing_makers_bench --benchmark_out=...   (a minute a line)
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

/// Under a load of so many requests a second.
Verdict under(const Plan& plan, const Deployment& d, double end_to_end, double rate) {
  return judge_once(plan, d, {.end_to_end = end_to_end, .load = rate / plan.load.rate});
}

struct Needed {
  double gpus = 1e300;   // for a request a second within the targets
  std::string missed{};  // the tightest target, where six tenths of what is served are not within them
};

/// GPUs of the pool for a request a second within the targets, of one instance beside more than enough of the other
/// role.  What piles up of a load that is too large says what is served of it; the targets are met under less.
Needed gpus_per_rate(const Plan& plan, const Proposal& pool, const Proposal& other) {
  constexpr double kOver = 1.3, kSpare = 1.6;  // twice as many would be more nodes than fabrics join
  constexpr double kFine = 0.03;
  const bool first = pool.design.role == Role::prefill;
  const int others = std::max(1, int(kSpare * pool.steady.rate / other.steady.rate + 0.999));
  Deployment d{pool.node, pool.engine, {pool.design, other.design}, {1, others}};
  if (!first) std::swap(d.pools[0], d.pools[1]), std::swap(d.instances[0], d.instances[1]);
  const double ttft = first ? pool.steady.ttft : other.steady.ttft, tpot = first ? other.steady.tpot : pool.steady.tpot;
  const double end_to_end = ttft + plan.load.output * tpot, over = kOver * pool.steady.rate;
  const double served = over * (1 - under(plan, d, end_to_end, over).figures.piled_up);
  double low = 0.6 * served, high = served;
  if (const Verdict v = under(plan, d, end_to_end, low); !v.met)
    return {.missed = fmt::format(", misses {} under {:.4g} requests/s", text_of(*tightest(v.standings)), low)};
  while (high - low > kFine * served) {
    const double middle = (low + high) / 2;
    (under(plan, d, end_to_end, middle).met ? low : high) = middle;
  }
  return {pool.design.gpus() / low};
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
    // The unit and its cheapest rival in closed form.
    const Proposal* rival = pools.front() != *own ? pools.front() : pools.size() > 1 ? pools[1] : nullptr;
    double best = 1e300, unit = 0;
    std::string text;
    for (const Proposal* p : {*own, rival}) {
      if (p == nullptr) continue;
      const auto [gpus, missed] = gpus_per_rate(plan, *p, *other);
      text += fmt::format("{}{} of {} slots {:.4g} ({:.4f}){}", text.empty() ? "" : "; ", text_of(p->design, 1),
                          p->design.slots, gpus, p->design.gpus() / p->steady.rate, missed);
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
