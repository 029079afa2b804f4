#include "sizing/trial.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/results.h"
#include "results/span.h"
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
}  // namespace

Figures simulate(const Plan& plan, const Deployment& deployment, const Trial& trial) {
  const std::string text = scenario_text(plan, deployment, trial);
  if (plan.book != nullptr)
    if (const std::optional<Figures> known = plan.book->find(text, plan.seed)) return *known;
  const Config scenario = Config::from_text(text, plan.file);
  results::Results r(":memory:", {});
  results::SpanLog spans;
  results::StudyRun run{scenario, plan.seed, r, spans};
  const serving::SharedDraws shared = plan.shared != nullptr ? plan.shared->of(deployment) : serving::SharedDraws{};
  scenario.at("serving").placed([&] { return serving::run_serving(run, shared); });
  stop_if_interrupted();
  Figures out;
  for (std::size_t i = 0; i < kLatencies.size(); ++i) out.latency[i] = value_at(r, kLatencies[i]);
  out.share = value_at(r, "goodput_share");
  out.finished = value_at(r, "requests_finished");
  out.rejected = value_at(r, "requests_rejected");
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
  if (plan.book != nullptr) plan.book->add(text, plan.seed, out);
  return out;
}

std::vector<Standing> standings(const Targets& t, const Figures& f) {
  std::vector<Standing> out;
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (t.latency[i]) out.push_back({std::string(kLatencies[i]), f.latency[i], seconds(*t.latency[i])});
  if (t.share > 0) out.push_back({"share", f.share, t.share, true});
  // What was refused has no latency, and so misses all of them.
  if (f.rejected > 0) out.push_back({"requests_rejected", f.rejected, 0.5});
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
  const bool time = s.target.find('_') != std::string::npos && s.target.rfind("requests", 0) != 0;
  const std::string unit = time ? "s" : s.target == "budget" ? "USD/h" : s.target == "power" ? "W" : "";
  return fmt::format("{} {} of {}", s.target, results::pretty(s.value, unit), results::pretty(s.limit, unit));
}

Trial trial_for(const Plan& plan, double end_to_end, double stretch) {
  const SearchSection& search = plan.section.search;
  const double least = std::max(10.0, seconds(search.least));
  const double few = plan.load.rate > 0 ? kJudged / plan.load.rate : 0;
  // A conversation's later turns come as its first ones are answered: the load is there once it has run through.
  const double end = end_to_end * plan.load.turns + plan.load.pauses;
  const double most = std::max({least, seconds(search.longest()), search.most ? 0 : few * stretch});
  const double whole = std::clamp(std::max(2.5 * end + 10, few) * stretch, least, most);
  Trial out;
  out.duration = from_seconds(whole);
  out.warmup = from_seconds(std::min(whole / 2, 1.25 * end + 1));
  return out;
}
}  // namespace moesim::sizing
