// moesim merge: the shards of one sweep, or of one search for a plan's answer, in one database.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>

#include "cli/command.h"
#include "cli/options.h"
#include "core/config_error.h"
#include "results/output.h"
#include "runs/sweeping/merge.h"
#include "sizing/trial_book.h"

namespace moesim::cli {

void add_merge(CLI::App& app, int&) {
  struct Given {
    runs::MergeOptions merge;
    std::string output;
    std::vector<std::string> files;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("merge", "put the shards of one sweep or plan into one database");
  verb->add_option("files", given->files,
                   "results database to create, unless -o names it, then the databases written by "
                   "moesim sweep --shard or moesim size --shard")
      ->required();
  add_output(*verb, "-o,--output", given->output, "results database to create (default: the first file named)");
  verb->add_flag("--partial", given->merge.partial, "points of a sweep, or shards of a plan, may be missing");
  verb->callback([given] {
    runs::MergeOptions options = given->merge;
    options.output = given->output.empty() ? given->files.front() : given->output;
    options.shards.assign(given->files.begin() + (given->output.empty() ? 1 : 0), given->files.end());
    if (options.shards.empty()) throw ConfigError::placed("merge: expected the databases of at least one shard");
    results::make_way(options.output);
    const auto of_plan = [](const std::string& shard) { return sizing::search_in(shard).has_value(); };
    const auto other = std::ranges::find(options.shards, !of_plan(options.shards.front()), of_plan);
    if (other != options.shards.end()) {
      const bool first = of_plan(options.shards.front());
      throw ConfigError::placed(
          fmt::format("{} is of a plan and {} is not: shards of plans and of sweeps are merged apart",
                      first ? options.shards.front() : *other, first ? *other : options.shards.front()));
    }
    if (!of_plan(options.shards.front())) return runs::merge_sweeps(options);
    sizing::merge_trials(options.output, options.shards, options.partial);
  });
}
}  // namespace moesim::cli
