#include "forward/setup.h"

#include <fmt/format.h>

#include "compute/layers/operation_list.h"
#include "forward/precision.h"
#include "results/results.h"
#include "spec/arithmetic.h"

namespace moesim::forward {
namespace {
compute::LayerOptions options_of(const StepQuestion& q) {
  compute::LayerOptions out;
  out.precision = q.precision.formats;
  out.recompute = q.recompute;
  out.tensor = q.tensor;
  out.expert_tensor = q.expert_tensor;
  out.expert_block = q.expert_block;
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
  if (!setup.padding_reason.empty())
    results.add(results::Table::assumption, {scope, "experts", "filled up", setup.padding_reason});
  if (!setup.exchange_reason.empty())
    results.add(results::Table::assumption, {scope, "exchange", name_of(setup.dispatch.kernel), setup.exchange_reason});
}

network::ExchangeKernel default_exchange(std::optional<compute::StepPhase> phase) {
  return phase == compute::StepPhase::decode ? network::ExchangeKernel::deepep_low_latency
                                             : network::ExchangeKernel::deepep_normal;
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
  if (!spec::computes_in(q.gpu, spec::Dtype::fp4)) out.options.precision.entry_keys = spec::EntryKeys::fp8;
  if (q.expert_block > 1)
    out.padding_reason = fmt::format(
        "{} / {} columns of an expert on each GPU are stored and computed as {}: whole blocks of {}",
        q.model.moe->expert_width, q.expert_tensor, compute::expert_columns(*q.model.moe, out.options), q.expert_block);
  using network::ExchangeKernel;
  const ExchangeKernel kernel = q.exchange.kernel.value_or(q.engines_exchange.value_or(default_exchange(q.phase)));
  const bool library = kernel == ExchangeKernel::all_to_all || kernel == ExchangeKernel::all_gather;
  compute::Precisions& formats = out.options.precision;
  if (q.exchanges && library && !formats.dispatch) formats.dispatch = spec::Dtype::bf16;
  out.options.sends_rows = q.exchanges && kernel == ExchangeKernel::all_to_all;
  out.options.local_rows = q.exchanges && kernel == ExchangeKernel::all_gather;
  // HybridEP's rates are fitted on GB200 alone (hardware/network-gb200.yaml).
  const bool elsewhere = kernel == ExchangeKernel::hybrid && q.gpu.name != "gb200";
  if (q.exchanges && (q.exchange.kernel || q.engines_exchange)) {
    out.exchange_reason = q.exchange.kernel ? "as asked" : "the engine's";
    if (elsewhere) out.exchange_reason += ", reaching what it does on GB200";
  }
  const int sms = network::sms_of(kernel, q.exchange.sms, q.exchange_sms);
  out.dispatch = {kernel, network::ExchangeDirection::dispatch, dispatched_row(q.model.row_width(), formats), sms,
                  q.exchange.nvlink};
  out.combine = {kernel, network::ExchangeDirection::combine, combined_row(q.model.row_width()), sms,
                 q.exchange.nvlink};
  if (q.overlapped && sms > 0) out.beside.sms = q.gpu.sms - sms;
  return out;
}
}  // namespace moesim::forward
