#include "serving/run_serving.h"

#include "core/log.h"
#include "serving/deployment/deployment.h"
#include "serving/report/assumed.h"
#include "serving/report/capacity.h"
#include "serving/report/report.h"
#include "serving/report/timeline.h"

namespace moesim::serving {
namespace {
/// A run that served nobody is no result.
void check_served(const Config& config, const Service& service) {
  const Outcome& o = service.outcome();
  const std::int64_t all = o.arrived + o.outside_arrived;
  if (all == 0) config.fail_below("workload", "no request arrives");
  if (o.finished + o.outside_finished + service.end().running + service.end().waiting == 0) {
    std::string reasons;
    for (const auto& [reason, count] : o.reasons)
      reasons += fmt::format("{}{}: each {}", reasons.empty() ? "" : ", ", count, reason);
    config.fail_below("workload", fmt::format("nobody is served: all {} requests are rejected ({})", all, reasons));
  }
  if (o.measured == 0 && o.outside_arrived == 0) try {
      config.fail_below("warmup", fmt::format("the last of {} requests arrives before it ends: none would count", all));
    } catch (const ConfigError& e) {
      throw NothingCounts(e);
    }
}
}  // namespace

namespace {
/// rejected: takes a line of every reason that requests were rejected for.
results::StudyEnd serve(results::StudyRun& run, const SharedDraws& shared, std::vector<std::string>& rejected) {
  Engine engine;
  const std::unique_ptr<Deployment> deployment = build_deployment(run, engine, shared);
  Deployment& d = *deployment;
  write_assumed(run, d);
  ReportLog rows(run.results, d);
  TimelineLog log(rows, run.spans, d);
  const Config config = run.scenario.at("serving");
  Service service(engine, *d.workload, d.shape, balancers().make_or(config, "balancer", "least_loaded"),
                  balancers().make_or(config, "decode_balancer", "kv_aware"), d.use.get(), log, run.seed);
  results::StudyEnd end;
  end.interrupted = !service.run();
  log.close();
  if (log.full_since() < service.end().at)
    say(fmt::format("the timeline holds the first {:.4g} s; ask for a part of the run with --timeline-window",
                    seconds(log.full_since())));
  if (!end.interrupted) check_served(config, service);
  report_service(run.results, d, service);
  if (d.use) d.use->report(run.results, service);
  report_load(run.results, service);  // the last: it has steps priced that nobody took
  end.fingerprint = engine.fingerprint();
  end.events = engine.executed();
  end.simulated_time = service.end().at;
  for (const auto& [reason, count] : service.outcome().reasons)
    rejected.push_back(
        fmt::format("{} request{} rejected: {} (see the request table)", count, count == 1 ? "" : "s", reason));
  return end;
}
}  // namespace

results::StudyEnd run_serving(results::StudyRun& run) {
  std::vector<std::string> rejected;
  const results::StudyEnd end = serve(run, {}, rejected);
  for (const std::string& line : rejected) say(line);
  return end;
}

results::StudyEnd run_serving(results::StudyRun& run, const SharedDraws& shared) {
  std::vector<std::string> rejected;  // one of many simulations, which are told together
  return serve(run, shared, rejected);
}

void check_serving(const Config& scenario) {
  if (scenario.has("routing") && scenario.at("routing").is_map() && scenario.at("routing").has("record")) return;
  results::Results notes(std::initializer_list<results::Table>{});
  results::SpanLog spans;
  results::StudyRun run{scenario, 1, notes, spans};
  Engine engine;
  (void)build_deployment(run, engine);
  for (const auto& [key, usual] : {std::pair("balancer", "least_loaded"), {"decode_balancer", "kv_aware"}})
    (void)balancers().make_or(scenario.at("serving"), key, usual);
}

std::vector<KeyHelp> serving_keys() { return keys_of<ServingSection>(); }
}  // namespace moesim::serving
