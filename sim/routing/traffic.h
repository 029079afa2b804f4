// Traffic: how many tokens of each source GPU go to each expert, for one MoE layer and one step of an expert-parallel
// group; and, once experts have places, what that means for every pair of GPUs (ExchangeLoad).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/family.h"
#include "routing/expert_map.h"
#include "routing/trace.h"

namespace moesim {

/// What of the model's router shapes the traffic: its experts, and how a token's experts are limited.
struct RouterShape {
  int experts = 0;
  int top_k = 0;
  int groups = 1;       // equal consecutive blocks of experts
  int groups_used = 1;  // a token's experts lie in at most this many of them; equal to `groups` means no limit
};

/// One layer and step.  A "row" is one token sent to one expert; a token has at most top_k rows, each to another
/// expert.
struct Traffic {
  RouterShape router;
  int sources = 0;
  std::vector<std::int32_t> tokens;  // (sources)
  std::vector<std::int32_t> rows;    // (sources, experts) row-major
  /// Each token's experts, (sum of tokens, top_k), source by source, best first, absent = -1.  Empty when only counts
  /// are known: then distinct destinations are estimated (see exchange_load).
  std::vector<std::int16_t> choices;
  /// Fan-out of traffic without lists: a token takes at most one row (or top_k / groups of them, if more) from each of
  /// this many equal blocks of experts, so it reaches as many as it can.  0: the choices are independent.
  int spread_blocks = 0;

  bool has_lists() const { return !choices.empty(); }
};

/// Sets sources, rows and router.experts/top_k of `out` from its `tokens` and `choices`.
/// Throws std::logic_error if an id is outside [-1, experts) or the sizes do not agree.
void count_rows(const RouterShape& router, Traffic& out);

/// What an exchange (dispatch, and combine the other way) moves.  Own GPU and own node are included everywhere.
struct ExchangeLoad {
  int gpus = 0, nodes = 0, slots = 0;
  std::vector<std::int32_t> copies;         // (gpus, gpus) [source][destination]: rows
  std::vector<std::int32_t> tokens_to_gpu;  // (gpus, gpus): distinct tokens of the source with a row on the destination
  std::vector<std::int32_t> tokens_to_node;  // (gpus, nodes): distinct tokens of the source with a row on the node
  std::vector<std::int32_t> slot_rows;       // (slots): rows each slot computes, over all sources
  bool exact = false;                        // distinct counts come from token lists, not from an estimate
};

/// Decides which copy of an expert computes a source's rows.  Implementations: a family of its own.
class ReplicaChoice {
 public:
  virtual ~ReplicaChoice() = default;
  /// by_slot: (sources, slots), already sized and zeroed: how many rows of each source each slot computes.  For every
  /// source and expert the slots holding the expert must add up to traffic.rows.  Same input, same result.
  virtual void split(const Traffic& traffic, std::span<std::int32_t> by_slot) const = 0;
};

/// The default: the copies on the source's own GPU if there are any, else those on its node, else all; equally near
/// copies share evenly, what does not divide starting at a copy that depends on the source.
std::unique_ptr<ReplicaChoice> nearest_replica(const ExpertMap& map, const GroupShape& group);

/// Turns traffic into exchange loads under one placement; keeps its tables and buffers, so the loop allocates nothing.
class Exchanger {
 public:
  /// choice: null for nearest_replica.  Throws std::logic_error if the map does not fit the group.
  Exchanger(const ExpertMap& map, const GroupShape& group, std::unique_ptr<ReplicaChoice> choice = nullptr);

  /// Exact with token lists (a replicated expert's tokens go to its copies in turn); O(tokens * top_k).
  /// Without: O(sources * (slots + gpus)), and the distinct counts are expectations: a token's rows are top_k draws
  /// without replacement at the inclusion rates that the rows show, within groups_used groups if the router limits
  /// them.  A set of slots with inclusion rates p_i, sum P, is missed by (1 - P/k)^k * prod (1 - p_i) e^(p_i): exact in
  /// the limits of many equal experts (draws without replacement) and of one expert that every token takes.
  void operator()(const Traffic& traffic, ExchangeLoad& out);

  const ExpertMap& map() const { return map_; }
  const GroupShape& group() const { return group_; }

 private:
  void exact(const Traffic& traffic, ExchangeLoad& out);
  void estimate(const Traffic& traffic, ExchangeLoad& out);

  ExpertMap map_;
  GroupShape group_;
  std::unique_ptr<ReplicaChoice> choice_;
  ReplicaTable replicas_;
  std::vector<std::int32_t> by_slot_;  // (sources, slots)
  std::vector<std::int32_t> turn_;     // scratch of exact(): rows left for each slot
  std::vector<std::uint32_t> stamp_;   // scratch of exact(): last token seen by each GPU and node
  std::vector<double> scratch_;
};

/// The same exchange by its sums alone, as expectations: for serving steps, where every layer must cost
/// O(experts + gpus), and for groups of thousands of GPUs.  Every source holds the same number of tokens and sends them
/// alike.  Numbers per token-holding source are means.
struct ExchangeSums {
  std::vector<double> slot_rows;         // (slots): rows each slot computes
  std::vector<double> gpu_rows;          // (gpus): rows each GPU computes
  std::vector<double> gpu_tokens;        // (gpus): distinct tokens each GPU receives, its own included
  std::vector<double> node_tokens;       // (nodes): distinct tokens with a row on the node, its own included
  double tokens_to_gpus_per_token = 0;   // mean distinct GPUs a token goes to
  double tokens_to_nodes_per_token = 0;  // mean distinct nodes a token goes to
};
/// shares: (experts), share of the rows each expert draws, sum 1.  tokens: of all sources together.  Copies of an
/// expert share its rows evenly.  O(slots); `out`'s memory is reused.
void exchange_sums(std::span<const double> shares, double tokens, const RouterShape& router, const ExpertMap& map,
                   const ReplicaTable& replicas, const GroupShape& group, ExchangeSums& out);

/// Where traffic comes from: a distribution or a recorded trace.  One per run and thread: draws may use scratch memory
/// but depend on nothing except their arguments and the seed.
class TrafficSource {
 public:
  virtual ~TrafficSource() = default;
  /// Share of the rows each expert draws in `layer` (the model's number) at `step`; sums to 1.  O(experts).
  virtual void shares(int layer, std::int64_t step, std::span<double> out) const = 0;
  /// One step's traffic; `out`'s memory is reused.  tokens: (gpus) tokens each source GPU holds; a ragged distribution
  /// moves tokens between sources and keeps their sum.  step: any number that names the step (and micro-batch).
  /// At most O(gpus * experts), or O(tokens * top_k) where token lists are drawn.
  virtual void draw(int layer, std::int64_t step, std::span<const std::int32_t> tokens, Traffic& out) const = 0;
};

/// What every traffic source is built from besides its parameters.
struct TrafficContext {
  RouterShape router;
  GroupShape group;  // "hot rank" and "spread" need to know who holds what
  std::uint64_t seed = 0;
  std::optional<TracePhase> phase;  // of a trace use only these tokens; unset: all
};
/// The family `traffic`: balanced, hot_experts, hot_rank, spread, ragged_source, zero_load, rotating_hot_spot, burst,
/// log_normal, power_law, trace.
const Family<TrafficSource, const TrafficContext&>& traffics();
/// The source a scenario's `routing:` names: `trace: FILE` stands for {kind: trace, file: FILE}, `kind: ...` for the
/// family, nothing for balanced.
std::unique_ptr<TrafficSource> make_traffic(const Config& routing, const TrafficContext& context);
}  // namespace moesim
