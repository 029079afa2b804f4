#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "results/summary.h"
#include "sizing/answer.h"
#include "sizing/capacity.h"
#include "sizing/facts.h"
#include "sizing/nearest.h"
#include "sizing/relaxations.h"

namespace moesim::sizing {
namespace {
using results::pretty;

/// Cents, or what is less in three digits.
std::string money(double usd) {
  return usd != 0 && std::abs(usd) < 0.095 ? fmt::format("{:.3g}", usd) : fmt::format("{:.2f}", usd);
}
/// Whole tokens, or what is less in three digits.
std::string tokens_text(double tokens) {
  return tokens < 99.5 ? fmt::format("{:.3g}", tokens) : fmt::format("{:.0f}", tokens);
}

/// How far the kernel times behind an answer may be trusted.
std::string kernels_text(const KernelErrors& k) {
  std::string out;
  const auto add = [&](double median, double p90, std::string_view what) {
    if (p90 > 0)
      out += fmt::format("{} {:.1f} % off in the median, {:.0f} % at the 90th percentile\n", what, 100 * median,
                         100 * p90);
  };
  add(k.median, k.p90, "single kernels, where they were measured:");
  add(k.borrowed_median, k.borrowed_p90, "efficiencies of another GPU generation, where they could be checked:");
  return out.empty() ? "no kernel behind it was measured\n" : out;
}

/// What the answer holds under its own seed alone.
std::string missed_text(const Search& s) {
  const int missed = seeds_missed(s);
  return missed == 0
             ? ""
             : fmt::format("; it misses the targets on {} of {} seeds", missed, s.ranking.front().headrooms.size());
}

std::string joined(const std::vector<std::string>& all, std::string_view between) {
  return fmt::format("{}", fmt::join(all, between));
}

/// "47 %", or as much as tells it from all.
std::string left_text(double used) {
  const double left = 100 * (1 - used);
  return left < 99.5 ? fmt::format("{:.0f} %", left) : fmt::format("{:.1f} %", std::min(left, 99.9));
}
/// Of the requests in the window; rounded down, so that one that missed is seen.
std::string share_text(const Figures& f) {
  if (f.share >= 1) return fmt::format("all of the {:.0f} requests measured are within the targets", f.measured);
  return fmt::format("{:.2f} % of the {:.0f} requests measured are within the targets", std::floor(1e4 * f.share) / 100,
                     f.measured);
}

/// How far it is from binding: by load, and by the target that is nearest at the load asked for.
std::string binding_text(const Plan& plan, const Search& s, const Chosen& c) {
  // Latencies grow faster the fuller a service is, and another one may be the first that is missed.
  std::string out = c.carried ? text_of(*c.carried) + "\n" : "";
  if (c.carried) out += "at the load asked for ";
  const double used = c.tightest.used();
  if (used > 0.005)
    out += fmt::format("{} {}, {} left", text_of(c.tightest), c.carried ? "is tightest" : "binds", left_text(used));
  else
    out += text_of(c.tightest) + " is tightest: nothing binds";
  if (c.worst_used) out += fmt::format(" ({} with the worst of the seeds)", left_text(*c.worst_used));
  if (plan.section.targets.share > 0) out += "; " + share_text(*s.entries[*s.winner].figures);
  return out + "\n";
}

std::string economics_text(const Economics& e) {
  std::string out = fmt::format("{} USD/h, {} USD a million tokens", money(e.cost_per_hour), money(e.cost_per_million));
  if (e.cost_per_million_output > 0)
    out += fmt::format(" ({} of prompts, {} of answers)", money(e.cost_per_million_input),
                       money(e.cost_per_million_output));
  out += fmt::format("; {} tokens/s a GPU, {:.1f} a user", tokens_text(e.tokens_per_gpu), e.tokens_per_user);
  if (e.used_gpus < e.gpus - 1e-6) out += fmt::format("; {:.0f} of the {} GPUs serve", e.used_gpus, e.gpus);
  return out + "\n";
}

/// The answer in one paragraph.
std::string first_lines(const Plan& plan, const Search& s, const Chosen& c) {
  const Entry& w = s.entries[*s.winner];
  const Economics& e = c.economics;
  std::string out = fmt::format("{} GPUs, {} node{} of {}: {}{}\n", e.gpus, e.nodes, e.nodes == 1 ? "" : "s",
                                node_name(*w.deployment.node), text_of(w.deployment), missed_text(s));
  out += economics_text(e) + binding_text(plan, s, c);
  for (const std::string& limit : c.limits) out += limit + "\n";
  if (!c.not_held.empty()) out += "not held: " + joined(c.not_held, "; ") + "\n";
  if (!c.unheld.empty()) out += c.unheld + "\n";
  if (!c.relaxation.empty()) out += c.relaxation + "\n";
  out += "of the time of " + w.figures->limiter + "\n";
  if (!s.why.empty()) {
    out += "chosen: " + s.why + "\n";
  } else if (s.ranking.size() > 1 && s.ranking[1].tie) {
    const Deployment& other = s.entries[s.ranking[1].entry].deployment;
    out += fmt::format("a tie over {} seeds with {} on {}, {} USD/h\n", s.ranking[1].headrooms.size(), text_of(other),
                       node_name(*other.node), money(other.cost_per_hour()));
  }
  out += kernels_text(w.figures->kernels);
  out +=
      fmt::format("simulated for {}, figures of what came after {}\n", pretty(c.simulated, "s"), pretty(c.after, "s"));
  for (const std::string& line : c.warnings) out += "warning: " + line + "\n";
  return out;
}

void add_row(results::TextTable& table, const Plan& plan, const Entry& e) {
  const Economics x = economics_of(plan, e);
  const bool simulated = e.figures.has_value();
  table.add({node_name(*e.deployment.node), e.deployment.engine, text_of(e.deployment), fmt::to_string(x.gpus),
             money(x.cost_per_hour), money(x.cost_per_million), tokens_text(x.tokens_per_gpu),
             fmt::format("{:.1f}", x.tokens_per_user),
             simulated ? pretty(e.figures->latency[latency_index("ttft_p90")], "s") : "-",
             simulated ? pretty(e.figures->latency[latency_index("tpot_p90")], "s") : "-", std::string(name_of(e.fate)),
             e.reason});
}
results::TextTable table_of_entries() {
  return results::TextTable({"node", "engine", "deployment", "GPUs", "USD/h", "USD/M tokens", "tokens/s/GPU",
                             "tokens/s/user", "TTFT p90", "TPOT p90", "fate", "what binds, or why it fell"});
}

std::string front_text(const Plan& plan, const Search& s) {
  results::TextTable table = table_of_entries();
  for (const Entry& e : s.entries)
    if (e.fate == Fate::chosen || e.fate == Fate::front) add_row(table, plan, e);
  return table.empty() ? "" : "\nFront: of those simulated, nobody is cheaper and faster a user\n" + table.text(2);
}

/// The answer, or else the cheapest, of every kind of node and layout; where none was simulated, the one that would
/// have been first.
std::string rivals_text(const Plan& plan, const Search& s) {
  results::TextTable table = table_of_entries();
  for (const PricedNode& node : plan.nodes)
    for (const std::size_t pools : {1, 2}) {
      const Entry* best = nullptr;
      for (const Entry& e : s.entries) {
        if (e.deployment.node != &node || e.deployment.pools.size() != pools) continue;
        const auto rank = [](const Entry& x) {
          const bool missed = x.fate == Fate::misses || x.fate == Fate::illegal;
          return std::tuple(missed      ? 2
                            : x.figures ? 0
                                        : 1,
                            x.deployment.cost_per_hour(), x.fate != Fate::chosen, -x.headroom);
        };
        if (best == nullptr || rank(e) < rank(*best)) best = &e;
      }
      if (best != nullptr) add_row(table, plan, *best);
    }
  return table.empty() ? "" : "\nBest of each kind of node, on the same GPUs or apart\n" + table.text(2);
}

/// The order of the best few, and how sure it is.
std::string ranking_text(const Search& s) {
  if (s.ranking.empty() || s.ranking.front().headrooms.size() < 2) return "";
  results::TextTable table({"", "deployment", "GPUs", "USD/h", "load", "headroom", "meets the targets", "order"});
  for (std::size_t i = 0; i < s.ranking.size(); ++i) {
    const Ranked& r = s.ranking[i];
    const Deployment& d = s.entries[r.entry].deployment;
    const auto held = std::ranges::count_if(r.headrooms, [](double h) { return h >= 0; });
    table.add({fmt::to_string(i + 1), fmt::format("{} on {}", text_of(d), node_name(*d.node)), fmt::to_string(d.gpus()),
               money(d.cost_per_hour()), load_text(s.entries[r.entry]),
               r.headrooms.size() < 2 ? fmt::format("{:.1f} %", 100 * r.headroom.mean)
               : r.fixed()            ? fmt::format("{:.1f} % with every seed", 100 * r.headroom.mean)
                           : fmt::format("{:.1f} % +- {:.1f}", 100 * r.headroom.mean, 100 * r.headroom.half_width),
               fmt::format("{} of {} seeds", held, r.headrooms.size()),
               i == 0  ? "first"
               : r.tie ? r.fixed() ? "the same as the one above" : "tie with the one above"
                       : "behind"});
  }
  return fmt::format(
             "\nThe first {}; over {} seeds, the same for all, where load does not decide; 95 % confidence "
             "intervals\n",
             s.ranking.size(), s.ranking.front().headrooms.size()) +
         table.text(2);
}

/// How many fell by what.
std::string ledger_text(const std::vector<FellBy>& fell) {
  results::TextTable table({"fell by", "pools", "deployments", "for example"});
  for (const FellBy& f : fell) table.add({f.reason, fmt::to_string(f.pools), fmt::to_string(f.deployments), f.example});
  return table.empty() ? ""
                       : "\nWhy the others fell (all of them: tables candidate and candidate_pool)\n" + table.text(2);
}

std::string table_of(const Search& s, const std::vector<Variation>& all, std::string_view title) {
  results::TextTable table({"if", "GPUs", "USD/h", "then"});
  for (const Variation& v : all)
    table.add({v.what, fmt::to_string(v.gpus), money(v.cost_per_hour), then_text(s.entries[*s.winner].deployment, v)});
  return table.empty() ? "" : fmt::format("\n{}\n", title) + table.text(2);
}
std::string variations_text(const Search& s, const std::vector<Variation>& all) {
  return table_of(s, all, "The same pools, if the plan were another") +
         table_of(s, rows_of(s.relaxations), "The cheapest deployments, if one target were looser");
}

std::string prices_text(const Search& s, const std::vector<PriceBreak>& all) {
  std::string out;
  for (const PriceBreak& p : all) out += fmt::format("  {} {}\n", node_name(*p.node), price_text(s, p));
  return out.empty() ? "" : "\nIf its GPUs had another price\n" + out;
}

std::string checks_text(const Plan& plan, const Search& s) {
  results::TextTable table({"confirmed with", "targets", "tightest"});
  for (const Check& c : s.checks) table.add({c.what, verdict_text(plan, c), c.standing});
  return table.empty() ? "" : "\nThe answer again\n" + table.text(2);
}
}  // namespace

std::string then_text(const Deployment& winner, const Variation& v) {
  std::string out = v.instances.empty() ? v.other : change_text(winner, v.instances);
  if (!out.empty()) out += ": ";
  return out + (v.met ? "" : "misses: ") + v.standing;
}

std::string answer_text(const Plan& plan, const Search& s, const std::vector<Variation>& variations) {
  const Facts facts = facts_of(plan, s, variations);
  std::string out = plan.title.empty() ? "" : plan.title + "\n\n";
  out += facts.chosen ? first_lines(plan, s, *facts.chosen) : nearest_text(plan, s);
  if (plan.load.raised > 1)
    out += fmt::format("of {:.3g} times the workload's rate, for as many tokens a day\n", plan.load.raised);
  if (facts.chosen && plan.load.tokens_per_day > 0)
    out += fmt::format("{:.3g} tokens a day are served of the {:.3g} asked for\n",
                       facts.chosen->economics.tokens_per_day(), plan.load.tokens_per_day);
  if (const std::string beyond = beyond_text(plan); !beyond.empty()) out += beyond + "\n";
  out += fmt::format("{} pools priced, {} deployments, {} simulations\n", facts.pools, facts.deployments,
                     facts.simulations);
  if (s.winner) out += front_text(plan, s);
  out += ranking_text(s) + rivals_text(plan, s) + checks_text(plan, s);
  if (s.winner) out += variations_text(s, variations) + prices_text(s, facts.chosen->prices);
  return out + ledger_text(facts.fell);
}
}  // namespace moesim::sizing
