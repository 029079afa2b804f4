// A load to plan placements from or to score them on, with what else is known of it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "placement/from_trace.h"
#include "routing/trace.h"
#include "spec/model.h"

namespace moesim::placing {

/// Counts, or (part of) a trace.
struct Workload {
  std::string name;
  placement::Loads loads;
  std::shared_ptr<routing::Trace> trace;  // none for counts
  routing::TokenRange range;              // of the trace
  std::string file;                       // as given; "" if it comes from none
  std::optional<std::int64_t> rank;       // whose counts alone these are, if the file says so
};
/// A trace database or a load file, told apart by what it holds.  window: "FIRST:END" of its tokens, either side may be
/// empty; only for traces.  Throws ConfigError.
Workload read_workload(const std::string& file, const std::string& window = "");

/// Gives workloads that share a name the names of their files; one given again, for planning and for scoring, is the
/// same workload and keeps its name.
void tell_apart(std::span<Workload> planned, std::span<Workload> scored);

/// Leaves out those of files that hold the same as one before, whose rows would be the same.  Returns a sentence for
/// each.
std::vector<std::string> drop_repeated(std::vector<Workload>& workloads);

/// Leaves of every workload the layers that all of them have: plans and figures are of those alone, so that they
/// compare.  Returns a sentence for each that lacks some.  Throws ConfigError if they have none in common.
std::vector<std::string> keep_common_layers(std::span<Workload> planned, std::span<Workload> scored);

/// Holds a workload against the model it is said to be of.  Counts of the MoE layers alone, numbered from 0, get the
/// model's numbers.  Returns sentences that say so, and what else fits badly: a trace of another name, layers without
/// load.  Throws ConfigError for another number of experts or choices, and for load in a layer that has no experts.
std::vector<std::string> fit_to_model(Workload& workload, const spec::Model& model);

/// The same load: the same counts, or tokens of one trace.
bool same_workload(const Workload& a, const Workload& b);
/// Tokens that both are made of; all of them for equal counts.  0 where nobody can know.
std::int64_t shared_tokens(const Workload& a, const Workload& b);

/// What is odd about its counts, a sentence each: experts that nothing chose, a dump of a single rank.
std::vector<std::string> oddities(const Workload& workload);

/// One load of several: each weighs the same, whatever its size.  Throws ConfigError, naming the layers, if one has
/// load in layers where another has none.
placement::Loads mean_loads(std::span<const Workload> workloads);
/// What `loads` has at these layers, its own order and no others.  Throws ConfigError, naming the layers, if some are
/// not there; who, other: whose they are, and who has them.
placement::Loads at_layers(const placement::Loads& loads, std::span<const int> layers, const std::string& who,
                           const std::string& other);
}  // namespace moesim::placing
