// moesim compare: settings and metrics of two results databases side by side.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/two_runs.h"
#include "core/terminal.h"
#include "results/diff.h"

namespace moesim::cli {

void add_compare(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("compare", "settings and metrics of two runs side by side, largest change first");
  const auto runs = add_two_runs(verb);
  verb->callback([runs] {
    results::RunDifference d = runs->difference();
    d.rows.clear();
    print_folded(results::difference_text(d, runs->a, runs->b));
  });
}
}  // namespace moesim::cli
