// What one exchange of an expert-parallel group moves, pair by pair.
#pragma once
#include <cstdint>
#include <vector>

namespace moesim::exchange {

/// A dispatch, and a combine the other way round.  Own GPU and own node are included everywhere; which ports carry it
/// says exchange/relay.h.
struct ExchangeLoad {
  int gpus = 0, nodes = 0, slots = 0;
  std::int64_t tokens = 0;                  // of all sources, whatever they choose
  std::vector<std::int32_t> rows_to_gpu;    // (gpus, gpus) [source][destination]: rows
  std::vector<std::int32_t> tokens_to_gpu;  // (gpus, gpus): distinct tokens of the source with a row on the destination
  std::vector<std::int32_t> tokens_to_node;  // (gpus, nodes): distinct tokens of the source with a row on the node
  std::vector<std::int32_t> slot_rows;       // (slots): rows each slot computes, over all sources
  bool exact = false;                        // distinct counts come from token lists, not from an estimate
};

/// Distinct nodes of every token, summed over the tokens of all sources.
inline std::int64_t node_visits(const ExchangeLoad& load) {
  std::int64_t sum = 0;
  for (const std::int32_t tokens : load.tokens_to_node) sum += tokens;
  return sum;
}
}  // namespace moesim::exchange
