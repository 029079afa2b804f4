// moesim merge: the shards of one sweep in one database.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "runs/sweep.h"

namespace moesim::cli {

void add_merge(CLI::App& app, int&) {
  auto output = std::make_shared<std::string>();
  auto shards = std::make_shared<std::vector<std::string>>();
  CLI::App* verb = app.add_subcommand("merge", "put the shards of one sweep into one database");
  verb->add_option("output", *output, "results database to create")->required();
  verb->add_option("shards", *shards, "databases written by moesim sweep --shard")->required();
  verb->callback([output, shards] { runs::merge_sweeps(*output, *shards); });
}
}  // namespace moesim::cli
