// The two results databases that a verb holds against each other.
#pragma once
#include <CLI/CLI.hpp>

#include <memory>
#include <string>

#include "results/diff.h"

namespace moesim::cli {

struct TwoRuns {
  std::string a, b;
  /// Throws ConfigError if one of the files is no results database.
  results::RunDifference difference() const {
    return results::difference(results::Database::open(a), results::Database::open(b));
  }
};

/// Adds both as the verb's arguments.
inline std::shared_ptr<TwoRuns> add_two_runs(CLI::App* verb) {
  auto runs = std::make_shared<TwoRuns>();
  verb->add_option("a", runs->a, "results database")->required();
  verb->add_option("b", runs->b, "results database to hold against it")->required();
  return runs;
}
}  // namespace moesim::cli
