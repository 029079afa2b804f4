// What every figure of a results database means, defined once: the writer checks against it, and `moesim list metrics`
// and reports/metrics.md are made from it.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"

namespace moesim::results {

/// Which way a figure is better; neither for what only describes the run.
enum class Better { more, less, neither };
constexpr auto enum_names(Better) {
  return std::to_array<std::pair<std::string_view, Better>>(
      {{"more", Better::more}, {"less", Better::less}, {"neither", Better::neither}});
}

/// A metric, or a family of metrics whose names differ in one part.
struct MetricDefinition {
  std::string_view name;      // a `*` stands for each of `variants`
  std::string_view variants;  // separated by spaces; empty where the name has no `*`
  std::string_view unit;      // one of units()
  Better better;
  std::string_view
      scopes;  // separated by spaces: run, or what stands before the `:`; `/` and what is told apart within
               // it (pool/layer is "pool:decode,layer:3"); pool/time is a series in the table `series`
  std::string_view meaning;    // one sentence: what is counted, over which GPUs and time
  std::string_view studies{};  // separated by spaces: that write it for a whole run; "": those of its section
};
struct MetricSection {
  std::string_view title;
  std::string_view studies;  // by the section of their scenarios
  std::span<const MetricDefinition> metrics;
};

/// A unit as stored, and whether it is printed with k, M, G, m, u, ... before it.
struct UnitDefinition {
  std::string_view name;
  bool scales;
};

std::span<const UnitDefinition> units();
/// Nothing if there is no such unit.
const UnitDefinition* find_unit(std::string_view name);

/// The whole table, by subject.
std::span<const MetricSection> metric_sections();
/// The definition of a full name; nothing if there is none.
const MetricDefinition* find_metric(std::string_view name);
/// Whether `scope` ("pool:decode,layer:3") is one that the metric is written for.  Only the part before the first `:`
/// is looked at: what follows holds names that users choose.
bool is_written_for(const MetricDefinition& metric, std::string_view scope, bool series);
/// The studies, separated by spaces, that write it for a whole run; "" if it is never written for one.
std::string_view studies_of(const MetricDefinition& metric);
bool is_written_by(const MetricDefinition& metric, std::string_view study);
/// Throws std::logic_error, naming it, unless the table says that this study writes the metric for a whole run.
void check_written_by(std::string_view name, std::string_view study);
/// Full names of all metrics of whole runs; of one study's, if it is named.
std::vector<std::string> run_metrics(std::string_view study = "");
/// The names a definition stands for: its own, or one a variant.
std::vector<std::string> full_names(const MetricDefinition& metric);

/// Throws std::logic_error, naming metric and unit, if the table has no such metric, or has it in another unit or for
/// other scopes.  series: a value over time; metric and series may share a name.
void check_metric(std::string_view name, std::string_view unit, std::string_view scope, bool series);

/// The documentation in Markdown, as kept in reports/metrics.md.
std::string metrics_markdown();

// The sections, each in a file of its own.
std::span<const MetricDefinition> step_metrics();
std::span<const MetricDefinition> routing_metrics();
std::span<const MetricDefinition> kernel_metrics();
std::span<const MetricDefinition> placement_metrics();
std::span<const MetricDefinition> training_metrics();
std::span<const MetricDefinition> training_run_metrics();
std::span<const MetricDefinition> serving_metrics();
std::span<const MetricDefinition> pool_metrics();
std::span<const MetricDefinition> rebalancing_metrics();
}  // namespace moesim::results
