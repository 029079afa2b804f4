// moesim sweep: one scenario at many points.
#include <CLI/CLI.hpp>

#include <filesystem>
#include <tuple>

#include "cli/command.h"
#include "cli/options.h"
#include "runs/sweeping/section.h"
#include "runs/sweeping/sweep.h"

namespace moesim::cli {

void add_sweep(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<runs::SweepOptions>();
  auto shard = std::make_shared<std::string>();
  auto limits = std::make_shared<LimitOptions>();
  CLI::App* verb = app.add_subcommand(
      "sweep", "run a scenario at every point of a grid, a list or a drawn sample, with one seed or several");
  verb->add_option("sweep", options->file, "a YAML file, or a name from `moesim list scenarios`")->required();
  add_output(*verb, "-o,--output", options->output,
             "results database to create (default: SWEEP.db here; a shard's must be named)");
  add_jobs(*verb, options->jobs, "points");
  verb->add_option("--shard", *shard, "I/N: of N processes, this is the I-th");
  verb->add_flag("--resume", options->resume,
                 "go on with what the output holds, if it is there: points that were stored are not run again")
      ->excludes("--force");
  verb->add_flag("--json", options->json, "print one JSON object instead of a table");
  add_limits(*verb, *limits);
  verb->callback([options, shard, limits, &exit_code] {
    if (!shard->empty()) std::tie(options->shard, options->shards) = parse_shard(*shard);
    if (options->output.empty() && options->shards > 1)
      throw ConfigError::placed("--output is required with --shard: each has a database of its own");
    if (options->output.empty()) {
      const std::filesystem::path name = std::filesystem::path(options->file).filename();
      const bool file = name.extension() == ".yaml" || name.extension() == ".yml";  // a name may have dots, too
      options->output = (file ? name.stem() : name).string() + ".db";
    }
    options->limits = limits_of(*limits);
    exit_code = runs::sweep(*options);
  });
}
}  // namespace moesim::cli
