// moesim diff: where two results databases begin to differ.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/two_runs.h"
#include "core/terminal.h"
#include "results/diff.h"

namespace moesim::cli {

void add_diff(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand(
      "diff", "what differs between two runs: settings, metrics, first differing rows; exit 1 if anything does");
  const auto runs = add_two_runs(verb);
  verb->callback([runs, &exit_code] {
    const results::RunDifference d = runs->difference();
    print_folded(results::difference_text(d, runs->a, runs->b));
    exit_code = d.equal() ? 0 : 1;
  });
}
}  // namespace moesim::cli
