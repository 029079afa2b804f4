// The operations of one layer, generated from the model's shape: what runs, on how many bytes and FLOPs, as which
// kernel.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "compute/kernels/kernel.h"
#include "compute/kernels/kernel_model.h"
#include "spec/count.h"
#include "spec/layer_shape.h"

namespace moesim::compute {

/// The parts of a layer that a schedule places on its own.  In forward order: `attention` (first norm to residual add),
/// `gate` (second norm, router, top-k, cast for dispatch), `shared` (the shared expert or, in a dense layer, the whole
/// FFN with its norm and residual), `experts` (from received rows to rows sent back), `merge` (the sum of shared
/// expert, combined routed rows and residual; the weighted sum over a token's experts is part of the combine exchange).
enum class LayerPart { embedding, attention, gate, shared, experts, merge, mtp, head };
constexpr auto enum_names(LayerPart) {
  return std::to_array<std::pair<std::string_view, LayerPart>>({{"embedding", LayerPart::embedding},
                                                                {"attention", LayerPart::attention},
                                                                {"gate", LayerPart::gate},
                                                                {"shared", LayerPart::shared},
                                                                {"experts", LayerPart::experts},
                                                                {"merge", LayerPart::merge},
                                                                {"mtp", LayerPart::mtp},
                                                                {"head", LayerPart::head}});
}
enum class Pass { forward, backward_input, weight_gradient };
constexpr auto enum_names(Pass) {
  return std::to_array<std::pair<std::string_view, Pass>>({{"forward", Pass::forward},
                                                           {"backward_input", Pass::backward_input},
                                                           {"weight_gradient", Pass::weight_gradient}});
}

/// The tokens of one pass on one GPU (on one tensor-parallel group, if attention is split over several).
struct Batch {
  std::int64_t tokens = 0;                      // rows of every linear layer
  std::int64_t outputs = 0;                     // rows the head computes: all in training, one a sequence in prefill
  AttentionWork prefill, decode;                // layers that attend to everything
  AttentionWork window_prefill, window_decode;  // layers with a sliding or chunked window
};
/// Pairs of `tokens` queries after `context` keys, causal, of which `window` is read.
double pairs_read(double context, double tokens, const spec::KeysRead& window);
/// Adds `count` sequences of `tokens` new tokens after `context` kept ones, attended causally, as prefill.
/// window: what the layers read that do not read everything.
void add_prefill(Batch& batch, spec::KeysRead window, std::int64_t tokens, std::int64_t context = 0,
                 std::int64_t count = 1);
void add_prefill(Batch& batch, const spec::Model& model, std::int64_t tokens, std::int64_t context = 0,
                 std::int64_t count = 1);
/// Adds `count` sequences that decode: `queries` new tokens (1, or 1 + drafts) after `context` cached ones.
void add_decode(Batch& batch, const spec::Model& model, std::int64_t context, std::int64_t queries = 1,
                std::int64_t count = 1);
/// Whole sequences of a training micro-batch.
Batch training_batch(const spec::Model& model, std::int64_t sequence, std::int64_t count = 1);

/// How a training step scales what it multiplies in 8 or 4 bits, and whose kernels make it.
enum class Recipe {
  blocks,   ///< 1x128 and 128x128 numbers a scale: DeepSeek's framework (DeepSeek-V3, 3.3)
  current,  ///< one a tensor, from its own largest number: this and the next ones are Transformer Engine's
  delayed,  ///< one a tensor, from the largest numbers of steps before
  mxfp8,    ///< 32 numbers a scale, multiplied in by the tensor cores
  nvfp4     ///< 16, and one a tensor
};
constexpr auto enum_names(Recipe) {
  return std::to_array<std::pair<std::string_view, Recipe>>({{"blocks", Recipe::blocks},
                                                             {"current", Recipe::current},
                                                             {"delayed", Recipe::delayed},
                                                             {"mxfp8", Recipe::mxfp8},
                                                             {"nvfp4", Recipe::nvfp4}});
}

/// What the layer is computed in.
struct Precisions {
  spec::Dtype linear =
      spec::Dtype::bf16;  // GEMMs of attention projections, FFNs, experts; fp8 adds the casts around them
  spec::Dtype attention = spec::Dtype::bf16;  // attention core
  spec::Dtype kv_cache = spec::Dtype::bf16;
  std::optional<spec::Dtype> projections{};  // of attention, if not as `linear`
  std::optional<spec::Dtype> experts{};      // products of routed experts, if not as `linear`
  // Weights as stored, where narrower than computed (MXFP4, INT4): widened as they are read.
  std::optional<spec::Dtype> linear_weights{}, projection_weights{}, expert_weights{};
  std::optional<spec::Dtype> dispatch{};              // rows on their way to experts, if not as the experts compute
  Recipe recipe = Recipe::blocks;                     // of training
  spec::EntryKeys entry_keys = spec::EntryKeys::fp4;  // of DeepSeek-V4's indexer, as cached
  spec::Dtype of_projections() const { return projections.value_or(linear); }
  spec::Dtype of_experts() const { return experts.value_or(linear); }
  spec::Dtype stored_experts() const { return expert_weights.value_or(of_experts()); }
  /// Of a token's row on its way to an expert.
  spec::Dtype dispatched() const {
    return dispatch.value_or(of_experts() == spec::Dtype::fp8 ? spec::Dtype::fp8 : spec::Dtype::bf16);
  }
  bool operator==(const Precisions&) const = default;
};

/// What the backward pass computes again instead of keeping.
struct Recompute {
  bool norms = false;           // RMSNorm outputs
  bool up_projections = false;  // MLA q_b and kv_b and what follows up to the attention core
  bool swiglu = false;          // the activation between the two FFN products
  bool layer = false;           // everything: only each layer's input is kept
  bool core = false;            // what looks back over the sequence: attention's core, where no state is kept
  bool shared_experts = false;  // shared experts, whole
  bool experts = false;         // the second half of layers with experts, between its norm and its residual: gate,
                                // exchanges, routed and shared experts
  static void fields(auto& f, auto& p) {
    f("norms", p.norms, "RMSNorm outputs");
    f("up_projections", p.up_projections, "MLA up-projections (q_b, kv_b)");
    f("swiglu", p.swiglu, "the FFN activation");
    f("layer", p.layer, "the whole layer");
    f("core", p.core, "attention's core");
    f("shared_experts", p.shared_experts, "shared experts");
    f("experts", p.experts, "gate, exchanges and experts");
  }
};

/// Low-rank adapters beside weights that stay as they are (LoRA, arXiv:2106.09685): what is trained, in BF16, in place
/// of the weights.  A product (m, k) x (n, k)^T gains (m, k) x (rank, k)^T and (m, rank) x (n, rank)^T.
struct Adapters {
  int rank = 0;                                            // 0: none, the weights are trained
  bool attention = false, dense = false, experts = false;  // whose products have them
  bool on(LayerPart part) const {
    if (rank == 0) return false;
    return part == LayerPart::attention ? attention
           : part == LayerPart::shared  ? dense
                                        : experts && part == LayerPart::experts;
  }
};

/// How a layer is computed on one GPU.
struct LayerOptions {
  Precisions precision;
  Recompute recompute;
  int tensor = 1;                         // GPUs that share attention heads, dense FFN and shared expert
  int expert_tensor = 1;                  // GPUs that share each routed expert's width
  int expert_block = 1;                   // columns that each one's share is filled up to a multiple of
  bool sequence_parallel = false;         // norms and residuals on tokens / tensor instead of on all
  bool graphs = false;                    // small kernels are replayed from CUDA graphs
  std::int64_t graph_tokens = INT64_MAX;  // in steps of so many tokens at most
  GroupLayout layout = GroupLayout::contiguous;
  bool local_rows = false;  // no exchange brings experts their rows: they are sorted and gathered here
  bool sends_rows =
      false;  // the exchange takes rows as they are sorted: by their source, and again by the experts' GPU
  bool expert_by_expert = false;  // what is done to routed rows is launched for each expert
  bool pads_rows = false;         // routed rows are copied for each expert's to fill whole blocks of scales
  bool training = false;          // keeps what backward needs: extra stores and casts in the forward pass
  Adapters adapters{};            // of training
};

struct Operation {
  std::string_view name;  // static text: "q_a", "grouped gate-up"
  LayerPart part = LayerPart::attention;
  Pass pass = Pass::forward;
  bool recomputed = false;  // a forward operation done again in the backward pass
  Kernel kernel;
  Flops flops{};         // executed
  Flops useful{};        // counted as model FLOPs: without recomputation, 2x forward for a whole backward pass
  Bytes bytes{};         // least HBM traffic
  Bytes weights{};       // of it, parameters read
  bool adapter = false;  // of the low-rank adapter beside the product before it
  bool within = false;   // launched from within the operator before it
};

/// Appends the operations of one part and pass of one layer, in the order they run, for one GPU.
///
/// layer: the model's layer number (dense or MoE, window or not, follow from it); ignored by embedding, mtp (the MTP
/// module's norms and projection; its transformer layer is asked for as layer `model.layers`) and head.
/// rows: actual rows of each expert on this GPU, for LayerPart::experts only; the operations refer to it, so it must
/// outlive them.
/// Throws std::logic_error if the layer
/// lacks the part, ConfigError if heads or widths do not divide.
void append_operations(std::vector<Operation>& out, const spec::Model& model, int layer, LayerPart part, Pass pass,
                       const Batch& batch, std::span<const std::int64_t> rows, const LayerOptions& options);
/// Whether a whole part of a layer is computed again before its gradients are; of a gate or a merge, what lies between
/// norm and residual is enough.
bool whole_again(const spec::Model& model, int layer, LayerPart part, const Recompute& again);
/// The parts a layer has, in forward order.
std::vector<LayerPart> parts_of(const spec::Model& model, int layer);

/// Sum of the operations' times, one after the other on the same SMs.
Time total_time(std::span<const Operation> operations, KernelCosts& costs, GpuShare share = {});
}  // namespace moesim::compute
