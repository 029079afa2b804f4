// What `moesim explain` is asked: a scenario's layer, or a model on a GPU.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "compute/layers/explain.h"
#include "forward/setup.h"

namespace moesim::cli {

struct ExplainOptions {
  std::string scenario, model, gpu, phase, linear, projections, attention, experts, expert_weights, kv_cache, kernels,
      recompute, pool;
  std::vector<std::string> sets, lengths;
  std::optional<std::int64_t> sequences, tokens, context;
  int stage = -1;
  bool launched = false, whole = false;
  compute::ExplainRequest request;      // layer, parallelism, SMs and what runs beside are written here
  bool json = false, settings = false;  // settings: also every value in force of the scenario
};

/// The request, its GPU and kernel times, and where they came from.
struct ExplainSubject {
  compute::ExplainRequest request;
  spec::Gpu gpu;
  std::unique_ptr<compute::KernelModel> kernels;
  std::string resolved;                      // of a scenario; "" for a model on a GPU
  std::string memory;                        // whose memory: "stage 3"; "" for the GPU's
  std::vector<compute::MemoryUse> stages{};  // of a pipeline, each at its fullest; empty: there is none
  int exchange_sms = 0;                      // that the scenario's exchanges take from what they run beside; 0: none
};

/// Throws ConfigError for words that are not known, and for an option that the scenario answers itself.
ExplainSubject explain_subject(const ExplainOptions& options);
ExplainSubject subject_of_scenario(const ExplainOptions& options);
/// What the kernels of `setup` keep for rows on their way, of a request whose parallelism is known.
void size_buffers(const forward::StepSetup& setup, int gpus_per_node, compute::ExplainRequest& request);
/// --sequences, --tokens, --context, --lengths over what `request` has.
void set_sequences(const ExplainOptions& options, compute::ExplainRequest& request);

/// What is assumed, then the tables.  settings: every value in force of the scenario comes at the end; else how many
/// there are.
std::string explanation_text(const ExplainSubject& subject, const compute::Explanation& explanation, bool settings);
std::string explanation_json(const ExplainSubject& subject, const compute::Explanation& explanation);
}  // namespace moesim::cli
