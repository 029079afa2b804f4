// Figures that others measured on the real system: shown beside the simulated ones, never computed with.
#pragma once
#include <string>
#include <vector>

#include "core/config.h"
#include "results/results.h"

namespace moesim::runs {

struct PublishedFigure {
  std::string metric, scope = "run", source;
  double value = 0;
  static void fields(auto& f, auto& p) {
    f.required("metric", p.metric, "name in the metric table");
    f("scope", p.scope, "run, or stage:3, phase:decode, ...");
    f.required("value", p.value, "as measured, in the metric's unit");
    f.required("source", p.source, "where it was published");
  }
};

/// The scenario's `published` list.
std::vector<PublishedFigure> read_published(const Config& scenario);
/// The keys of `overrides` that make another set-up of it than the one that was measured: model, cluster, placement and
/// the study's `section`.  How it is simulated (routing, network, kernels, seed) and for how long changes none, nor
/// does a value that stands there already; whoever gives `published` too has said what it is of.
std::vector<std::string> keys_of_setup(const Config& written, const std::string& section,
                                       const std::vector<Config::Override>& overrides);
/// Writes the figures into the results.
void store_published(const std::vector<PublishedFigure>& figures, results::Results& results);
/// One line for each figure that the run has no metric for.
std::vector<std::string> unmatched(const std::vector<PublishedFigure>& figures, const results::Results& results);
}  // namespace moesim::runs
