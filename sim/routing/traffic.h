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
  /// are known: then distinct destinations are estimated (see Exchanger).
  std::vector<std::int16_t> choices;
  /// Without lists: the experts of some typical tokens, (any number, top_k), from which the fan-out is measured.
  /// Empty: it follows from the rows.
  std::vector<std::int16_t> sample;
  /// Without lists and sample: a token takes one row (top_k / spread_blocks of them, if more) from as many of this many
  /// equal blocks of experts as it can.  0: only the router limits its choice.
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

/// Where the mean token goes, from the rows of every slot.
struct FanOut {
  std::vector<double> gpu_reach;                   // (gpus): share of the tokens with at least one row on the GPU
  std::vector<double> node_reach;                  // (nodes): the same for the node
  double gpus_per_token = 0, nodes_per_token = 0;  // sums of the two
  std::vector<double> group_share;  // (groups): share of the tokens that select the group; 1 without a limit
  struct Part {
    double rows = 0, miss = 1;
  };
  std::vector<Part> parts;  // scratch
};
/// slot_rows: (slots), all sources together; tokens: of all sources.  Estimated as described at Exchanger.
void estimate_fan_out(std::span<const double> slot_rows, double tokens, const RouterShape& router, int spread_blocks,
                      const ExpertMap& map, const GroupShape& group, FanOut& out);

/// Turns traffic into exchange loads under one placement; keeps its tables and buffers, so the loop allocates nothing.
class Exchanger {
 public:
  /// choice: null for nearest_replica.  Throws std::logic_error if the map does not fit the group.
  Exchanger(const ExpertMap& map, const GroupShape& group, std::unique_ptr<ReplicaChoice> choice = nullptr);

  /// Exact with token lists (a replicated expert's tokens go to its copies in turn); O(tokens * top_k).
  /// Otherwise O(sources * (slots + gpus)): rows are exact, and the distinct counts are expectations.  A set of slots
  /// with rows per token p_i, sum P, is missed by (1 - P/k)^k * prod (1 - p_i) e^(p_i) of the tokens: exact in the
  /// limits of many equal experts (k draws without replacement) and of one expert that every token takes.  Under a
  /// limit of groups this holds within a selected group, and groups are selected in the same way.
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
  std::vector<std::int32_t> by_slot_;    // (sources, slots)
  void measure(const Traffic& traffic);  // fan_out_ from traffic.sample

  std::vector<std::uint32_t> stamp_;     // exact(), measure(): the last token that reached each GPU, then each node
  std::vector<double> slot_total_;       // estimate(): (slots) rows of all sources, or per token of the sample
  std::vector<double> node_total_;       // estimate(): (nodes) the same
  std::vector<std::int32_t> node_rows_;  // estimate(): (nodes) of one source
  FanOut fan_out_;                       // estimate(): of all sources together
  struct Curve {
    std::vector<float> scale, miss, power;
  };
  Curve gpu_curve_, node_curve_;  // (gpus), (nodes)
};

/// The same exchange by its sums alone, as expectations: for serving steps, where every layer must cost
/// O(experts + gpus), and for groups of thousands of GPUs.
struct ExchangeSums {
  std::vector<double> slot_rows;  // (slots): rows each slot computes
  std::vector<double> gpu_rows;   // (gpus): rows each GPU computes
  FanOut fan_out;
  double tokens = 0;
  /// Distinct tokens GPU g receives (and returns), those of its own included.
  double gpu_tokens(int gpu) const { return tokens * fan_out.gpu_reach[std::size_t(gpu)]; }
  /// Distinct tokens with a row on node n, those of its own included.
  double node_tokens(int node) const { return tokens * fan_out.node_reach[std::size_t(node)]; }
};
/// load: (experts), rows of each expert, all sources together.  tokens: of all sources.  Sources send alike, and the
/// copies of an expert share its rows evenly.  O(slots); `out`'s memory is reused.
void exchange_sums(std::span<const double> load, double tokens, const RouterShape& router, const ExpertMap& map,
                   const ReplicaTable& replicas, const GroupShape& group, ExchangeSums& out);

/// Where traffic comes from: a distribution or a recorded trace.  One per run and thread: draws may use scratch memory
/// but depend on nothing except their arguments and the seed.
class TrafficSource {
 public:
  virtual ~TrafficSource() = default;
  /// Share of the rows each expert draws in `layer` (the model's number) at `step`; sums to 1.  O(experts).
  virtual void shares(int layer, std::int64_t step, std::span<double> out) const = 0;
  /// Rows of each expert at that step for `tokens` tokens of all sources together, with their chance fluctuation;
  /// whole numbers that add up to tokens * top_k (a trace: to what its window holds).  O(experts).
  virtual void draw_load(int layer, std::int64_t step, std::int64_t tokens, std::span<double> out) const = 0;
  /// One step's traffic; `out`'s memory is reused.  tokens: (gpus) tokens each source GPU holds; a ragged distribution
  /// moves tokens between sources and keeps their sum.  step: any number that names the step (and micro-batch).
  /// Small steps come with token lists, O(tokens * top_k); larger ones without, O(gpus * experts).
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
/// Where the file of a section with `trace:` lies; "" without.  Throws ConfigError if it is not there.
std::string trace_file(const Config& routing);
}  // namespace moesim
