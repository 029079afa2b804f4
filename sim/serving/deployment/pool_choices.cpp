#include "serving/deployment/pool_choices.h"

#include "forward/precision.h"

namespace moesim {
namespace {
std::optional<StepPhase> phase_of(Role role) {
  if (role == Role::both) return std::nullopt;
  return role == Role::decode ? StepPhase::decode : StepPhase::prefill;
}

std::optional<ExchangeKernel> exchange_of(const Config& config, const PoolSection& s) {
  if (s.exchange == "auto") return std::nullopt;
  ExchangeKernel out{};
  config.at("exchange").parse(out);
  return out;
}
}  // namespace

StepSetup setup_of(const Config& config, const PoolSection& s, const Model& model, const Gpu& gpu) {
  const Parallel& p = s.parallel;
  const std::optional<StepPhase> phase = phase_of(s.role);
  const ChosenPrecision precision = choose_precision(s.precision, model, gpu, phase, Unsaid::as_released);
  check_precision(config, precision.formats, gpu);
  const bool exchanges = model.moe && !p.experts_tensor && p.stage_gpus() > 1;
  return set_up({.model = model,
                 .gpu = gpu,
                 .phase = phase,
                 .precision = precision,
                 .tensor = p.tensor,
                 .expert_tensor = p.experts_tensor ? p.tensor : 1,
                 .whole_tokens = p.experts_tensor,
                 .graphs = s.graphs,
                 .exchange = exchange_of(config, s),
                 .exchange_sms = s.exchange_sms,
                 .overlapped = exchanges && s.overlap != OverlapKind::none});
}
}  // namespace moesim
