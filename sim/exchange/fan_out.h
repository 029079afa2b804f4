// Where tokens go when only the rows of every slot are known: closed-form expectations.
#pragma once
#include <span>
#include <vector>

#include "exchange/expert_map.h"
#include "routing/traffic.h"

namespace moesim::exchange {

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
void estimate_fan_out(std::span<const double> slot_rows, double tokens, const routing::GateShape& gate,
                      int spread_blocks, const ExpertMap& map, const spec::GroupShape& group, FanOut& out);

/// An exchange by its sums alone, as expectations: for serving steps, where every layer must cost
/// O(experts + gpus), and for groups of thousands of GPUs.
struct ExchangeSums {
  std::vector<double> slot_rows;  // (slots): rows each slot computes
  std::vector<double> gpu_rows;   // (gpus): rows each GPU computes
  FanOut fan_out;
  double tokens = 0;     // of all sources
  double exchanges = 1;  // that are added up here
  /// Distinct tokens GPU g receives (and returns), those of its own included.
  double gpu_tokens(int gpu) const { return tokens * fan_out.gpu_reach[std::size_t(gpu)]; }
  /// Distinct tokens with a row on node n, those of its own included.
  double node_tokens(int node) const { return tokens * fan_out.node_reach[std::size_t(node)]; }
};
/// load: (experts), rows of each expert, all sources together.  tokens: of all sources.  Sources send alike, and the
/// copies of an expert share its rows evenly.  O(slots); `out`'s memory is reused.
void exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate, const ExpertMap& map,
                   const CopyTable& copies, const spec::GroupShape& group, ExchangeSums& out);
}  // namespace moesim::exchange
