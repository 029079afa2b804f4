// How an instance splits the model over its GPUs.
#pragma once

namespace moesim::serving {

/// tensor x context x data x pipeline GPUs, in this order: neighbours share a rank's heads.
struct Parallel {
  int tensor = 1, data = 1, pipeline = 1;
  bool experts_tensor = false, pad = false;
  int context = 1;
  static void fields(auto& f, auto& p) {
    f("tensor", p.tensor, "GPUs that share a rank's attention heads, dense FFN and shared expert");
    f("data", p.data,
      "attention ranks, each with requests of its own; experts are spread over tensor x context x data GPUs");
    f("pipeline", p.pipeline, "stages of consecutive layers");
    f("experts_tensor", p.experts_tensor, "every GPU holds a slice of all experts instead (tensor parallel; data 1)");
    f("pad", p.pad,
      "slices of experts that end within a block of FP8 weights are filled up to its end, and computed so; default: "
      "refused, as engines do");
    f("context", p.context,
      "parts that each prompt of a rank is cut into, of as much causal work, each on `tensor` GPUs of its own that "
      "hold "
      "the rank's whole KV cache; in pools of prompts alone");
  }
  /// Where attention is computed: the parts of all ranks' prompts.
  int places() const { return data * context; }
  int stage_gpus() const { return tensor * places(); }
  int gpus() const { return stage_gpus() * pipeline; }
};
}  // namespace moesim::serving
