// Prefill passes and decode steps of one expert-parallel group, layer by layer, every GPU on its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "compute/inventory.h"
#include "network/exchange.h"
#include "record/study.h"
#include "routing/traffic.h"
#include "spec/hardware.h"
#include "spec/model.h"
#include "spec/slow_gpu.h"

namespace moesim {

/// Forward passes of one kind.
struct PhaseShape {
  int steps = 0;
  int sequences = 1;   // on each GPU
  int new_tokens = 1;  // of each sequence
  int context = 0;     // cached tokens of each sequence before the pass
  ExchangeKernel exchange = ExchangeKernel::normal;
  int exchange_sms = 20;
  static void fields(auto& f, auto& p) {
    f("steps", p.steps, "passes to simulate");
    f("sequences", p.sequences, "sequences (requests) on each GPU");
    f("new_tokens", p.new_tokens, "tokens of each sequence in the pass: its prompt, or 1 in decode");
    f("context", p.context, "tokens of each sequence already cached");
    f("exchange", p.exchange, "kernel of dispatch and combine: normal or low_latency");
    f("exchange_sms", p.exchange_sms, "SMs the normal kernel takes from compute");
  }
};

struct PassesShape {
  int expert_parallel = 0;  // GPUs of the group; 0: all of the cluster
  PhaseShape prefill{1, 4, 1024, 0, ExchangeKernel::normal, 20};
  PhaseShape decode{4, 64, 1, 1024, ExchangeKernel::low_latency, 0};
  Precisions precision;
  std::vector<SlowGpu> slow_gpus;
  static void fields(auto& f, auto& p) {
    f("expert_parallel", p.expert_parallel, "GPUs that share the experts; 0: all of the cluster");
    f("prefill", p.prefill, "passes over prompts");
    f("decode", p.decode, "steps of one token a sequence");
    f("precision", p.precision, "number formats");
    f("slow_gpus", p.slow_gpus, "GPUs slower than the others");
  }
};

/// The study: reads `passes`, `model`, `cluster`, `routing`, `placement`, `network`, `kernels`.
StudyEnd run_passes(StudyRun& run);
/// Throws what run_passes would about the sections themselves, before anything costly is done.
void check_passes(const Config& scenario);
}  // namespace moesim
