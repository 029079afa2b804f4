// moesim merge: the shards of one sweep in one database.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/options.h"
#include "core/config_error.h"
#include "runs/sweeping/merge.h"

namespace moesim::cli {

void add_merge(CLI::App& app, int&) {
  struct Given {
    runs::MergeOptions merge;
    std::string output;
    std::vector<std::string> files;
  };
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("merge", "put the shards of one sweep into one database");
  verb->add_option("files", given->files,
                   "results database to create, unless -o names it, then the databases written by "
                   "moesim sweep --shard")
      ->required();
  add_output(*verb, "-o,--output", given->output, "results database to create");
  verb->add_flag("--partial", given->merge.partial, "points may be missing");
  verb->callback([given] {
    runs::MergeOptions options = given->merge;
    options.output = given->output.empty() ? given->files.front() : given->output;
    options.shards.assign(given->files.begin() + (given->output.empty() ? 1 : 0), given->files.end());
    if (options.shards.empty()) throw ConfigError::placed("merge: expected the databases of at least one shard");
    runs::merge_sweeps(options);
  });
}
}  // namespace moesim::cli
