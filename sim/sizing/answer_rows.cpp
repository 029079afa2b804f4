#include <fmt/format.h>

#include <algorithm>

#include "formats/json.h"
#include "sizing/answer.h"
#include "sizing/facts.h"
#include "sizing/nearest.h"
#include "sizing/relaxations.h"

namespace moesim::sizing {
namespace {
using Value = results::Results::Value;

formats::Json design_json(const PoolDesign& d) {
  return {{"role", name_of(d.role)},
          {"tensor", d.tensor},
          {"data", d.data},
          {"pipeline", d.pipeline},
          {"variant", d.variant.label},
          {"experts_tensor", d.experts_tensor},
          {"slots", d.slots},
          {"max_requests", d.batch},
          {"max_tokens", d.tokens},
          {"overlap", name_of(d.overlap)}};
}

formats::Json entry_json(const Plan& plan, const Entry& e) {
  const Economics x = economics_of(plan, e);
  formats::Json pools = formats::Json::array();
  for (std::size_t p = 0; p < e.deployment.pools.size(); ++p) {
    const PoolDesign& d = e.deployment.pools[p];
    formats::Json pool = design_json(d);
    pool["instances"] = e.deployment.instances[p];
    pools.push_back(std::move(pool));
  }
  formats::Json out = {{"node", node_name(*e.deployment.node)},
                       {"engine", e.deployment.engine},
                       {"deployment", text_of(e.deployment)},
                       {"pools", pools},
                       {"gpus", x.gpus},
                       {"nodes", x.nodes},
                       {"cost_per_hour", x.cost_per_hour},
                       {"cost_per_million_tokens", x.cost_per_million},
                       {"tokens_per_gpu_second", x.tokens_per_gpu},
                       {"tokens_per_user_second", x.tokens_per_user},
                       {"fate", name_of(e.fate)},
                       {"reason", e.reason},
                       {"estimated_cost_per_hour", e.estimate}};
  if (e.figures) {
    const KernelErrors& k = e.figures->kernels;
    out["headroom"] = e.headroom;
    out["simulated"] = seconds(e.trial.duration), out["measured_after"] = seconds(e.trial.warmup);
    out["requests_measured"] = e.figures->measured;
    out["share"] = e.figures->share;
    if (!e.figures->warnings.empty()) out["warnings"] = e.figures->warnings;
    if (e.carried) out["carries"] = e.carried->load;
    if (e.carries_least > 0) out["carries_at_least"] = e.carries_least;
    if (e.carries_less > 0) out["carries_less_than"] = e.carries_less;
    out["limiter"] = e.figures->limiter;
    out["kernel_error"] = {
        {"median", k.median}, {"p90", k.p90}, {"borrowed_median", k.borrowed_median}, {"borrowed_p90", k.borrowed_p90}};
    for (std::size_t i = 0; i < kLatencies.size(); ++i) out[std::string(kLatencies[i])] = e.figures->latency[i];
  }
  return out;
}

void store_entry(results::Results& results, const Plan& plan, std::int64_t number, const Entry& e) {
  const Economics x = economics_of(plan, e);
  const auto figure = [&](std::size_t i) {
    return e.figures ? Value(e.figures->latency[i]) : results::Results::null();
  };
  const auto kernels = [&](double KernelErrors::*error) {
    return e.figures ? Value(e.figures->kernels.*error) : results::Results::null();
  };
  results.add(results::Table::candidate, {number,
                                          node_name(*e.deployment.node),
                                          e.deployment.engine,
                                          text_of(e.deployment),
                                          x.gpus,
                                          x.nodes,
                                          x.cost_per_hour,
                                          x.cost_per_million,
                                          x.tokens_per_gpu,
                                          x.tokens_per_user,
                                          std::string(name_of(e.fate)),
                                          e.reason,
                                          e.estimate,
                                          e.bound,
                                          e.ttft,
                                          e.tpot,
                                          figure(1),
                                          figure(2),
                                          figure(3),
                                          figure(5),
                                          figure(6),
                                          figure(7),
                                          e.figures ? Value(e.figures->share) : results::Results::null(),
                                          e.headroom,
                                          e.trials,
                                          e.figures ? Value(e.figures->limiter) : results::Results::null(),
                                          kernels(&KernelErrors::median),
                                          kernels(&KernelErrors::p90),
                                          kernels(&KernelErrors::borrowed_median),
                                          kernels(&KernelErrors::borrowed_p90)});
}

void store_proposal(results::Results& results, std::int64_t number, const Proposal& p) {
  const PoolDesign& d = p.design;
  results.add(results::Table::candidate_pool, {number,
                                               node_name(*p.node),
                                               p.engine,
                                               std::string(name_of(d.role)),
                                               d.tensor,
                                               d.data,
                                               d.pipeline,
                                               d.variant.label,
                                               int(d.experts_tensor),
                                               d.slots,
                                               d.batch,
                                               d.tokens,
                                               std::string(name_of(d.overlap)),
                                               d.gpus(),
                                               p.steady.rate,
                                               p.steady.step,
                                               p.steady.ttft,
                                               p.steady.tpot,
                                               p.usable() ? Value(p.request_cost()) : results::Results::null(),
                                               p.usable() ? p.dropped : p.steady.refused});
}

formats::Json carried_json(const Carried& c) {
  formats::Json out = {{"load", c.load}, {"or_more", c.or_more}};
  if (!c.missed.empty()) out["missed_at"] = c.missed_at, out["missed"] = c.missed;
  return out;
}

formats::Json chosen_json(const Chosen& c) {
  formats::Json out = {{"cost_per_million_input_tokens", c.economics.cost_per_million_input},
                       {"cost_per_million_output_tokens", c.economics.cost_per_million_output},
                       {"gpus_that_serve", c.economics.used_gpus},
                       {"tightest", text_of(c.tightest)},
                       {"tightest_used", c.tightest.used()},
                       {"not_held", c.not_held},
                       {"required_missed", c.required_missed},
                       {"fell_by_required", c.unheld},
                       {"limits", c.limits},
                       {"warnings", c.warnings},
                       {"relaxation", c.relaxation},
                       {"launch", c.launch}};
  if (c.worst_used) out["tightest_used_with_worst_seed"] = *c.worst_used;
  if (c.carried) out["carries"] = carried_json(*c.carried);
  return out;
}

formats::Json variation_json(const Deployment& winner, const Variation& v) {
  formats::Json instances = formats::Json::object();
  for (std::size_t p = 0; p < v.instances.size(); ++p)
    instances[std::string(name_of(winner.pools[p].role))] = v.instances[p];
  formats::Json out = {{"what", v.what},         {"met", v.met},
                       {"gpus", v.gpus},         {"cost_per_hour", v.cost_per_hour},
                       {"instances", instances}, {"standing", v.standing}};
  if (v.carried) out["carries"] = carried_json(*v.carried);
  if (!v.other.empty()) out["deployment"] = v.other;
  return out;
}

formats::Json prices_json(const Search& s, const std::vector<PriceBreak>& all) {
  formats::Json out = formats::Json::array();
  for (const PriceBreak& p : all)
    out.push_back({{"node", node_name(*p.node)},
                   {"gpu_hour", p.node->gpu_hour},
                   {"stays_up_to", p.entry == *s.winner ? formats::Json(p.at) : formats::Json()},
                   {"wins_below", p.entry == *s.winner ? formats::Json() : formats::Json(p.at)},
                   {"candidate", p.entry}});
  return out;
}

formats::Json pool_json(const Proposal& p) {
  const PoolDesign& d = p.design;
  formats::Json out = {{"node", node_name(*p.node)}, {"engine", p.engine}, {"pool", text_of(d, 1)}};
  out.update(design_json(d));
  out["gpus"] = d.gpus();
  if (p.usable()) {
    out["rate"] = p.steady.rate, out["step"] = p.steady.step;
    out["ttft"] = p.steady.ttft, out["tpot"] = p.steady.tpot;
    out["request_cost"] = p.request_cost();
  }
  if (const std::string& why = p.usable() ? p.dropped : p.steady.refused; !why.empty()) out["fell"] = why;
  return out;
}
}  // namespace

std::string answer_json(const Plan& plan, const Search& s, const std::vector<Variation>& variations) {
  const Facts facts = facts_of(plan, s, variations);
  formats::Json out = {{"title", plan.title}, {"seed", plan.seed}, {"met", s.winner.has_value()}};
  if (facts.chosen) {
    out["answer"] = entry_json(plan, s.entries[*s.winner]);
    out["answer"].update(chosen_json(*facts.chosen));
    out["seeds_missed"] = seeds_missed(s);
    out["prices"] = prices_json(s, facts.chosen->prices);
  } else {
    out["nearest"] = nearest_text(plan, s);
  }
  if (!s.why.empty()) out["why"] = s.why;
  if (s.tied > 1) out["cost_the_same"] = {{"deployments", s.tied}, {"tried_with_more_load", s.raced}};
  if (plan.load.beyond > 0) out["share_beyond_context"] = plan.load.beyond;
  out["candidates"] = formats::Json::array();
  for (const Entry& e : s.entries) out["candidates"].push_back(entry_json(plan, e));
  out["pools"] = formats::Json::array();
  for (const Proposal& p : s.proposals) out["pools"].push_back(pool_json(p));
  out["fell"] = formats::Json::array();
  for (const FellBy& f : facts.fell)
    out["fell"].push_back(
        {{"by", f.reason}, {"pools", f.pools}, {"deployments", f.deployments}, {"example", f.example}});
  out["ranking"] = formats::Json::array();
  for (const Ranked& r : s.ranking)
    out["ranking"].push_back({{"candidate", r.entry},
                              {"headrooms", r.headrooms},
                              {"headroom", r.headroom.mean},
                              {"half_width", r.headroom.half_width},
                              {"tightest", r.tightest},
                              {"tie", r.tie}});
  out["checks"] = formats::Json::array();
  for (const Check& c : s.checks)
    out["checks"].push_back({{"kind", name_of(c.kind)}, {"what", c.what}, {"met", c.met}, {"tightest", c.standing}});
  out["variations"] = formats::Json::array();
  for (const Variation& v : variations) out["variations"].push_back(variation_json(s.entries[*s.winner].deployment, v));
  out["relaxations"] = formats::Json::array();
  for (const Variation& v : rows_of(s.relaxations))
    out["relaxations"].push_back(variation_json(s.entries[*s.winner].deployment, v));
  out["pools_priced"] = facts.pools;
  out["simulations"] = facts.simulations;
  return formats::json_text(out, 2) + "\n";
}

void store(results::Results& results, const Plan& plan, const Search& s, const std::vector<Variation>& variations) {
  for (std::size_t i = 0; i < s.entries.size(); ++i) store_entry(results, plan, std::int64_t(i), s.entries[i]);
  for (std::size_t i = 0; i < s.proposals.size(); ++i) store_proposal(results, std::int64_t(i), s.proposals[i]);
  for (const Ranked& r : s.ranking)
    results.add(results::Table::variation,
                {"rank", text_of(s.entries[r.entry].deployment),
                 int(std::ranges::all_of(r.headrooms, [](double h) { return h >= 0; })), results::Results::null(),
                 results::Results::null(),
                 fmt::format("headroom {:.1f} % +- {:.1f}{}", 100 * r.headroom.mean, 100 * r.headroom.half_width,
                             r.tie ? ", tie with the one above" : "") +
                     (s.entries[r.entry].carried
                          ? fmt::format("; carries {:.0f} % of the load", 100 * s.entries[r.entry].carried->load)
                          : "")});
  if (!s.why.empty())
    results.add(results::Table::variation, {"choice", text_of(s.entries[*s.winner].deployment), 1,
                                            results::Results::null(), results::Results::null(), s.why});
  for (const Check& c : s.checks)
    results.add(results::Table::variation,
                {"check", c.what, int(c.met), results::Results::null(), results::Results::null(),
                 c.standing + (verdict_text(plan, c).ends_with("required") ? "; required" : "")});
  std::vector<Variation> all = variations;
  std::ranges::move(rows_of(s.relaxations), std::back_inserter(all));
  for (const Variation& v : all)
    results.add(results::Table::variation, {"variation", v.what, int(v.met), v.gpus, v.cost_per_hour,
                                            then_text(s.entries[*s.winner].deployment, v)});
  if (!s.relaxations.none.empty())
    results.add(results::Table::variation, {"relaxation", "one target looser", 0, results::Results::null(),
                                            results::Results::null(), s.relaxations.none});
  for (const PriceBreak& p : price_breaks(plan, s))
    results.add(results::Table::variation,
                {"price", node_name(*p.node), int(p.entry == *s.winner), s.entries[p.entry].deployment.gpus(),
                 results::Results::null(), price_text(s, p)});
}
}  // namespace moesim::sizing
