#include "serving/deployment/pool_choices.h"

#include "forward/precision.h"

namespace moesim::serving {
namespace {
std::optional<compute::StepPhase> phase_of(Role role) {
  if (role == Role::both) return std::nullopt;
  return role == Role::decode ? compute::StepPhase::decode : compute::StepPhase::prefill;
}

std::optional<network::ExchangeKernel> exchange_of(const Config& config, const PoolSection& s) {
  if (s.exchange == "auto") return std::nullopt;
  network::ExchangeKernel out{};
  config.at("exchange").parse(out);
  return out;
}
}  // namespace

forward::StepSetup setup_of(const Config& config, const PoolSection& s, const spec::Model& model,
                            const spec::Gpu& gpu) {
  const Parallel& p = s.parallel;
  const std::optional<compute::StepPhase> phase = phase_of(s.role);
  const forward::ChosenPrecision precision = forward::choose_precision(s.precision, model, gpu, phase);
  forward::check_precision(config, precision.formats, gpu);
  const bool exchanges = model.moe && !p.experts_tensor && p.stage_gpus() > 1;
  return forward::set_up({.model = model,
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
}  // namespace moesim::serving
