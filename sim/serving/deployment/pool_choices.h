// What a pool's role and keys decide of its steps: precision, graphs, layout of grouped products, exchange kernel,
// bytes of a row.
#pragma once
#include "network/exchange.h"
#include "serving/deployment/section.h"

namespace moesim {

/// What the scenario does not say of the precisions is as in the model's release.
void take_released(const Config& given, const Precisions& released, Precisions& out);
/// How a pool computes a layer.
LayerOptions options_of(const PoolSection& section);

struct ExchangeChoices {
  ExchangeSpec dispatch, combine;
};
/// How a pool's rows of `hidden` values cross.  Throws ConfigError for a kernel that there is not.
ExchangeChoices exchanges_of(const Config& config, const PoolSection& section, int hidden);
}  // namespace moesim
