// Traffic: how many tokens of each source GPU go to each expert, for one MoE layer and one step of an expert-parallel
// group.  What that means for every pair of GPUs, once experts have places, is the exchange's (exchange/exchanger.h).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/family.h"
#include "routing/trace.h"
#include "spec/group_shape.h"
#include "spec/moe_shape.h"

namespace moesim::routing {

/// What of the model's gate shapes the traffic: its experts, and how a token's experts are limited.
struct GateShape {
  int experts = 0;
  int top_k = 0;
  int groups = 1;       // equal consecutive blocks of experts
  int groups_used = 1;  // a token's experts lie in at most this many of them; equal to `groups` means no limit
};
/// Of a model's mixture: outputs that compute nothing send no rows.
inline GateShape gate_shape(const spec::MoeShape& moe) {
  return {moe.experts, moe.rows_a_token(), moe.groups, moe.groups_used};
}

/// One layer and step.  A "row" is one token sent to one expert; a token has at most top_k rows, each to another
/// expert.
struct Traffic {
  GateShape gate;
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
  /// equal blocks of experts as it can.  0: only the gate limits its choice.
  int spread_blocks = 0;

  bool has_lists() const { return !choices.empty(); }
};

/// Sets sources, rows and gate.experts/top_k of `out` from its `tokens` and `choices`.
/// Throws std::logic_error if an id is outside [-1, experts) or the sizes do not agree.
void count_rows(const GateShape& gate, Traffic& out);

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
  /// The experts of some typical tokens, at most `tokens`, the same in each of `layers`: (layers, tokens, top_k),
  /// absent = -1.  Says which experts are used together; empty where only loads are known.
  virtual std::vector<std::int16_t> sample(std::span<const int> /*layers*/, std::int64_t /*tokens*/) const {
    return {};
  }
  /// Whether the experts of such a token were drawn from counts, so that they are together by chance.
  virtual bool dealt() const { return false; }
};

/// What every traffic source is built from besides its parameters.
struct TrafficContext {
  GateShape gate;
  spec::GroupShape group;  // "hot rank" and "spread" need to know who holds what
  std::uint64_t seed = 0;
  std::optional<TracePhase> phase;  // of a trace use only these tokens; unset: all
};
/// The family `traffic`: balanced, hot_experts, hot_rank, spread, ragged_source, zero_load, rotating_hot_spot, burst,
/// log_normal, power_law, grouped, token_hash, trace.
const Family<TrafficSource, const TrafficContext&>& traffics();
/// The source a scenario's `routing:` names: `trace: FILE` stands for {kind: trace, file: FILE}, `kind: ...` for the
/// family, nothing for balanced.
std::unique_ptr<TrafficSource> make_traffic(const Config& routing, const TrafficContext& context);
/// Where the file of a section with `trace:` lies; "" without.  Throws ConfigError if it is not there.
std::string trace_file(const Config& routing);
}  // namespace moesim::routing
