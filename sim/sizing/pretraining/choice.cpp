#include "sizing/pretraining/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/log.h"
#include "results/results.h"
#include "results/span.h"
#include "runs/parallel.h"
#include "training/study.h"

namespace moesim::sizing {
namespace {
/// Mappings simulated between two looks at the fastest so far; fixed, so that the number of jobs does not matter.
constexpr std::size_t kRunsAtOnce = 4;

bool is_of_memory(const ConfigError& e) {
  return e.problem().find("does not fit") != std::string::npos ||
         e.problem().find("out of memory") != std::string::npos;
}

/// A refusal's place is in a scenario that nobody wrote; its key is not.
std::string without_file(const std::string& problem) {
  const std::size_t at = problem.find(": training.");
  return at == std::string::npos ? problem : problem.substr(at + 2);
}

/// Runs f for the entry's mapping, and again with more recomputed as long as it does not fit.  False where nothing
/// helps: then the entry is illegal, with the reason.
template <class F>
bool with_what_fits(const Job& job, MappingEntry& entry, const F& f) {
  const auto& choices = job.section.candidates.recompute;
  for (auto at = std::ranges::find(choices, entry.mapping.recompute); at != choices.end(); ++at) {
    entry.mapping.recompute = *at;
    try {
      f();
      return true;
    } catch (const ConfigError& e) {
      entry.fate = MappingFate::illegal;
      entry.reason = (is_of_memory(e) ? "memory: " : "layout: ") + without_file(e.problem());
      if (!is_of_memory(e)) return false;
    }
  }
  return false;
}

/// The least time of each, or why it cannot be.
void bound_all(const Job& job, std::vector<MappingEntry>& entries, int jobs) {
  const bool all = runs::run_all("bounds of mappings", entries.size(), jobs, [&](std::size_t i) {
    MappingEntry& e = entries[i];
    if (with_what_fits(job, e, [&] { e.least = least_step(job, e.mapping); })) e.fate = MappingFate::slower;
  });
  if (!all) stop_if_interrupted();
}

/// "0.3974 s, 0.3971 s do": in as many digits as tell them apart.
std::string apart(double least, double shortest) {
  for (int digits = 3; digits < 10; ++digits) {
    std::string a = fmt::format("{:.{}g}", least, digits), b = fmt::format("{:.{}g}", shortest, digits);
    if (a != b) return fmt::format("{} s, {} s do", a, b);
  }
  return fmt::format("{:.3g} s, as long as one that was simulated takes", least);
}

using Group = std::vector<MappingEntry*>;
/// By kind and number of nodes: in a group the shortest step is the cheapest, too.
std::vector<Group> groups_of(std::vector<MappingEntry>& entries) {
  std::vector<Group> out;
  for (MappingEntry& e : entries) {
    const auto same = std::ranges::find_if(out, [&](const Group& g) {
      return g.front()->mapping.node == e.mapping.node && g.front()->mapping.nodes == e.mapping.nodes;
    });
    (same == out.end() ? out.emplace_back() : *same).push_back(&e);
  }
  return out;
}

/// Why a step as long as `step` misses what was asked, or nothing.
std::string missed(const Job& job, const MappingEntry& e, double step) {
  const JobTargets& t = job.section.targets;
  const double hours = e.hours(job, step), cost = hours * e.mapping.cost_per_hour();
  if (t.days > 0 && hours / 24 > t.days)
    return fmt::format("deadline: {} of {}", days_text(hours / 24), days_text(t.days));
  if (t.cost > 0 && cost > t.cost) return fmt::format("cost: {:.4g} USD of {:.4g}", cost, t.cost);
  return "";
}

void judge(const Job& job, MappingEntry& e) {
  e.reason = missed(job, e, e.result->step);
  e.fate = e.reason.empty() ? MappingFate::meets : MappingFate::misses;
}

/// Simulates a group in the order of the bounds, until none is below the shortest step found.
void race(const Job& job, const Group& group, int jobs, Choice& out, Progress& progress, std::size_t& done) {
  double shortest = 1e300;
  for (std::size_t first = 0; first < group.size(); first += kRunsAtOnce) {
    Group round;
    for (std::size_t i = first; i < std::min(first + kRunsAtOnce, group.size()); ++i) {
      MappingEntry& e = *group[i];
      if (e.reason = missed(job, e, e.least); !e.reason.empty())
        e.fate = MappingFate::misses, e.reason += " at the very least";
      else if (e.least >= shortest)
        e.reason = "slower: a step of at least " + apart(e.least, shortest);
      else
        round.push_back(&e);
    }
    progress.at(done += std::min(kRunsAtOnce, group.size() - first),
                shortest < 1e300 ? fmt::format("shortest step {:.3g} s", shortest) : "");
    runs::run_all("", round.size(), jobs, [&](std::size_t k) {
      MappingEntry& e = *round[k];
      if (with_what_fits(job, e, [&] { e.result = simulate_step(job, e.mapping, false); })) judge(job, e);
    });
    stop_if_interrupted();
    for (const MappingEntry* e : round) {
      ++out.simulations;
      if (e->result) shortest = std::min(shortest, e->result->step);
    }
  }
}

/// The fastest of a group whose steps were drawn out, in full.
void confirm(const Job& job, Group group, int jobs, Choice& out) {
  std::erase_if(group, [](const MappingEntry* e) { return !e->result; });
  std::ranges::stable_sort(group, {}, [](const MappingEntry* e) { return e->result->step; });
  if (int(group.size()) > job.section.search.keep) group.resize(std::size_t(job.section.search.keep));
  std::erase_if(group, [](const MappingEntry* e) { return !e->result->drawn_out; });
  runs::run_all("", group.size(), jobs, [&](std::size_t k) {
    MappingEntry& e = *group[k];
    e.result.reset();
    if (with_what_fits(job, e, [&] { e.result = simulate_step(job, e.mapping, true); })) judge(job, e);
  });
  stop_if_interrupted();
  out.simulations += int(group.size());
}

/// With a deadline the cheapest run, else the shortest; of equals the one with fewer GPUs, then the first.
std::optional<std::size_t> best(const Job& job, const std::vector<MappingEntry>& entries) {
  std::optional<std::size_t> out;
  const auto rank = [&](const MappingEntry& e) {
    const double cost = e.cost(job), days = e.days(job);
    return job.section.targets.days > 0 ? std::tuple(cost, days, e.mapping.gpus())
                                        : std::tuple(days, cost, e.mapping.gpus());
  };
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i].fate == MappingFate::meets && (!out || rank(entries[i]) < rank(entries[*out]))) out = i;
  return out;
}

/// The shard's part of a group, in the order of the bounds; those that cannot be formed left out.
Group part_of(Group group, Shard shard) {
  std::erase_if(group, [](const MappingEntry* e) { return e->fate == MappingFate::illegal; });
  std::ranges::stable_sort(group, {}, &MappingEntry::least);
  Group out;
  for (std::size_t i = std::size_t(shard.number - 1); i < group.size(); i += std::size_t(shard.of))
    out.push_back(group[i]);
  return out;
}

constexpr const char* kSpares = "training.run.failures.spare_nodes";
/// spares: in place of the plan's.
RunFigures whole_run(const Job& job, const Mapping& mapping, results::Results& r, Choice* kept,
                     std::optional<int> spares = {}) {
  std::vector<Config::Override> overrides;
  if (spares) overrides.push_back({kSpares, fmt::to_string(*spares)});
  const Config scenario = Config::from_text(scenario_text(job, mapping, true), job.file, overrides);
  results::SpanLog spans;
  results::StudyRun run{scenario, job.seed, r, spans};
  const results::StudyEnd end = scenario.at("training").placed([&] { return training::run_training(run); });
  stop_if_interrupted();
  if (kept != nullptr) kept->end = end, kept->resolved = scenario.resolved();
  const auto value = [&](std::string_view name) { return r.has_metric(name) ? r.metric_value(name) : 0; };
  const auto days = [&](std::string_view name) { return value(name) / 86400; };
  return {spares.value_or(job.spare_nodes),
          value("run_days"),
          value("run_gpu_hours"),
          value("run_cost"),
          value("run_goodput"),
          value("run_energy"),
          value("run_gpu_failures") + value("run_nic_failures") + value("run_node_failures"),
          days("run_checkpoint_time"),
          days("run_lost_time"),
          days("run_restart_time"),
          days("run_waiting_time"),
          days("run_straggling_time")};
}

/// None, and as many as the plan has by powers of two up to twice that: how many are worth keeping.
std::vector<int> other_spares(const Job& job) {
  std::vector<int> out{0};
  for (int n = 1; n <= std::max(2, 2 * job.spare_nodes); n *= 2) out.push_back(n);
  std::erase(out, job.spare_nodes);
  return out;
}

void plan_run(const Job& job, int jobs, Choice& out, results::Results* keep) {
  const Mapping& mapping = out.entries[*out.winner].mapping;
  const auto forgotten = [&](std::optional<int> spares) {
    results::Results r(":memory:", {});
    return whole_run(job, mapping, r, nullptr, spares);
  };
  out.run = keep != nullptr ? whole_run(job, mapping, *keep, &out) : forgotten({});
  if (!job.fails) return;
  const std::vector<int> spares = other_spares(job);
  out.with_spares.resize(spares.size());
  runs::run_all("", spares.size(), jobs, [&](std::size_t i) { out.with_spares[i] = forgotten(spares[i]); });
  stop_if_interrupted();
  out.with_spares.push_back(*out.run);
  std::ranges::sort(out.with_spares, {}, &RunFigures::spares);
}
}  // namespace

std::vector<std::size_t> Choice::best_of_each() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].result) continue;
    const Mapping& m = entries[i].mapping;
    const auto same = std::ranges::find_if(
        out, [&](std::size_t o) { return entries[o].mapping.node == m.node && entries[o].mapping.nodes == m.nodes; });
    if (same == out.end())
      out.push_back(i);
    else if (entries[i].result->step < entries[*same].result->step)
      *same = i;
  }
  return out;
}

Choice choose(const Job& job, int jobs, Shard shard, results::Results* keep) {
  Choice out;
  for (Mapping& m : mappings(job)) out.entries.push_back({std::move(m)});
  bound_all(job, out.entries, jobs);
  {
    Progress progress("simulating", out.entries.size(), "mappings");
    std::size_t done = 0;
    for (const Group& all : groups_of(out.entries)) {
      const Group group = part_of(all, shard);
      race(job, group, jobs, out, progress, done);
      confirm(job, group, jobs, out);
    }
  }
  if (shard.of > 1) return out;
  out.winner = best(job, out.entries);
  if (!out.winner) return out;
  out.entries[*out.winner].fate = MappingFate::chosen;
  plan_run(job, jobs, out, keep);
  return out;
}
}  // namespace moesim::sizing
