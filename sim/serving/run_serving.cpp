#include "serving/run_serving.h"

#include "core/log.h"
#include "serving/deployment/deployment.h"
#include "serving/report/report.h"
#include "serving/report/timeline.h"

namespace moesim::serving {

results::StudyEnd run_serving(results::StudyRun& run) {
  Engine engine;
  const std::unique_ptr<Deployment> deployment = build_deployment(run, engine);
  Deployment& d = *deployment;
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
  report_service(run.results, d, service);
  if (d.use) d.use->report(run.results, service);
  end.fingerprint = engine.fingerprint();
  end.events = engine.executed();
  end.simulated_time = service.end().at;
  for (const auto& [reason, count] : service.outcome().reasons)
    say(fmt::format("{} request{} rejected: {} (see the request table)", count, count == 1 ? "" : "s", reason));
  return end;
}

std::string serving_help() {
  return help_of<ServingSection>() + "  each of pools:\n" + help_of<PoolSection>() + "  each of faults:\n" +
         help_of<Fault>();
}
}  // namespace moesim::serving
