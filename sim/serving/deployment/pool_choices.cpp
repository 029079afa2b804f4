#include "serving/deployment/pool_choices.h"

namespace moesim {
namespace {
ExchangeKernel exchange_of(const Config& config, const PoolSection& s) {
  if (s.exchange == "auto") return s.role == Role::decode ? ExchangeKernel::low_latency : ExchangeKernel::normal;
  ExchangeKernel out{};
  config.at("exchange").parse(out);
  return out;
}
}  // namespace

void take_released(const Config& given, const Precisions& released, Precisions& out) {
  if (!given.has("linear")) {
    out.linear = released.linear;
    if (!given.has("experts")) out.experts = released.experts;
  }
  if (!given.has("expert_weights")) out.expert_weights = released.expert_weights;
}

LayerOptions options_of(const PoolSection& s) {
  LayerOptions out;
  out.precision = s.precision;
  out.tensor = s.parallel.tensor;
  out.expert_tensor = s.parallel.experts_tensor ? s.parallel.tensor : 1;
  out.sequence_parallel = s.parallel.tensor > 1 && !s.parallel.experts_tensor;
  out.graphs = s.graphs;
  out.layout = s.role == Role::decode ? GroupLayout::masked : GroupLayout::contiguous;
  return out;
}

ExchangeChoices exchanges_of(const Config& config, const PoolSection& s, int hidden) {
  const Bytes row = s.precision.of_experts() == Dtype::fp8 ? fp8_row(hidden) : bf16_row(hidden);
  const ExchangeKernel kernel = exchange_of(config, s);
  return {.dispatch = {kernel, ExchangeDirection::dispatch, row, s.exchange_sms, true},
          .combine = {kernel, ExchangeDirection::combine, bf16_row(hidden), s.exchange_sms, true}};
}
}  // namespace moesim
