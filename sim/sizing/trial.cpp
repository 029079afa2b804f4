#include "sizing/trial.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/results.h"
#include "results/span.h"
#include "results/sql.h"
#include "results/summary.h"
#include "serving/run_serving.h"
#include "serving/step/step_model.h"
#include "sizing/shared_trials.h"
#include "sizing/trial_book.h"

namespace moesim::sizing {
namespace {
double value_at(const results::Results& r, std::string_view name, std::string_view scope = "run") {
  return r.has_metric(name, scope) ? r.metric_value(name, scope) : 0;
}
/// What takes the largest part of a pool's time: a part of its steps, or having none.
std::string limiter_of(const results::Results& r, std::string_view pool) {
  std::string_view most = "idle";
  const std::string scope = fmt::format("pool:{}", pool);
  double share = value_at(r, "limit_idle", scope);
  for (const auto& [name, part] : enum_names(serving::StepPart{}))
    if (const double v = value_at(r, fmt::format("limit_{}", name), scope); v > share) most = name, share = v;
  return fmt::format("{}: {} {:.0f} %", pool, most, 100 * share);
}
/// Requests that come by chance at one rate pile up only where they are not served as fast; others may come faster at
/// the end, and wait while a node is lost.
bool may_pile_up(const Plan& plan, const Trial& trial) { return has_gaps(plan) && trial.faults.empty(); }

std::string warnings_of(results::Results& r) {
  std::string out;
  results::Statement rows = r.database().prepare("SELECT scope, name, text FROM warning ORDER BY rowid");
  while (rows.step())
    out += fmt::format("{}{}{}: {}", out.empty() ? "" : "\n", rows.text(0) == "run" ? "" : rows.text(0) + ", ",
                       rows.text(1), rows.text(2));
  return out;
}

/// Requests that this deployment rejects and another might take.  What is longer than the model's context is rejected
/// by all, and what is longer than all that the plan's load was looked at for is too rare to tell candidates apart: how
/// much of it comes hangs on the window and on how many instances stand for others.
double rejected_of_load(results::Results& r, const Plan& plan, const Trial& trial) {
  const double context = plan.model.max_positions > 0 ? double(plan.model.max_positions) : 1e300;
  results::Statement rows = r.database().prepare(
      "SELECT count(*) FROM request WHERE state = 'rejected' AND input_tokens <= ? AND input_tokens + output_tokens <= "
      "?");
  rows.bind(0, double(plan.load.longest_input) * trial.length)
      .bind(1, std::min(context, double(plan.load.longest) * trial.length));
  rows.step();
  return double(rows.integer(0));
}

// assumed: by more than this requests under way grow by chance in one window of forty.
constexpr double kDoubt = 2;

/// The share of the places of the pool of answers that the load takes, each for as long as a request's tokens take
/// (Little).  Above 1 a queue for them grows, however slowly.  0: nothing is known.
double places_taken(const Plan& plan, const Deployment& d, const Trial& trial, const Figures& f) {
  const PoolDesign& pool = d.pools.back();
  if (plan.load.turns > 1 || pool.role == serving::Role::prefill) return 0;
  const double places = double(d.instances.back()) * pool.data * pool.pipeline * pool.batch;
  const double tokens = std::max(0.0, plan.load.output * trial.length - 1);
  return plan.load.rate * trial.load * tokens * f.latency[latency_index("tpot_mean")] / places;
}

/// Where a hundredth more come than are served, latencies look fast for minutes.  It is certain where more places are
/// taken than there are.  Else two signs tell, each of which may err alone: more than the pools' closed form can serve,
/// and a growth that is hardly chance, for a service also grows while it fills.
void take_growth(const results::Results& r, double places, Figures& out) {
  const bool grows = value_at(r, "open_growth_deviations") > kDoubt;
  out.overloaded = value_at(r, "load") > 1;
  if (value_at(r, "steady") == 0 || (grows && out.overloaded)) out.piled_up = value_at(r, "open_growth");
  if (places > 1) out.piled_up = std::max(out.piled_up, 1 - 1 / places);
}

void take_economy(const results::Results& r, Figures& out) {
  out.gpus = value_at(r, "gpus");
  out.tokens_per_gpu = value_at(r, "tokens_per_gpu_second");
  out.cost_per_million = value_at(r, "cost_per_million_tokens");
  out.cost_per_million_input = value_at(r, "cost_per_million_input_tokens");
  out.cost_per_million_output = value_at(r, "cost_per_million_output_tokens");
}
}  // namespace

Figures simulate(const Plan& plan, const Deployment& deployment, const Trial& trial) {
  const std::string text = scenario_text(plan, deployment, trial);
  if (plan.book != nullptr)
    if (const std::optional<Figures> known = plan.book->find(text, plan.seed)) return *known;
  const Config scenario = Config::from_text(text, plan.file);
  results::Results r({results::Table::request, results::Table::warning});
  results::SpanLog spans;
  results::StudyRun run{scenario, plan.seed, r, spans};
  const serving::SharedDraws shared = plan.shared != nullptr ? plan.shared->of(deployment) : serving::SharedDraws{};
  Figures out;
  try {
    scenario.at("serving").placed([&] { return serving::run_serving(run, shared); });
  } catch (const serving::NothingCounts&) {
    // Clients whose first requests all end after the warm-up send none that would count: they are served too slowly for
    // the window that the plan allows, which is a verdict on the deployment and no fault of the plan.
    if (plan.load.clients == 0) throw;
    out.utilisation.assign(deployment.pools.size(), 1);
    if (plan.book != nullptr) plan.book->add(text, plan.seed, out);
    return out;
  }
  stop_if_interrupted();
  for (std::size_t i = 0; i < kLatencies.size(); ++i) out.latency[i] = value_at(r, kLatencies[i]);
  out.share = value_at(r, "goodput_share");
  out.finished = value_at(r, "requests_finished");
  out.measured = value_at(r, "requests_measured");
  out.rejected = value_at(r, "requests_rejected") > 0 ? rejected_of_load(r, plan, trial) : 0;
  for (const PoolDesign& design : deployment.pools) {
    const std::string scope = fmt::format("pool:{}", name_of(design.role));
    out.utilisation.push_back(value_at(r, "utilisation", scope));
    out.limiter += (out.limiter.empty() ? "" : ", ") + limiter_of(r, name_of(design.role));
    const auto worst = [&](double& most, std::string_view name) { most = std::max(most, value_at(r, name, scope)); };
    worst(out.kernels.median, "kernel_error_median");
    worst(out.kernels.p90, "kernel_error_p90");
    worst(out.kernels.borrowed_median, "kernel_error_borrowed_median");
    worst(out.kernels.borrowed_p90, "kernel_error_borrowed_p90");
  }
  if (may_pile_up(plan, trial)) take_growth(r, places_taken(plan, deployment, trial, out), out);
  take_economy(r, out);
  out.warnings = warnings_of(r);
  if (plan.book != nullptr) plan.book->add(text, plan.seed, out);
  return out;
}

std::vector<Standing> standings(const Targets& t, const Figures& f) {
  std::vector<Standing> out;
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i]) out.push_back({std::string(kLatencies[i]), f.latency[i], seconds(*t.latency[i])});
  if (t.share > 0) out.push_back({"share", f.share, t.share, true});
  // Of clients: what others ask for is part of the load.
  if (t.tokens_per_day > 0)
    out.push_back({"tokens_per_day", f.tokens_per_gpu * f.gpus * 86400, t.tokens_per_day, true});
  // What was refused, and need not be, has no latency, and so misses all of them.
  if (f.rejected > 0) out.push_back({"requests_rejected", f.rejected, 0.5});
  // What piles up is not served, however fast the others were.
  if (f.piled_up > 0) out.push_back({"served", 1 - f.piled_up, 1, true});
  if (f.finished == 0) out.push_back({"requests_finished", 0, 1, true});
  return out;
}

std::vector<Standing> standings_of_size(const Targets& t, const Deployment& d) {
  std::vector<Standing> out;
  if (t.budget) out.push_back({"budget", d.cost_per_hour(), t.budget->v});
  if (t.power) out.push_back({"power", d.power(), t.power->v});
  if (t.gpus) out.push_back({"gpus", double(d.gpus()), double(*t.gpus)});
  if (d.nodes() > d.node->choice.most) out.push_back({"nodes", double(d.nodes()), double(d.node->choice.most)});
  return out;
}

const Standing* tightest(const std::vector<Standing>& all) {
  const auto most = std::ranges::max_element(all, {}, &Standing::used);
  return most == all.end() ? nullptr : &*most;
}
bool all_met(const std::vector<Standing>& all) { return std::ranges::all_of(all, &Standing::met); }

std::string text_of(const Standing& s) {
  const bool tokens = s.target == "tokens_per_day";
  const bool time = s.target.find('_') != std::string::npos && !s.target.starts_with("requests") && !tokens;
  if (s.at_least && s.limit == 1 && s.target == "served") return fmt::format("served {:.4g} %", 100 * s.value);
  // three digits would say that all are
  if (s.at_least && s.limit <= 1) return fmt::format("{} {:.4g} % of {:.4g} %", s.target, 100 * s.value, 100 * s.limit);
  const std::string unit = time                   ? "s"
                           : tokens               ? "tokens/day"
                           : s.target == "budget" ? "USD/h"
                           : s.target == "power"  ? "W"
                                                  : "";
  return fmt::format("{} {} of {}", s.target, results::pretty(s.value, unit), results::pretty(s.limit, unit));
}

std::pair<double, std::string> highest_percentile(const Targets& t) {
  std::pair<double, std::string> out{t.share < 1 ? t.share : 0, "share"};
  for (std::size_t i = 0; i < kLatencies.size(); ++i) {
    const double p = kLatencies[i].ends_with("_p99") ? 0.99 : kLatencies[i].ends_with("_p90") ? 0.9 : 0.5;
    if (t.latency[i] && p > out.first) out = {p, std::string(kLatencies[i])};
  }
  return out;
}

double requests_for(const Targets& t) {
  // Of n requests, a share 1 - p is beyond the percentile; it varies by its root(p / (1 - p) / n).
  constexpr double kPrecision = 0.15, kMost = 3600;
  double out = kJudged;
  const auto need = [&](double p) {
    if (p < 1) out = std::max(out, p / (1 - p) / kPrecision / kPrecision);
  };
  for (std::size_t i = 0; i < kLatencies.size(); ++i) {
    if (!t.latency[i]) continue;
    const std::string_view name = kLatencies[i].substr(kLatencies[i].find('_') + 1);
    // assumed: means of lengths that vary as much as their mean hang on as few as a p90 does
    need(name == "p50" ? 0.5 : name == "p99" ? 0.99 : 0.9);
  }
  if (t.share > 0) need(t.share);
  return std::min(out, kMost);
}

Trial trial_for(const Plan& plan, double end_to_end, double stretch, double load) {
  const SearchSection& search = plan.section.search;
  constexpr double kLongest = 1e6;  // s; times are whole picoseconds in 64 bits
  // A conversation's later turns come as its first ones are answered: the load is there once it has run through.
  const double end = end_to_end * plan.load.turns + plan.load.pauses, filled = 1.25 * end + 1;
  const double rate = load * (plan.load.clients > 0 ? plan.load.clients / std::max(end, 1e-6) : plan.load.rate);
  const double enough = filled + (rate > 0 ? requests_for(plan.section.targets) / rate : 0);
  const double least = std::max(10.0, seconds(search.least));
  const double usual = std::max({seconds(search.longest()), enough, least}) * stretch;
  const double most = std::max(least, search.most ? seconds(*search.most) : std::min(kLongest, usual));
  const double whole = std::min(std::max({2 * filled + 8, enough, least}) * stretch, most);
  Trial out;
  out.load = load;
  out.duration = from_seconds(whole);
  double warmup = std::min(whole / 2, filled * stretch);
  // A recorded load that is played faster is over sooner: the later half of it counts in any case.
  if (plan.load.span > 0) warmup = std::min(warmup, plan.load.span / load / 2);
  out.warmup = from_seconds(warmup);
  return out;
}
}  // namespace moesim::sizing
