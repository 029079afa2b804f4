// One step of a model on a GPU, set up once: what its phase, the model, the GPU and the scenario make of its number
// formats, kernels and exchanges.
#pragma once
#include <optional>
#include <string>

#include "compute/kernels/kernel_model.h"
#include "compute/layers/inventory.h"
#include "compute/layers/step_phase.h"
#include "forward/asked_precision.h"
#include "network/exchanges/exchange_kinds.h"
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::results {
class Results;
}

namespace moesim::forward {

/// What is known of a step before it is set up.
struct StepQuestion {
  const spec::Model& model;
  const spec::Gpu& gpu;
  std::optional<compute::StepPhase> phase{};  // none: prompts and next tokens at once
  ChosenPrecision precision{};
  compute::Recompute recompute{};
  int tensor = 1;                // GPUs that share attention heads, dense FFN and shared expert
  int expert_tensor = 1;         // GPUs that share each routed expert's width
  int expert_block = 1;          // columns that each one's share is filled up to a multiple of
  bool whole_tokens = false;     // every GPU of the tensor group has all its tokens, instead of its part
  std::optional<bool> graphs{};  // small kernels replayed from CUDA graphs; none: in decode
  network::ExchangeChoice exchange{};
  std::optional<network::ExchangeKernel> engines_exchange{};  // where the scenario names none; none: the phase's
  int exchange_sms = 20;    // that deepep_normal takes where the scenario does not say
  bool exchanges = true;    // the experts lie on several GPUs
  bool overlapped = false;  // exchanges run beside compute
};

/// How every GPU of the group computes the step and exchanges rows.
struct StepSetup {
  compute::LayerOptions options;
  std::string precision_reason;
  std::string padding_reason;   // how far slices of experts are filled up; "" where they are not
  std::string exchange_reason;  // why these exchanges; "" where the scenario leaves it open, or there are none
  bool any_layout = false;      // of the experts' products: each takes the faster of both for its rows
  network::ExchangeSpec dispatch, combine;
  compute::GpuShare beside;  // what computes while an exchange is under way; all of the GPU unless both overlap
};

/// Decoding is replayed from graphs, has expert products on masked rows (their counts are not known to the host) and
/// exchanges over the adapters alone; everything else launches its kernels on contiguous rows and exchanges with SMs.
/// The library's exchanges send BF16 unless the scenario says otherwise, and leave sorting rows to compute.
StepSetup set_up(const StepQuestion& question);

/// What the setup took where the scenario may leave it open, for the summary.  scope: run, pool:prefill.
void write_assumptions(results::Results& results, std::string_view scope, const StepSetup& setup);

/// The exchange of a phase whose scenario leaves it open: the one place where that is decided.
network::ExchangeKernel default_exchange(std::optional<compute::StepPhase> phase);
/// One token's row on its way to an expert: FP8 where the experts compute in it, else BF16.
Bytes dispatched_row(int hidden, const compute::Precisions& precision);
/// And back: BF16, since results are summed.
Bytes combined_row(int hidden);
}  // namespace moesim::forward
