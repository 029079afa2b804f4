#include "sizing/pretraining/job_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/words.h"
#include "results/summary.h"
#include "sizing/design.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {
namespace {
using results::pretty;

std::string name_of_node(const MappingEntry& e) { return node_name(*e.mapping.node); }
std::string usd(double cost) { return pretty(cost, "") + " USD"; }

/// "2.1 days and 1,210 USD do in 90 % of them, 97 % are within the targets": of the draws of a run.
std::string within_text(const Job& job, const DrawnRun& r) {
  const JobTargets& t = job.section.targets;
  std::string out =
      fmt::format("{} and {} do in {:.4g} % of them", days_text(r.within_days), usd(r.within_cost), 100 * t.share);
  if (t.days > 0 || t.cost > 0) out += fmt::format(", {:.4g} % are within the targets", 100 * r.met);
  return out;
}

/// What is left of the fullest GPU, where that is little.
std::string margin_text(std::int64_t peak, double usable) {
  constexpr double kLittle = 0.05;  // assumed: what an allocator's fragments take (PyTorch: a few percent)
  const double left = 1 - double(peak) / usable;
  return left >= kLittle ? ""
                         : fmt::format(": only {:.1f} % left, which fragments of the allocator may take", 100 * left);
}

std::string step_text(const MappingEntry& w) {
  const StepResult& r = *w.result;
  const double usable = double(w.mapping.node->node.gpu.usable().v);
  return fmt::format("step {:.3g} s, MFU {:.1f} %, {:.1f} of {:.1f} usable GB on the fullest GPU{}\n", r.step,
                     100 * r.mfu_bf16, double(r.peak_memory) * 1e-9, usable * 1e-9, margin_text(r.peak_memory, usable));
}

/// What the nodes in waiting gain, beside none; or what the first one would.
std::string spares_text(const Job& job, const DrawnRun& run, const std::vector<DrawnRun>& all) {
  if (!job.fails) return "";
  const std::string count = counted(run.spares, "spare node");
  if (job.spares.size() == 1) return count + ", as asked\n";
  if (run.spares > 0)
    return all.front().spares > 0 ? count + "\n"
                                  : fmt::format("{}: {} -> {}, {} -> {}\n", count, days_text(all.front().days),
                                                days_text(run.days), usd(all.front().cost), usd(run.cost));
  if (all.size() < 2) return all.front().waiting > 0 ? "no spare node: none may be had\n" : "no spare node is needed\n";
  return fmt::format("no spare node: {} would make it {} and {}\n", all[1].spares, days_text(all[1].days),
                     usd(all[1].cost));
}

/// How the draws of its failures end, and which of them the scenario plays.
std::string draws_lines(const Job& job, const DrawnRun& r) {
  if (!job.fails) return "";
  return fmt::format(
      "over {} of what fails, {:.3g} failures on average: {}\nthe scenario plays the first of them, of seed {}: {}, "
      "{}, "
      "{}\n",
      counted(job.draws(), "draw"), r.failures, within_text(job, r), job.seed, days_text(r.own.days), usd(r.own.cost),
      counted(std::llround(r.own.failures), "failure"));
}

std::string whole_run_text(const Job& job, const Choice& c) {
  const DrawnRun& r = *c.run;
  const MappingEntry& w = c.entries[*c.winner];
  std::string out =
      fmt::format("{}: {}, {}{} ({:.2f} USD/h), {} GPU-hours paid, goodput {:.1f} %\n", name_of_run(job),
                  days_text(r.days), usd(r.cost), job.fails ? " on average" : "",
                  r.paid_gpus * w.mapping.node->gpu_hour, pretty(r.paid_gpu_hours(), ""), 100 * r.goodput) +
      draws_lines(job, r) + spares_text(job, r, c.with_spares);
  if (job.free_interval)
    out += fmt::format("a checkpoint every {:.3g} h: Young's interval\n", interval_hours(job, w.mapping));
  return out + fmt::format("its steps alone: {}, {}; ", days_text(w.days(job)), usd(w.cost(job)));
}

std::string first_lines(const Job& job, const Choice& c) {
  const MappingEntry& w = c.entries[*c.winner];
  const StepResult& r = *w.result;
  const Mapping& m = w.mapping;
  const int spares = c.run ? c.run->spares : 0;
  std::string out =
      fmt::format("{} GPUs, {} of {}{}: {}\n", m.gpus() + spares * m.used_of_node, counted(m.nodes + spares, "node"),
                  name_of_node(w), spares > 0 ? fmt::format(", {} of them spare", spares) : "", text_of(m));
  out += job.whole_run && c.run
             ? whole_run_text(job, c)
             : fmt::format("{}, {} ({:.2f} USD/h); ", days_text(w.days(job)), usd(w.cost(job)), m.cost_per_hour());
  out += step_text(w);
  out += fmt::format("of a step, {:.1f} % waits for the pipeline and {:.1f} % for exchanges and collectives\n",
                     100 * r.bubble / r.step, 100 * r.exposed / r.step);
  if (!r.memory.empty()) out += fmt::format("that GPU holds {}\n", r.memory);
  return out;
}

std::string run_text(const Job& job, const Choice& c) {
  if (c.with_spares.empty()) return "";
  const JobTargets& t = job.section.targets;
  results::TextTable table({"spare nodes", "time", fmt::format("in {:.4g} %", 100 * t.share), "USD", "within targets",
                            "goodput", "failures", "saving", "lost", "restarts", "waiting for a spare", "slow GPUs"});
  const auto days = [](double d) { return pretty(d * 86400, "s"); };
  const std::string_view taken = job.spares.size() == 1 ? "asked" : "chosen";
  for (const DrawnRun& r : c.with_spares)
    table.add({fmt::format("{}{}", r.spares, r.spares == c.run->spares ? fmt::format(" ({})", taken) : ""),
               days_text(r.days), days_text(r.within_days), pretty(r.cost, ""), fmt::format("{:.4g} %", 100 * r.met),
               fmt::format("{:.1f} %", 100 * r.goodput), fmt::format("{:.3g}", r.failures), days(r.saving),
               days(r.lost), days(r.restarting), days(r.waiting), days(r.straggling)});
  return fmt::format("\nThe whole run, by the nodes kept in waiting: means over {}\n", counted(job.draws(), "draw")) +
         table.text(1);
}

std::string next_text(const Choice& c) {
  results::TextTable table({"if", "GPUs", "time", "USD", "then"});
  for (const NextStep& n : c.next)
    table.add({n.what, fmt::format("{:.0f}", n.gpus), n.days > 0 ? days_text(n.days) : "-",
               n.days > 0 ? pretty(n.cost, "") : "-",
               n.met ? (n.standing.empty() ? "met" : n.standing) : "missed, " + n.standing});
  return table.empty() ? "" : "\nThe answer, if the plan were another\n" + table.text(2);
}

/// Days and USD that are held against the targets; of one that was not simulated the least.
struct JobStanding {
  double days, cost;
};
JobStanding standing_of(const Job& job, const MappingEntry& e) {
  if (e.run) return {e.run->within_days, e.run->within_cost};
  const double days = e.hours(job, e.result ? e.result->step : e.least) / 24;
  return {days, days * 24 * e.mapping.cost_per_hour()};
}

/// Whether its days and USD are what it takes, not the least.
bool is_known(const Job& job, const MappingEntry& e) { return e.run || (e.result && !job.whole_run); }

/// Of what is known by its least alone, the best that might do with less than the nearest; "": nothing.
std::string less_text(const Job& job, const Choice& c, const MappingEntry& nearest) {
  const JobTargets& t = job.section.targets;
  JobStanding best = standing_of(job, nearest);
  bool less = false;
  for (const MappingEntry& e : c.entries) {
    if (e.fate != MappingFate::misses || is_known(job, e)) continue;
    const JobStanding least = standing_of(job, e);
    if (excess(job, least.days, least.cost) < excess(job, best.days, best.cost)) best = least, less = true;
  }
  if (!less) return "";
  std::string what = t.days > 0 ? days_text(best.days) : "";
  if (t.cost > 0) what += (what.empty() ? "" : " and ") + usd(best.cost);
  return fmt::format("Others were not simulated, since even their least is too much: nothing does with less than {}.\n",
                     what);
}

/// What would have to change for the nearest to do.
std::string change_text(const Job& job, const MappingEntry& e) {
  const JobTargets& t = job.section.targets;
  const auto [days, cost] = standing_of(job, e);
  std::string out;
  if (!is_known(job, e)) {
    if (t.days > 0 && days > t.days) out += fmt::format("Nothing does with less than {}.\n", days_text(days));
    if (t.cost > 0 && cost > t.cost) out += fmt::format("Nothing does with less than {}.\n", usd(cost));
    return out;
  }
  if (t.days > 0 && days > t.days) {
    constexpr double kMostNodes = 1 << 20;  // more than any cluster has
    const double nodes = std::ceil(e.mapping.nodes * days / t.days);
    out += fmt::format("It would do with {}{}.\n", days_text(days),
                       nodes < kMostNodes ? fmt::format(", or on about {:.0f} such nodes if it scaled", nodes)
                                          : "; no cluster has the nodes that the deadline takes");
  }
  if (t.cost > 0 && cost > t.cost) out += fmt::format("It would do with {}.\n", usd(cost));
  return out;
}

std::string nearest(const Job& job, const Choice& c) {
  const auto of = [&](const auto& may_be, const auto& distance) {
    const MappingEntry* best = nullptr;
    for (const MappingEntry& e : c.entries)
      if (may_be(e) && (best == nullptr || distance(e) < distance(*best))) best = &e;
    return best;
  };
  const auto missed_by = [&](const MappingEntry& e) {
    const auto [days, cost] = standing_of(job, e);
    return excess(job, days, cost);
  };
  const MappingEntry* best = of([&](const MappingEntry& e) { return is_known(job, e); }, missed_by);
  if (best == nullptr) best = of([](const MappingEntry& e) { return e.fate == MappingFate::misses; }, missed_by);
  if (best != nullptr)
    return fmt::format("Nothing meets the targets. Nearest: {} on {} GPUs: {}\n", text_of(best->mapping),
                       best->mapping.gpus(), best->reason) +
           change_text(job, *best) + (is_known(job, *best) ? less_text(job, c, *best) : "");
  return c.entries.empty() ? fmt::format(
                                 "No mapping can be formed: no number of GPUs that may be had, with the degrees "
                                 "asked, divides into replicas of the batch of {} and {} layers.\n",
                                 job.batch, job.model.layers)
                           : fmt::format("Nothing fits. For example {} on {} GPUs: {}\n", text_of(c.entries[0].mapping),
                                         c.entries[0].mapping.gpus(), c.entries[0].reason);
}

results::TextTable table_of_mappings(const Job& job) {
  return results::TextTable(
      job.whole_run ? std::vector<std::string>{"node", "GPUs", "mapping", "step", "steps alone", "whole run", "spares",
                                               "USD", "MFU", "memory", "fate", "what binds, or why it fell"}
                    : std::vector<std::string>{"node", "GPUs", "mapping", "step", "time", "USD", "MFU", "memory",
                                               "fate", "what binds, or why it fell"});
}
void add_row(results::TextTable& table, const Job& job, const MappingEntry& e) {
  std::vector<std::string> row{name_of_node(e), fmt::to_string(e.mapping.gpus()), text_of(e.mapping),
                               pretty(e.result->step, "s"), days_text(e.days(job))};
  if (job.whole_run)
    for (std::string cell : {e.run ? days_text(e.run->days) : "-", e.run ? fmt::to_string(e.run->spares) : "-",
                             e.run ? pretty(e.run->cost, "") : "-"})
      row.push_back(std::move(cell));
  else
    row.push_back(pretty(e.cost(job), ""));
  for (std::string cell : {fmt::format("{:.1f} %", 100 * e.result->mfu_bf16),
                           pretty(double(e.result->peak_memory), "B"), std::string(name_of(e.fate)), e.reason})
    row.push_back(std::move(cell));
  table.add(std::move(row));
}

std::string each_text(const Job& job, const Choice& c) {
  results::TextTable table = table_of_mappings(job);
  for (const std::size_t i : c.best_of_each()) add_row(table, job, c.entries[i]);
  return table.empty()
             ? ""
             : fmt::format("\nThe {} of each kind and number of nodes\n", job.whole_run ? "best" : "fastest") +
                   table.text(2);
}

std::string rivals_text(const Job& job, const Choice& c) {
  constexpr std::size_t kShown = 8;
  if (!c.winner) return "";
  const Mapping& m = c.entries[*c.winner].mapping;
  std::vector<const MappingEntry*> all;
  for (const MappingEntry& e : c.entries)
    if (e.result && e.mapping.node == m.node && e.mapping.nodes == m.nodes) all.push_back(&e);
  std::ranges::stable_sort(all, {}, [](const MappingEntry* e) { return e->result->step; });
  const std::size_t simulated = all.size();
  if (all.size() > kShown) all.resize(kShown);
  results::TextTable table = table_of_mappings(job);
  for (const MappingEntry* e : all) add_row(table, job, *e);
  return fmt::format("\nThe fastest steps on the same nodes{}\n",
                     simulated > kShown ? fmt::format(", {} of {} simulated", kShown, simulated) : "") +
         table.text(2);
}

std::string ledger_text(const Choice& c) {
  std::map<std::string, std::pair<int, std::string>> fell;
  for (const MappingEntry& e : c.entries) {
    if (e.reason.empty()) continue;
    auto& [count, text] = fell[e.reason.substr(0, e.reason.find(':'))];
    if (count++ == 0) text = text_of(e.mapping) + ": " + e.reason;
  }
  results::TextTable table({"fell by", "mappings", "for example"});
  for (const auto& [reason, what] : fell) table.add({reason, fmt::to_string(what.first), what.second});
  return table.empty() ? "" : "\nWhy the others fell (all of them: table mapping)\n" + table.text(2);
}
}  // namespace

std::string drawn_text(const Job& job, const DrawnRun& r) {
  return fmt::format("{} on average over {}: {}", days_text(r.days), counted(job.draws(), "draw"), within_text(job, r));
}

std::string answer_text(const Job& job, const Choice& c) {
  std::string out = job.title.empty() ? "" : job.title + "\n\n";
  out += c.winner ? first_lines(job, c) : nearest(job, c);
  out += fmt::format("{} mappings formed or refused, {} of a step", c.entries.size(),
                     counted(c.simulations, "simulation"));
  if (job.whole_run) out += fmt::format(", judged by {}", counted(c.runs, "whole run"));
  if (job.whole_run && job.draws() > 1) out += fmt::format(" of {} draws each", job.draws());
  return out + "\n" + run_text(job, c) + next_text(c) + each_text(job, c) + rivals_text(job, c) + ledger_text(c);
}
}  // namespace moesim::sizing
