// moesim diff and compare: two results databases side by side.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "results/diff.h"

namespace moesim::cli {
namespace {
struct Files {
  std::string a, b;
};
std::shared_ptr<Files> add_files(CLI::App* verb) {
  auto files = std::make_shared<Files>();
  verb->add_option("a", files->a, "results database")->required();
  verb->add_option("b", files->b, "results database to hold against it")->required();
  return files;
}
}  // namespace

void add_diff(CLI::App& app, int& exit_code) {
  CLI::App* verb = app.add_subcommand(
      "diff", "what differs between two runs: settings, metrics, first differing rows; exit 1 if anything does");
  const auto files = add_files(verb);
  verb->callback([files, &exit_code] {
    const results::RunDifference d =
        results::difference(results::Database::open(files->a), results::Database::open(files->b));
    fmt::print("{}", results::difference_text(d, files->a, files->b));
    exit_code = d.equal() ? 0 : 1;
  });
}

void add_compare(CLI::App& app, int&) {
  CLI::App* verb = app.add_subcommand("compare", "settings and metrics of two runs side by side, largest change first");
  const auto files = add_files(verb);
  verb->callback([files] {
    results::RunDifference d =
        results::difference(results::Database::open(files->a), results::Database::open(files->b));
    d.rows.clear();
    fmt::print("{}", results::difference_text(d, files->a, files->b));
  });
}
}  // namespace moesim::cli
