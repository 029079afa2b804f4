// moesim size: the cheapest deployment that meets a plan.
#include <CLI/CLI.hpp>

#include <tuple>

#include "cli/command.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "sizing/plan.h"
#include "sizing/pretraining/job.h"
#include "sizing/size.h"

namespace moesim::cli {

void add_size(CLI::App& app, int& exit_code) {
  struct Given {
    sizing::SizeOptions size;
    std::vector<std::string> sets;
    std::uint64_t seed = 0;
    std::string shard;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb =
      app.add_subcommand("size", "find the cheapest deployment, or training layout, that meets a plan's targets");
  verb->add_option("plan", given->size.plan, "a YAML file, or a name from `moesim list scenarios`")->required();
  add_output(*verb, "-o,--output", given->size.output, "results database to create (default: none)");
  add_output(*verb, "--scenario", given->size.scenario, "also create the answer as a scenario, ready to run");
  verb->add_option("--set", given->sets, "change one value: key.path=value (repeat for more)")->allow_extra_args(false);
  CLI::Option* seed =
      verb->add_option("--seed", given->seed, "seed of all random streams (default: the plan's, else 1)")
          ->check(any_seed());
  add_jobs(*verb, given->size.jobs, "simulations");
  verb->add_option(
      "--shard", given->shard,
      "I/N: of N processes, this is the I-th; it simulates its part of the candidates, moesim merge puts the parts "
      "together, and --resume on that answers: what is asked of the best ones hangs on all of them");
  verb->add_flag("--resume", given->size.resume,
                 "go on with what the output holds, if it is there: simulations that were stored are not run again")
      ->excludes("--force");
  verb->add_flag("--json", given->size.json, "print one JSON object instead of tables");
  verb->callback([given, seed, &exit_code] {
    given->size.overrides = parse_overrides(given->sets);
    if (seed->count() > 0) given->size.seed = given->seed;
    if (!given->shard.empty()) std::tie(given->size.shard.number, given->size.shard.of) = parse_shard(given->shard);
    exit_code = sizing::size(given->size);
  });
}
}  // namespace moesim::cli
