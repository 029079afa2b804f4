// moesim place: plans expert placements with several strategies, scores them on the same or other traffic, and hands
// the best back in the form a serving system loads.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "core/units.h"
#include "exchange/replica_choice.h"
#include "placement/files/formats.h"
#include "placement/placement.h"
#include "placement/scores/score.h"
#include "placing/workload.h"
#include "results/results.h"
#include "routing/traffic.h"
#include "spec/hardware.h"

namespace moesim::placing {

/// One strategy to try: its name in tables, and what the family makes of it.
struct StrategyChoice {
  std::string name;
  Config config;
};

struct PlaceOptions {
  std::vector<Workload> planned;  // to plan from: each by itself, or all together
  std::vector<Workload> scored;   // to score every plan on; empty: all of `planned`
  bool together = false;          // one plan from all of `planned`
  double window_minutes = 0;      // `planned` are windows in order, so far apart; 0: nothing is known of that
  int windows_a_plan = 1;         // then: consecutive ones that a plan is made from
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
  std::vector<std::string> notes;                           // what to say of the workloads
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

/// What one plan is made from.
struct PlanSource {
  std::string name;
  placement::Loads loads;            // the mean of the members
  std::vector<std::size_t> members;  // among PlaceOptions::planned
};

struct PlaceRow {
  std::string strategy, planned_on, scored_on;
  int slots = 0;
  placement::PlacementScore score;
  double plan_time = 0;  // s of this program; differs from run to run
  int wasted_slots = 0;  // of all layers, that hold an expert their GPU holds already
  std::optional<TrafficShape> traffic;
  Bytes nic_bytes{}, nvlink_bytes{};  // busiest link of a prefill layer, dispatch and combine; needs the model
  Bytes memory{};                     // routed experts on a GPU; needs the model
  std::optional<PhaseTime> prefill, decode;
  std::optional<int> moves;  // experts that GPUs lack, coming from the placement in force
  Bytes migration{};         // their weights; needs the model
  Time migration_time{};     // over the busiest port; needs the cluster
  bool own = false;          // scored on what it was planned from, or on part of that
  std::size_t planned = 0;   // among PlaceResult::sources
  std::size_t maps = 0;      // among PlaceResult::maps
  std::size_t scored = 0;    // among PlaceOptions::scored, or `planned` where these are empty
};

/// A strategy that could not do it, and why.
struct NotApplied {
  std::string strategy, planned_on;
  int slots = 0;
  std::string reason;
};

/// What further slots buy: the same strategy, from the same loads, with `slots` instead of the next fewer that was
/// tried; balance as the mean over all that both are scored on.
struct SlotGain {
  std::string strategy, planned_on;
  int from = 0, slots = 0;
  double balance = 0, gained = 0;  // balancedness with `slots`, and what it is above that with `from`
  Bytes memory{};                  // what they take more on a GPU, all layers; needs the model
};

/// A strategy's plans so long after the last window that they were made from.
struct DriftPoint {
  std::string strategy;
  int slots = 0;
  double minutes = 0;
  double balance = 0, least = 1, regret = 0;  // balancedness, mean and least over plans; gap to the bound, mean
  int plans = 0;
};

struct PlaceResult {
  std::vector<PlaceRow> rows;
  std::vector<std::vector<exchange::ExpertMap>> maps;
  std::vector<PlanSource> sources;
  std::vector<NotApplied> not_applied;
  std::vector<std::string> notes;                        // what a reader must know to read the figures
  std::optional<compute::KernelCosts::Summary> kernels;  // where times of layers and steps come from
  std::size_t best = 0;  // of the plan that is the most even, mean over what it is scored on: its row on what it was
                         // planned from, else its first
};

/// Weights of one routed expert in one layer, as released.
Bytes expert_weight_bytes(const spec::Model& model);
/// A token's row to one GPU and back, in the formats of the model's release where the cluster, if one is given, has
/// them.
Bytes exchange_row_bytes(const PlaceOptions& options);
/// How many experts a token chooses, and among which; top_k 0: not known.
routing::GateShape gate_of(const PlaceOptions& options, const Workload& workload);

/// Throws ConfigError for workloads that do not fit together, for a replica choice that needs to know where rows come
/// from where only counts are known, and if no strategy can do it.  One that cannot where another can is in
/// `not_applied`.
PlaceResult place(const PlaceOptions& options);
/// Of every strategy and source that was tried with several numbers of slots.
std::vector<SlotGain> slot_gains(const PlaceResult& result);

/// Of windows in order: every strategy and number of slots, by age; those of one strategy together, as they come.
std::vector<DriftPoint> drift_curves(const PlaceOptions& options, const PlaceResult& result);

/// The tables for people, and one JSON object for scripts.
std::string place_text(const PlaceOptions& options, const PlaceResult& result, bool by_layer);
std::string place_json(const PlaceOptions& options, const PlaceResult& result);
/// Plans by what they were made from, in rows, and what they were scored on, in columns; "" if there is one of either.
std::string cross_tables(const PlaceResult& result);
/// Balance by minutes since the plan; "" where nobody said how far windows are apart.
std::string drift_table(const PlaceOptions& options, const PlaceResult& result);
/// The row's placement, ready for placement_text().
placement::ModelPlacement placement_of(const PlaceOptions& options, const PlaceResult& result, std::size_t row);
/// Of every plan and score: equal comparisons have equal ones.
std::uint64_t fingerprint_of(const PlaceResult& result);
/// Metrics (scope run: the best; scope `placement:STRATEGY...`: each), rows of the best placement and its loads,
/// who sends to whom in the first and the best, drift.
void store(const PlaceOptions& options, const PlaceResult& result, results::Results& results);
}  // namespace moesim::placing
