#include "sizing/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "results/summary.h"
#include "sizing/launch.h"
#include "sizing/relaxations.h"
#include "sizing/required.h"
#include "sizing/trial_book.h"

namespace moesim::sizing {
namespace {
using results::pretty;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) out.push_back(line);
  return out;
}

/// What a check is called in a list of them.
std::string brief(const Check& c) {
  switch (c.kind) {
    case CheckKind::node_loss:
      return "a node lost";
    case CheckKind::spare:
      return "a node lost, with a spare";
    case CheckKind::bursts:
      return "bursts";
    case CheckKind::drift:
      return "experts placed on loads of before";
    case CheckKind::seeds:
    case CheckKind::uneven_experts:
      break;
  }
  return c.what;
}
/// The first clause of what stands beside it.
std::string first_clause(const std::string& standing) { return standing.substr(0, standing.find_first_of(",:;")); }

std::vector<std::string> not_held(const Search& s) {
  std::vector<std::string> out;
  for (const Check& c : s.checks)
    if (!c.met) out.push_back(fmt::format("{} ({})", brief(c), first_clause(c.standing)));
  return out;
}

/// How many fell by what.
std::vector<FellBy> fell_by(const Search& s) {
  std::map<std::string, FellBy> out;
  const auto note = [&](const std::string& reason, int FellBy::*count, const std::string& example) {
    const std::size_t colon = reason.find(':');
    const std::string by = reason.substr(0, colon == std::string::npos ? reason.find(' ') : colon);
    FellBy& f = out[by];
    f.reason = by;
    ++(f.*count);
    if (f.example.empty()) f.example = example + ": " + reason;
  };
  for (const Proposal& p : s.proposals)
    if (const std::string& why = p.usable() ? p.dropped : p.steady.refused; !why.empty())
      note(why, &FellBy::pools, text_of(p.design, 1));
  for (const Entry& e : s.entries)
    if (e.fate == Fate::pruned || e.fell == Fell::seeds || e.fell == Fell::check)
      note(e.reason, &FellBy::deployments, text_of(e.deployment));
    else if (e.fate == Fate::misses)
      note("targets missed in simulation: " + e.reason, &FellBy::deployments, text_of(e.deployment));
  std::vector<FellBy> rows;
  for (auto& [by, f] : out) rows.push_back(std::move(f));
  return rows;
}

Chosen chosen_of(const Plan& plan, const Search& s, const std::vector<Variation>& variations) {
  const Entry& w = s.entries[*s.winner];
  Chosen out;
  out.economics = economics_of(plan, w);
  out.tightest = *tightest(standings(plan.section.targets, *w.figures));
  for (const Check& c : s.checks)
    if (c.kind == CheckKind::seeds && c.used > std::max(out.tightest.used(), out.worst_used.value_or(0)))
      out.worst_used = c.used;
  const auto as_it_is = std::ranges::find(variations, kAsItIs, &Variation::what);
  out.carried = as_it_is != variations.end() ? as_it_is->carried : w.carried;
  out.not_held = not_held(s);
  out.required_missed = required_missed(plan, s);
  out.unheld = unheld_text(plan, s);
  out.limits = limits_of(plan, w.trial, *w.figures);
  out.simulated = seconds(w.trial.duration), out.after = seconds(w.trial.warmup);
  out.warnings = lines_of(w.figures->warnings);
  out.relaxation = text_of(s.relaxations, w.deployment);
  out.prices = price_breaks(plan, s);
  out.launch = launch_text(plan, w.deployment);
  return out;
}
}  // namespace

std::vector<std::string> required_missed(const Plan& plan, const Search& s) {
  std::vector<std::string> out;
  for (const CheckKind kind : plan.section.confirm.required)
    for (const Check& c : s.checks)
      if (c.kind == kind && !c.met) out.push_back(fmt::format("{}: {}: {}", name_of(kind), c.what, c.standing));
  return out;
}

std::string verdict_text(const Plan& plan, const Check& c) {
  const bool required = std::ranges::find(plan.section.confirm.required, c.kind) != plan.section.confirm.required.end();
  return fmt::format("{}{}", c.met ? "met" : "missed", required ? ", required" : "");
}

std::vector<std::string> limits_of(const Plan& plan, const Trial& trial, const Figures& f) {
  std::vector<std::string> out;
  const double simulated = seconds(trial.duration), span = plan.load.span / trial.load;
  if (span > simulated * (1 + 1e-9))
    out.push_back(fmt::format("sized for the first {} of the {} that the workload goes on for{}",
                              pretty(simulated, "s"), pretty(span, "s"),
                              plan.section.search.most ? " (search.most)" : ""));
  // assumed: fewer beyond a percentile say little of it
  constexpr double kBeyond = 10;
  const double highest = highest_percentile(plan.section.targets).first;
  if (f.measured > 0 && f.measured * (1 - highest) < kBeyond * (1 - 1e-9))
    out.push_back(fmt::format("few requests: figures are of {:.0f}, {:.3g} of them beyond {:.4g} %", f.measured,
                              f.measured * (1 - highest), 100 * highest));
  return out;
}

std::string price_text(const Search& s, const PriceBreak& p) {
  const std::string now = fmt::format("USD a GPU-hour, {:.2f} now", p.node->gpu_hour);
  if (p.entry == *s.winner) return fmt::format("stays the answer up to {:.2f} {}", p.at, now);
  const Deployment& d = s.entries[p.entry].deployment;
  return fmt::format("would be the answer below {:.2f} {}, with the {} GPUs of {}", p.at, now, d.gpus(), text_of(d));
}

Facts facts_of(const Plan& plan, const Search& s, const std::vector<Variation>& variations) {
  Facts out;
  if (s.winner) out.chosen = chosen_of(plan, s, variations);
  out.fell = fell_by(s);
  out.pools = s.proposals.size(), out.deployments = s.entries.size();
  out.simulations = plan.book != nullptr ? int(plan.book->asked()) : s.trials;
  return out;
}
}  // namespace moesim::sizing
