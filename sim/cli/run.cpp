// moesim run: one scenario from routing to results.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <charconv>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "core/utf8.h"
#include "runs/run.h"

namespace moesim::cli {
namespace {
void check_scenario(const std::string& name) {
  if (name.empty()) throw ConfigError::placed("scenario is required (see moesim run --help)");
  if (name.ends_with(".db"))
    throw ConfigError::placed(
        fmt::format("{}: is no scenario but results; moesim report {} shows them", one_line(name), one_line(name)));
}
}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  struct Given {
    runs::RunOptions run;
    std::vector<std::string> sets;
    std::string window;
    std::vector<std::string> gpus;
    std::uint64_t seed = 0;
    LimitOptions limits;
    bool strict_kernels = false;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("run", "simulate a scenario, print the summary, write the results database");
  verb->add_option("scenario", given->run.scenario, "a YAML file, or a name from `moesim list scenarios`");
  add_output(*verb, "-o,--output", given->run.output, "results database to create (default: SCENARIO.db here)");
  verb->add_option("--set", given->sets, "change one value: key.path=value (repeat for more)")->allow_extra_args(false);
  CLI::Option* seed =
      verb->add_option("--seed", given->seed, "seed of all random streams (default: the scenario's, else 1)")
          ->check(any_seed());
  add_output(*verb, "--timeline", given->run.timeline, "also create a timeline as Perfetto JSON");
  verb->add_option("--timeline-window", given->window, "only this part of the simulated time, for example 0ms:5ms");
  add_list(*verb, "--timeline-gpus", given->gpus, "only these GPUs, for example 0-7,16");
  add_limits(*verb, given->limits);
  verb->add_flag("--strict-kernels", given->strict_kernels,
                 "refuse kernels that nothing measured on the GPU's generation backs, instead of borrowing");
  verb->add_flag("--json", given->run.json, "print one JSON object instead of tables");
  verb->callback([given, seed, &exit_code] {
    runs::RunOptions options = given->run;
    if (options.scenario.empty()) options.scenario = take_stray(given->gpus, begins_as_number);
    check_scenario(options.scenario);
    options.overrides = parse_overrides(given->sets);
    if (given->strict_kernels) options.overrides.push_back({"kernels.strict", "true"});
    if (seed->count() > 0) options.seed = given->seed;
    if (!given->window.empty()) std::tie(options.spans.from, options.spans.to) = parse_window(given->window);
    if (!given->gpus.empty()) options.spans.gpus = parse_ranges(given->gpus, "--timeline-gpus");
    options.limits = limits_of(given->limits);
    exit_code = run(options);
  });
}
}  // namespace moesim::cli
