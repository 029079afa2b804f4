// The rules that a model's values must keep among themselves, wherever they come from.
#pragma once
#include "spec/field_checks.h"
#include "spec/model.h"

namespace moesim::spec {

// Far above any model there is, and low enough for parameters, cache bytes and FLOPs to be counted in 64 bits.
constexpr int kMostLayers = 10'000;
constexpr int kMostExperts = 100'000;
constexpr int kMostWidth = 1 << 24;  // of the residual stream, a network, a latent, all heads together
constexpr int kMostVocabulary = 1 << 28;
constexpr double kMostParameters = 1e15;  // 500 times the largest that has been announced

/// Calls `refuse` for the first rule broken.
void check_model(const Model& model, const Refuse& refuse);
}  // namespace moesim::spec
