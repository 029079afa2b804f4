#include "sizing/size.h"

#include <fmt/format.h>

#include <chrono>

#include "core/files.h"
#include "core/log.h"
#include "core/new_file.h"
#include "sizing/answer.h"
#include "sizing/launch.h"

namespace moesim::sizing {
namespace {
/// The winner as a scenario that `moesim run` repeats.
std::string winner_text(const Plan& plan, const Entry& winner) {
  return scenario_text(plan, winner.deployment, trial_for(plan, end_to_end(plan, winner)));
}
}  // namespace

int size(const SizeOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  const Plan plan = read_plan(options.plan, options.overrides, options.seed);
  check_different({{"the results", options.output}, {"the scenario", options.scenario}});
  if (!options.scenario.empty()) check_new_file(options.scenario);
  const results::RunIdentity identity{plan.title, "size", options.plan, read_file(plan.file), "", plan.seed};
  results::Results results(options.output.empty() ? ":memory:" : options.output, identity);
  const Search found = search(plan, options.jobs);
  std::vector<Variation> variations;
  if (found.winner) variations = vary(plan, found.entries[*found.winner], options.jobs);
  store(results, plan, found, variations);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  results.finish({"complete", 0, std::uint64_t(found.trials), {}, wall.count()}, plan.config.resolved());
  if (found.winner && !options.scenario.empty())
    write_file(options.scenario, winner_text(plan, found.entries[*found.winner]));
  if (options.json) {
    print_text("{}", answer_json(plan, found, variations));
  } else {
    print_text("{}", answer_text(plan, found, variations));
    if (found.winner) print_text("\nTo start it\n{}", launch_text(plan, found.entries[*found.winner].deployment));
    if (found.winner && !options.scenario.empty()) print_text("\nscenario in {}\n", options.scenario);
    if (!options.output.empty()) print_text("\nresults in {}\n", options.output);
  }
  return found.winner ? 0 : 1;
}
}  // namespace moesim::sizing
