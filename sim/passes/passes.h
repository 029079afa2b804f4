// Prefill passes and decode steps of one expert-parallel group, layer by layer, every GPU on its own.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/estimate.h"
#include "forward/asked_precision.h"
#include "forward/setup.h"
#include "results/study.h"
#include "routing/traffic.h"
#include "spec/hardware.h"
#include "spec/model.h"
#include "spec/slow_gpu.h"

namespace moesim::passes {

/// Forward passes of one kind.
struct PhaseShape {
  int steps = 0;
  int sequences = 1;                 // on each GPU
  int new_tokens = 1;                // of each sequence
  int context = 0;                   // cached tokens of each sequence before the pass
  Config exchange{};                 // as written
  network::ExchangeChoice chosen{};  // read from it
  int exchange_sms = 20;
  static void fields(auto& f, auto& p) {
    f("steps", p.steps, "passes to simulate");
    f("sequences", p.sequences, "sequences (requests) on each GPU");
    f("new_tokens", p.new_tokens, "tokens of each sequence in the pass: its prompt, or 1 in decode");
    f("context", p.context, "tokens of each sequence already cached");
    f("exchange", p.exchange,
      "kernels of dispatch and combine (moesim list exchange), or a map with their parameters; default auto");
    f("exchange_sms", p.exchange_sms, "SMs that exchanges of deepep_normal or hybrid take from compute");
  }
};

struct PassesShape {
  int expert_parallel = 0;  // GPUs of the group; 0: all of the cluster
  PhaseShape prefill{.steps = 1, .sequences = 4, .new_tokens = 1024};
  PhaseShape decode{.steps = 4, .sequences = 64, .context = 1024};
  forward::AskedPrecision precision;
  std::vector<spec::SlowGpu> slow_gpus;
  const PhaseShape& of(compute::StepPhase phase) const {
    return phase == compute::StepPhase::decode ? decode : prefill;
  }
  static void fields(auto& f, auto& p) {
    f("expert_parallel", p.expert_parallel, "GPUs that share the experts; 0: all of the cluster");
    f("prefill", p.prefill, "passes over prompts");
    f("decode", p.decode, "steps of one token a sequence");
    f("precision", p.precision, "number formats");
    f("slow_gpus", p.slow_gpus, "GPUs slower than the others");
  }
};

/// How each GPU of the group computes a prefill pass or decode step and exchanges rows.
forward::StepSetup setup_of(const PassesShape& shape, compute::StepPhase phase, const spec::Model& model,
                            const spec::Gpu& gpu);

/// What the study is about, checked.
struct PassesInput {
  spec::Model model;
  spec::Cluster cluster;
  PassesShape shape;
};
PassesInput read_input(const Config& scenario);

/// What an estimate counts.
struct PassCounts {
  double gpus = 1, layers = 1, moe_layers = 0, experts = 0, steps = 0;
  bool shared = false;  // MoE layers have a shared expert
  bool flows = false;   // of an exchange, each on its own
};
Estimate estimate(const PassCounts& counts, bool spans);
/// What run_passes would take.  spans: kept for a timeline.
Estimate estimate_passes(const Config& scenario, bool spans);

/// The study: reads `passes`, `model`, `cluster`, `routing`, `placement`, `network`, `kernels`.
results::StudyEnd run_passes(results::StudyRun& run);
/// Throws what run_passes would about the sections themselves, before anything costly is done.
void check_passes(const Config& scenario);
}  // namespace moesim::passes
