// Layers that look experts up by token id, as a section `routing` says: the law `token_hash`.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "routing/traffic.h"

namespace moesim::routing {

struct TokenTables {
  int layers = 0;              ///< the model's layers below this number; all: INT_MAX
  int ids = 0;                 ///< of the vocabulary
  std::string tokens;          ///< file of token ids whose frequencies count; "" if none is given
  std::optional<Config> rest;  ///< how the other layers route; none: all look up
  /// Of a layer, (ids, top_k): the same that the law deals.
  std::function<std::vector<std::int16_t>(int layer)> table;
};
/// Of a law of another kind: none.
std::optional<TokenTables> token_tables(const Config& routing, const TrafficContext& context);
}  // namespace moesim::routing
