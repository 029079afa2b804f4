#include "forward/setup.h"

#include "forward/precision.h"
#include "results/results.h"

namespace moesim::forward {
namespace {
compute::LayerOptions options_of(const StepQuestion& q) {
  compute::LayerOptions out;
  out.precision = q.precision.formats;
  out.recompute = q.recompute;
  out.tensor = q.tensor;
  out.expert_tensor = q.expert_tensor;
  out.sequence_parallel = q.tensor > 1 && !q.whole_tokens;
  out.graphs = q.graphs.value_or(q.phase == compute::StepPhase::decode);
  out.layout = q.phase == compute::StepPhase::decode ? compute::GroupLayout::masked : compute::GroupLayout::contiguous;
  out.training = q.phase == compute::StepPhase::training;
  return out;
}
}  // namespace

void write_assumptions(results::Results& results, std::string_view scope, const StepSetup& setup) {
  results.add(results::Table::assumption,
              {scope, "precision", formats_text(setup.options.precision), setup.precision_reason});
}

network::ExchangeKernel exchange_kernel(std::optional<compute::StepPhase> phase) {
  return phase == compute::StepPhase::decode ? network::ExchangeKernel::low_latency : network::ExchangeKernel::normal;
}

Bytes dispatched_row(int hidden, const compute::Precisions& precision) {
  return precision.dispatched() == spec::Dtype::fp8 ? network::fp8_row(hidden) : network::bf16_row(hidden);
}

Bytes combined_row(int hidden) { return network::bf16_row(hidden); }

StepSetup set_up(const StepQuestion& q) {
  StepSetup out;
  out.options = options_of(q);
  out.precision_reason = q.precision.reason;
  out.any_layout = !q.phase;
  const network::ExchangeKernel kernel = q.exchange.value_or(exchange_kernel(q.phase));
  out.dispatch = {kernel, network::ExchangeDirection::dispatch, dispatched_row(q.model.hidden, q.precision.formats),
                  q.exchange_sms, true};
  out.combine = {kernel, network::ExchangeDirection::combine, combined_row(q.model.hidden), q.exchange_sms, true};
  if (q.overlapped && kernel == network::ExchangeKernel::normal) out.beside.sms = q.gpu.sms - q.exchange_sms;
  return out;
}
}  // namespace moesim::forward
