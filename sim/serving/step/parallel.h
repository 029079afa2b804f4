// How an instance splits the model over its GPUs.
#pragma once

namespace moesim::serving {

/// tensor x data x pipeline GPUs.
struct Parallel {
  int tensor = 1, data = 1, pipeline = 1;
  bool experts_tensor = false, pad = false;
  static void fields(auto& f, auto& p) {
    f("tensor", p.tensor, "GPUs that share a rank's attention heads, dense FFN and shared expert");
    f("data", p.data, "attention ranks, each with requests of its own; experts are spread over tensor x data GPUs");
    f("pipeline", p.pipeline, "stages of consecutive layers");
    f("experts_tensor", p.experts_tensor, "every GPU holds a slice of all experts instead (tensor parallel; data 1)");
    f("pad", p.pad,
      "slices of experts that end within a block of FP8 weights are filled up to its end, and computed so; default: "
      "refused, as engines do");
  }
  int stage_gpus() const { return tensor * data; }
  int gpus() const { return tensor * data * pipeline; }
};
}  // namespace moesim::serving
