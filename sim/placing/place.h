// moesim place: plans expert placements with several strategies, scores them on the same or other traffic, and hands
// the best back in the form a serving system loads.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/units.h"
#include "exchange/replica_choice.h"
#include "placement/files/formats.h"
#include "placement/from_trace.h"
#include "placement/placement.h"
#include "placement/scores/score.h"
#include "results/results.h"
#include "routing/trace.h"
#include "routing/traffic.h"
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::placing {

/// One strategy to try: its name in tables, and what the family makes of it.
struct StrategyChoice {
  std::string name;
  Config config;
};

/// A load with what else is known of it.
struct Workload {
  std::string name;
  placement::Loads loads;
  std::shared_ptr<routing::Trace> trace;  // none for counts
  routing::TokenRange range;              // of the trace
};
/// A trace database or a load file, told apart by what it holds.  window: "FIRST:END" of its tokens, either side may be
/// empty; only for traces.  Throws ConfigError.
Workload read_workload(const std::string& file, const std::string& window = "");

struct PlaceOptions {
  std::vector<Workload> planned;  // to plan from
  std::vector<Workload> scored;   // to score on; empty: each plan on what it was planned from
  std::vector<StrategyChoice> strategies;
  placement::PlacementProblem problem;  // slots: those of the entry tried
  std::vector<int> slots;               // to try; empty: one an expert
  placement::Sharing sharing = placement::Sharing::even;
  exchange::ReplicaSpec replica_choice;  // of exchanges
  std::optional<spec::Model> model;      // for bytes, memory and times
  std::optional<spec::Cluster> cluster;  // for times
  int top_k = 0;                         // choices a token makes, where neither trace nor model says so
  std::int64_t prefill_tokens = 4096, decode_tokens = 128;  // a GPU and step (DeepEP's measured cases)
  std::int64_t context = 4096;                              // tokens a sequence has when timed
  std::int64_t sample = placement::kSampleTokens;           // tokens that strategies look at
  std::string_view give_trace = placement::kGiveTrace;      // how the user gives a trace, for refusals without one
  std::optional<placement::ModelPlacement> from;            // in force before
  bool keep_places = false;                                 // renumber GPUs so that less moves from there
};

/// What one layer's exchange carries, per token of the batch; "busiest" over all GPUs and both directions.
struct TrafficShape {
  double nodes_per_token = 0;  // distinct nodes a token's experts are on
  double crossings = 0;        // of them, other than its own: times a token is sent between nodes
  double busiest_nic = 0;      // tokens through the busiest GPU's adapter share, over all tokens
  double busiest_nvlink = 0;   // the same for NVLink
};

/// Simulated times of one phase.
struct PhaseTime {
  Time layer{};  // dispatch, experts and combine, mean over MoE layers
  Time step{};   // the whole forward pass, nothing overlapped
};

struct PlaceRow {
  std::string strategy, planned_on, scored_on;
  int slots = 0;
  placement::PlacementScore score;
  double plan_time = 0;  // s of this program; differs from run to run
  std::optional<TrafficShape> traffic;
  Bytes nic_bytes{}, nvlink_bytes{};  // busiest link of a prefill layer, dispatch and combine; needs the model
  Bytes memory{};                     // routed experts on a GPU; needs the model
  std::optional<PhaseTime> prefill, decode;
  std::optional<int> moves;  // experts that GPUs lack, coming from the placement in force
  Bytes migration{};         // their weights; needs the model
  Time migration_time{};     // over the busiest port; needs the cluster
  std::size_t planned = 0;   // workload it was planned from
  std::size_t maps = 0;      // among PlaceResult::maps
};

struct PlaceResult {
  std::vector<PlaceRow> rows;
  std::vector<std::vector<exchange::ExpertMap>> maps;
  std::size_t best = 0;  // row with the least gap to the bound (of those scored on what they were planned from)
};

/// Weights of one routed expert in one layer, as released.
Bytes expert_weight_bytes(const spec::Model& model);
/// A token's row to one GPU and back, in the formats of the model's release where the cluster, if one is given, has
/// them.
Bytes exchange_row_bytes(const PlaceOptions& options);

/// Throws ConfigError for workloads that do not fit together, strategies that cannot do it, or a replica choice that
/// needs to know where rows come from where only counts are known.
PlaceResult place(const PlaceOptions& options);

/// The tables for people, and one JSON object for scripts.
std::string place_text(const PlaceOptions& options, const PlaceResult& result, bool by_layer);
std::string place_json(const PlaceOptions& options, const PlaceResult& result);
/// The row's placement, ready for placement_text().
placement::ModelPlacement placement_of(const PlaceOptions& options, const PlaceResult& result, std::size_t row);
/// Metrics (scope run: the best; scope `placement:STRATEGY...`: each), rows of the best placement and its loads.
void store(const PlaceOptions& options, const PlaceResult& result, results::Results& results);
}  // namespace moesim::placing
