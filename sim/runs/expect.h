// Expectations of a scenario: bounds on metrics, checked after the run.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "results/results.h"

namespace moesim::runs {

struct Expectation {
  std::string metric, scope = "run";
  std::optional<double> min, max, equals;
  static void fields(auto& f, auto& p) {
    f.required("metric", p.metric, "name in the metric table");
    f("scope", p.scope, "run, or stage:3, layer:9, ...");
    f("min", p.min, "least value that is right");
    f("max", p.max, "largest value that is right");
    f("equals", p.equals, "the one value that is right, to 12 digits");
  }
};

/// Throws ConfigError at `item`, a map with the keys metric and scope, if no run could have that figure.
void check_figure(const Config& item, const std::string& metric, const std::string& scope);

/// The `expect` list.  Throws ConfigError for an expectation without a bound.
std::vector<Expectation> read_expectations(const Config& scenario);
/// Throws ConfigError at the first of them whose metric no run of the study has.  study: by the section of its
/// scenarios.
void check_expected_of(std::string_view study, const Config& scenario);
/// One line for each expectation that does not hold or whose metric is absent.
std::vector<std::string> failures(const std::vector<Expectation>& expectations, const results::Results& results);
}  // namespace moesim::runs
