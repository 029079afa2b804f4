#include "sizing/pretraining/choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "results/results.h"
#include "results/span.h"
#include "runs/parallel.h"
#include "sizing/pretraining/judging.h"
#include "sizing/pretraining/next_steps.h"
#include "sizing/pretraining/settling.h"
#include "training/study.h"

namespace moesim::sizing {
namespace {
/// Mappings simulated between two looks at the fastest so far; fixed, so that the number of jobs does not matter.
constexpr std::size_t kRunsAtOnce = 4;

/// The least time of each, or why it cannot be.
void bound_all(const Job& job, std::vector<MappingEntry>& entries, int jobs) {
  const bool all = runs::run_all("bounds of mappings", entries.size(), jobs, [&](std::size_t i) {
    MappingEntry& e = entries[i];
    if (spares_of(job, e.mapping).empty()) {
      e.fate = MappingFate::illegal;
      e.reason = fmt::format("spares: {} and {} in waiting are more nodes than may be had", e.mapping.nodes,
                             job.spares.front());
      return;
    }
    if (with_what_fits(job, e, [&] { e.least = least_step(job, e.mapping); })) e.fate = MappingFate::slower;
  });
  if (!all) stop_if_interrupted();
}

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

/// Why no run of it meets what was asked, or nothing.
std::string missed_at_least(const Job& job, const MappingEntry& e) {
  const double days =
      job.whole_run ? Interruptions().least_days(e.least * job.least_steps()) : e.hours(job, e.least) / 24;
  const std::string out = missed(job, days, days * 24 * e.mapping.cost_per_hour(), job.whole_run);
  return out.empty() ? out : out + " at the very least";
}

/// Simulates a group in the order of the bounds, until none is below the shortest step found.
void race(const Job& job, const Group& group, int jobs, Choice& out, Progress& progress, std::size_t& done) {
  double shortest = 1e300;
  for (std::size_t first = 0; first < group.size(); first += kRunsAtOnce) {
    Group round;
    for (std::size_t i = first; i < std::min(first + kRunsAtOnce, group.size()); ++i) {
      MappingEntry& e = *group[i];
      if (e.reason = missed_at_least(job, e); !e.reason.empty())
        e.fate = MappingFate::misses;
      else if (e.least >= shortest)
        e.reason =
            "slower: a step of at least " + apart(e.least, shortest, "s", "as long as one that was simulated takes");
      else
        round.push_back(&e);
    }
    progress.at(done += std::min(kRunsAtOnce, group.size() - first),
                shortest < 1e300 ? fmt::format("shortest step {:.3g} s", shortest) : "");
    runs::run_all("", round.size(), jobs, [&](std::size_t k) {
      MappingEntry& e = *round[k];
      if (with_what_fits(job, e, [&] { e.result = simulate_step(job, e.mapping, false); }) && !job.whole_run)
        judge(job, e);
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
    if (with_what_fits(job, e, [&] { e.result = simulate_step(job, e.mapping, true); }) && !job.whole_run)
      judge(job, e);
  });
  stop_if_interrupted();
  out.simulations += int(group.size());
}

/// Of those that meet the targets.
std::optional<std::size_t> best(const Job& job, const std::vector<MappingEntry>& entries) {
  std::optional<std::size_t> out;
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i].fate == MappingFate::meets &&
        (!out || rank_of(job, entries[i], i) < rank_of(job, entries[*out], *out)))
      out = i;
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

/// All rows of the answer's whole run.
void keep_run(const Job& job, results::Results& results, Choice& out) {
  const std::string text = run_scenario_text(job, out.entries[*out.winner].mapping, out.run->spares);
  const Config scenario = Config::from_text(text, job.file);
  results::SpanLog spans;
  results::StudyRun run{scenario, job.seed, results, spans};
  out.end = scenario.at("training").placed([&] { return training::run_training(run); });
  stop_if_interrupted();
  out.resolved = scenario.resolved();
}

/// With none, and with as many as are asked for by powers of two up to twice that: how many are worth keeping.
std::vector<int> other_spares(const Job& job) {
  std::vector<int> out{0};
  for (std::int64_t n = 1; n <= std::max<std::int64_t>(2, 2 * std::int64_t(job.spares.back())); n *= 2)
    out.push_back(int(n));
  return out;
}

/// The answer's whole run, and with other numbers of spare nodes.
void run_winner(const Job& job, Choice& out) {
  const MappingEntry& w = out.entries[*out.winner];
  const WholeRun run(job, w.mapping, w.result->step);
  out.run = w.run ? *w.run : run.drawn(0);
  if (!job.fails) return;
  out.with_spares = w.runs;
  if (job.spares.size() == 1)
    for (const int spares : other_spares(job)) try {
        if (spares != job.spares.front()) out.with_spares.push_back(run.drawn(spares));
      } catch (const ConfigError&) {
        continue;  // the run does not get on with so many
      }
  std::ranges::sort(out.with_spares, {}, &DrawnRun::spares);
}
}  // namespace

std::vector<std::size_t> Choice::best_of_each() const {
  const auto before = [&](std::size_t a, std::size_t b) {
    const MappingEntry &x = entries[a], &y = entries[b];
    if (x.run.has_value() != y.run.has_value()) return x.run.has_value();
    if (x.run && (x.fate == MappingFate::misses) != (y.fate == MappingFate::misses))
      return y.fate == MappingFate::misses;
    return x.run ? x.run->days < y.run->days : x.result->step < y.result->step;
  };
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].result) continue;
    const Mapping& m = entries[i].mapping;
    const auto same = std::ranges::find_if(
        out, [&](std::size_t o) { return entries[o].mapping.node == m.node && entries[o].mapping.nodes == m.nodes; });
    if (same == out.end())
      out.push_back(i);
    else if (i == winner || (*same != winner && before(i, *same)))
      *same = i;
  }
  return out;
}

std::optional<std::size_t> Choice::best_of(const PricedNode& node, int nodes) const {
  for (const std::size_t i : best_of_each())
    if (entries[i].mapping.node == &node && entries[i].mapping.nodes == nodes) return i;
  return {};
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
      if (job.whole_run && shard.of == 1) settle(job, group, jobs, out);
    }
  }
  if (shard.of > 1) return out;
  out.winner = best(job, out.entries);
  if (!out.winner) return out;
  out.entries[*out.winner].fate = MappingFate::chosen;
  run_winner(job, out);
  out.next = next_steps(job, out);
  if (keep != nullptr) keep_run(job, *keep, out);
  return out;
}
}  // namespace moesim::sizing
