// Loads with a few hot experts, as several laws have them.
#pragma once
#include <cstddef>
#include <span>

#include "routing/traffic.h"

namespace moesim::routing {

/// Gives the experts of `hot` a weight of `factor` times the mean, the others what is left.
void heat(std::span<const std::size_t> hot, double factor, std::span<double> weights);

/// ConfigError unless `count` experts can each have `factor` times the mean load.
void check_hot(int count, double factor, const TrafficContext& context);
}  // namespace moesim::routing
