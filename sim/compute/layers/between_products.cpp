// Between the products of feed-forward networks: activations; and the maps of tokens to the width that routed experts
// work at, and back (Nemotron-3's latent experts: fc1_latent_proj, fc2_latent_proj).
#include "compute/layers/operation_list.h"

namespace moesim::compute {
namespace {
/// Of each token, on every GPU that has it: dense, beside the experts that other GPUs hold.
void latent_map(OperationList& list, const LayerCall& c, std::string_view name, std::int64_t n, std::int64_t k) {
  const Precisions& p = c.options.precision;
  Gemm g{.m = replicated_rows(c), .n = n, .k = k, .dtype = p.linear, .scales = list.scales()};
  if (!list.training()) g.weights = p.linear_weights;
  list.add(name, g);
}
}  // namespace

// SwiGLU of gate and up, or the squared ReLU of up alone; in blocks with the cast of its result.
void activate(OperationList& list, std::string_view name, int inputs, std::int64_t rows, std::int64_t width) {
  const bool fused = list.casts_in_blocks();
  list.moved(name, MemoryKind::swiglu, inputs * rows * width, spec::Dtype::bf16, rows * width,
             fused ? list.linear_dtype() : spec::Dtype::bf16);
  if (!fused) list.cast("cast activation", rows * width);
}

void activate_rows(OperationList& list, std::string_view name, int inputs, std::span<const std::int64_t> rows,
                   std::int64_t width) {
  if (list.casts_in_blocks()) return activate(list, name, inputs, group_rows(rows).rows, width);
  const std::int64_t all = group_rows(rows).rows;
  list.moved(name, MemoryKind::swiglu, inputs * all * width, spec::Dtype::bf16, all * width, spec::Dtype::bf16);
  list.cast_rows("cast activation", rows, width);
}

// In: gradient and what was activated; out: its gradients, and the activation again for down's weight gradient.
void activate_backward(OperationList& list, int inputs, std::int64_t rows, std::int64_t width) {
  list.moved("swiglu backward", MemoryKind::swiglu_backward, (inputs + 1) * rows * width, spec::Dtype::bf16,
             inputs * rows * width, spec::Dtype::bf16);
}

void latent_down(OperationList& list, const LayerCall& c) {
  const std::int64_t latent = c.model.moe->latent_width, hidden = c.model.hidden;
  if (latent == 0) return;
  if (list.backward()) return latent_map(list, c, "latent down dgrad", hidden, latent);
  latent_map(list, c, "latent down", latent, hidden);
  if (list.casts_in_blocks()) list.cast("cast latents", replicated_rows(c) * latent);
}

void latent_up(OperationList& list, const LayerCall& c) {
  const std::int64_t latent = c.model.moe->latent_width, hidden = c.model.hidden;
  if (latent == 0) return;
  if (list.backward()) {
    latent_map(list, c, "latent up dgrad", latent, hidden);
    if (c.model.moe->latent_norm) list.norm_backward("norm latents backward", replicated_rows(c), latent);
    return;
  }
  if (c.model.moe->latent_norm) list.norm("norm latents", replicated_rows(c), latent);
  latent_map(list, c, "latent up", hidden, latent);
}

void latent_weights(OperationList& list, const LayerCall& c) {
  const std::int64_t latent = c.model.moe->latent_width, hidden = c.model.hidden;
  if (latent == 0) return;
  const Gemm g{.m = latent,
               .n = hidden,
               .k = replicated_rows(c),
               .dtype = c.options.precision.linear,
               .fp32_accumulate = true,
               .scales = list.scales()};
  Gemm up = g;
  up.m = hidden, up.n = latent;
  list.add("latent down wgrad", g);
  list.add("latent up wgrad", up);
}
}  // namespace moesim::compute
