#include "forward/setup.h"

#include "forward/precision.h"
#include "record/results.h"

namespace moesim {
namespace {
LayerOptions options_of(const StepQuestion& q) {
  LayerOptions out;
  out.precision = q.precision.formats;
  out.recompute = q.recompute;
  out.tensor = q.tensor;
  out.expert_tensor = q.expert_tensor;
  out.sequence_parallel = q.tensor > 1 && !q.whole_tokens;
  out.graphs = q.graphs.value_or(q.phase == StepPhase::decode);
  out.layout = q.phase == StepPhase::decode ? GroupLayout::masked : GroupLayout::contiguous;
  out.training = q.phase == StepPhase::training;
  return out;
}
}  // namespace

void write_assumptions(Results& results, std::string_view scope, const StepSetup& setup) {
  results.add(Table::assumption, {scope, "precision", formats_text(setup.options.precision), setup.precision_reason});
}

ExchangeKernel exchange_kernel(std::optional<StepPhase> phase) {
  return phase == StepPhase::decode ? ExchangeKernel::low_latency : ExchangeKernel::normal;
}

Bytes dispatched_row(int hidden, const Precisions& precision) {
  return precision.dispatched() == Dtype::fp8 ? fp8_row(hidden) : bf16_row(hidden);
}

Bytes combined_row(int hidden) { return bf16_row(hidden); }

StepSetup set_up(const StepQuestion& q) {
  StepSetup out;
  out.options = options_of(q);
  out.precision_reason = q.precision.reason;
  out.any_layout = !q.phase;
  const ExchangeKernel kernel = q.exchange.value_or(exchange_kernel(q.phase));
  out.dispatch = {kernel, ExchangeDirection::dispatch, dispatched_row(q.model.hidden, q.precision.formats),
                  q.exchange_sms, true};
  out.combine = {kernel, ExchangeDirection::combine, combined_row(q.model.hidden), q.exchange_sms, true};
  if (q.overlapped && kernel == ExchangeKernel::normal) out.beside.sms = q.gpu.sms - q.exchange_sms;
  return out;
}
}  // namespace moesim
