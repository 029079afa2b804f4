// Times of the compute parts of a layer on one GPU: everything but the routed experts.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compute/kernels/kernel_model.h"
#include "compute/layers/inventory.h"

namespace moesim::serving {

/// Layers of one shape cost the same for the same batch: they share a class.
class PartCosts {
 public:
  PartCosts(const spec::Model& model, compute::KernelCosts& kernels, const compute::LayerOptions& options,
            compute::GpuShare share);

  int classes() const { return int(representative_.size()); }
  /// The first class with the same attention: dense and MoE layers differ only after it.
  int attention_class(int layer_class) const { return attention_class_[std::size_t(layer_class)]; }
  int class_of(int layer) const { return class_of_[std::size_t(layer)]; }

  /// Whether it looks back at all, and whether it has a network: a layer that is one half lacks the other.
  bool attends(int layer_class) const {
    return shapes_[std::size_t(layer_class)].attention.kind != spec::AttentionKind::none;
  }
  bool has_network(int layer_class) const { return shapes_[std::size_t(layer_class)].ffn.kind != spec::FfnKind::none; }
  bool windowed(int layer_class) const { return shapes_[std::size_t(layer_class)].attention.reads.bounded(); }
  bool picks(int layer_class) const {
    return shapes_[std::size_t(layer_class)].attention.reads.span == spec::KeysRead::Span::picked;
  }
  struct Attention {
    Time in{}, core{};  ///< up to the attention core, and from there
    double above = 0;   ///< as take_above()
  };
  /// Energy of all calls but attention()'s since the last one, above that of a GPU that waits: in seconds at its limit.
  double take_above() { return std::exchange(above_, 0); }
  /// Exact for any batch; batches that only decode cost a look-up and one kernel.
  Attention attention(int layer_class, const compute::Batch& batch);
  Time gate(int layer_class, std::int64_t tokens) { return part(layer_class, compute::LayerPart::gate, tokens); }
  /// The shared expert with the sum of its result, the experts' and the residual; a dense layer's whole FFN.
  Time shared(int layer_class, std::int64_t tokens);
  Time embedding(std::int64_t tokens) { return part(0, compute::LayerPart::embedding, tokens); }
  Time head(std::int64_t tokens, std::int64_t outputs);
  /// The norms and projection of a multi-token prediction module.
  Time mtp(std::int64_t tokens) { return part(0, compute::LayerPart::mtp, tokens); }

 private:
  Time part(int layer_class, compute::LayerPart part, std::int64_t tokens, std::int64_t outputs = 0);
  compute::Cost cost(const compute::Kernel& kernel) { return kernels_.cost(kernel, share_); }
  void list(int layer_class, compute::LayerPart part, const compute::Batch& batch);

  const spec::Model& model_;
  compute::KernelCosts& kernels_;
  compute::LayerOptions options_;
  compute::GpuShare share_;
  std::vector<int> class_of_, representative_, attention_class_;
  std::vector<spec::LayerShape> shapes_;  // a class
  std::vector<compute::Operation> operations_;
  struct DecodeShape {
    Attention fixed;                     // without what reads the cache
    std::vector<compute::Kernel> cores;  // that: their work is filled in
  };
  std::unordered_map<std::uint64_t, DecodeShape> decode_;  // looked up only
  struct Part {
    Time time{};
    double above = 0;
  };
  std::unordered_map<std::uint64_t, Part> parts_;  // looked up only
  double above_ = 0;
};
}  // namespace moesim::serving
