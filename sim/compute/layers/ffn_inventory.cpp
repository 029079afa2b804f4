// Operations of a layer's second half: gate, shared expert or dense FFN, routed experts, merging.
#include "compute/layers/attention_inventory.h"
#include "compute/layers/operation_list.h"
#include "core/ceil_div.h"

namespace moesim::compute {
namespace {
// Kernels of a gate that nobody fused, as counted in DeepSeek-V3's published training profile for its grouped gate.
constexpr int kGateKernels = 35, kGateBackwardKernels = 25;
constexpr int kPlainGateKernels = 12, kPlainGateBackwardKernels = 10;  // assumed: no groups, no bias
constexpr int kFusedGateKernels = 2;  // assumed: serving systems fuse scores, groups and top-k, then write ids
// Serving on one GPU: rows an expert aligned to tiles and sorted (SGLang's and vLLM's moe_align_block_size: two
// kernels).
constexpr int kSortingKernels = 2;
constexpr int kCountingKernels = 4;  // assumed: rows an expert, offsets, maps between rows and tokens

// Parts of K that a library computes side by side, adding their FP32 sums afterwards, where a product has fewer tiles
// than the GPU has SMs: the most that fill the GPU once and leave each part ten steps of 64 (SGLang's rule, pull
// request 33222).  cuBLAS does so for routers in decode (openinfer, pull request 664).
std::int64_t router_parts(std::int64_t rows, std::int64_t experts, std::int64_t hidden) {
  constexpr std::int64_t kSms = 128, kTile = 128, kStep = 64, kSteps = 10;  // SMs: of a data-centre GPU, about
  const std::int64_t tiles = ceil_div(rows, kTile) * ceil_div(experts, kTile);
  for (const std::int64_t parts : {8, 4})
    if (tiles * parts <= kSms && hidden % parts == 0 && hidden >= parts * kSteps * kStep) return parts;
  return 1;
}

bool grouped_gate(const spec::MoeShape& m) { return m.groups > 1; }

struct Ffn {
  std::int64_t width;  // on this GPU
  double bias;         // parameters of biases: gate-up, and hidden for down
  bool moe;            // shared expert of a MoE layer; false: a dense layer's FFN
  bool branch;         // it has norms of its own, beside those of the experts

  explicit Ffn(const LayerCall& c)
      : width(0), bias(0), moe(spec::has_experts(c.model, c.layer)), branch(moe && c.model.norms_branches()) {
    const int whole = moe ? c.model.moe->shared_total() : c.model.dense_width;
    width = share_of(whole, c.options.tensor, "columns of a feed-forward layer");
  }
};

// Rows in the order of the GPUs that they go to, one for each of a token's choices.
void send_permuted(OperationList& list, std::string_view name, std::int64_t elements, spec::Dtype dtype) {
  list.moved(name, MemoryKind::permute, elements, dtype, elements, dtype);
}
// And back: what returned of a token's choices is added up.
void gather_results(OperationList& list, std::string_view name, std::int64_t tokens, std::int64_t top_k,
                    std::int64_t hidden) {
  list.moved(name, MemoryKind::unpermute, tokens * top_k * hidden, spec::Dtype::bf16, tokens * hidden,
             spec::Dtype::bf16);
}
}  // namespace

void gate_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const spec::MoeShape& m = *c.model.moe;
  const std::int64_t rows = replicated_rows(c), hidden = c.model.hidden, sent = c.model.row_width();
  const bool biased =
      m.selection_bias && c.layer >= m.hash_layers;  // where a table says the experts, none chooses them
  const int outputs = m.gate_outputs();
  const double bias = (m.router_linear_bias ? outputs : 0) + (biased ? outputs : 0);
  // Quantised releases keep the selection bias in FP32.
  const Bytes vectors{(m.router_linear_bias ? 2 : 0) * outputs + (biased ? (list.fp8() ? 4 : 2) : 0) * outputs};
  switch (pass) {
    case Pass::forward: {
      if (!c.bare) {
        enter_half(list, c);
        list.norm("norm", rows, hidden);
      }
      if (c.model.norms_branches())  // the router's own, whose scales nobody counts
        list.moved("norm of router", MemoryKind::norm, rows * hidden, spec::Dtype::bf16, rows * hidden,
                   spec::Dtype::bf16);
      const std::int64_t parts = list.training() ? 1 : router_parts(rows, outputs, hidden);
      list.add("router", Gemm{.m = rows, .n = outputs, .k = hidden / parts, .out = spec::Dtype::fp32, .batch = parts},
               bias, rows, vectors);
      if (parts > 1)
        list.moved("sum router parts", MemoryKind::add, parts * rows * outputs, spec::Dtype::fp32, rows * outputs,
                   spec::Dtype::fp32);
      list.small("gate", !list.training() ? kFusedGateKernels : grouped_gate(m) ? kGateKernels : kPlainGateKernels);
      const int gathers = list.training() && grouped_gate(m) ? 2 : 1;
      list.moved("top-k", MemoryKind::top_k, gathers * rows * outputs, spec::Dtype::fp32, gathers * rows * m.top_k,
                 spec::Dtype::fp32);
      // Elsewhere the experts cast what they receive: here a shared expert alone reads it.
      if (list.casts_in_blocks() || m.shared_experts > 0) list.cast("cast", rows * hidden);
      latent_down(list, c);
      if (c.options.sends_rows) {
        list.small("sort choices", kSortingKernels);
        send_permuted(list, "permute to send", rows * m.rows_a_token() * sent, c.options.precision.dispatched());
      }
      return;
    }
    case Pass::backward_input:
      if (c.options.sends_rows) gather_results(list, "un-permute gradient", rows, m.rows_a_token(), sent);
      latent_down(list, c);
      list.small("gate backward", grouped_gate(m) ? kGateBackwardKernels : kPlainGateBackwardKernels);
      list.add("router dgrad", Gemm{.m = rows, .n = hidden, .k = outputs}, 2 * bias, rows, {});
      list.add_rows("add dgrads", rows * hidden, m.shared_experts > 0 ? 3 : 2);  // through gate and experts
      list.recomputing = true;
      if (m.shared_experts == 0 && c.options.recompute.norms) list.norm("norm again", rows, hidden);
      list.recomputing = false;
      list.norm_backward("norm backward", rows, hidden);
      if (c.model.norms_branches())
        list.moved("norm of router backward", MemoryKind::norm_backward, 2 * rows * hidden, spec::Dtype::bf16,
                   rows * hidden, spec::Dtype::bf16);
      enter_half_backward(list, c);
      return;
    case Pass::weight_gradient:
      stream_weights(list, c);
      list.add("router wgrad", Gemm{.m = outputs, .n = hidden, .k = rows, .fp32_accumulate = true});
      latent_weights(list, c);
      return;
  }
}

void shared_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const Ffn f(c);
  const std::int64_t tokens = c.batch.tokens, rows = replicated_rows(c), hidden = c.model.hidden, w = f.width;
  const int inputs = f.moe ? c.model.expert_inputs() : 2;
  const std::int64_t u = inputs * w;  // columns into the activation
  const Recompute& again = c.options.recompute;
  const bool whole = whole_again(c.model, c.layer, LayerPart::shared, again);
  switch (pass) {
    case Pass::forward:
      if (!f.moe) {
        enter_half(list, c);
        list.norm("norm", rows, hidden);
        list.cast("cast", tokens * hidden);
      }
      if (f.branch) list.norm("norm of dense", rows, hidden);
      if (f.branch) list.cast("cast dense input", tokens * hidden);
      list.linear("gate-up", tokens, u, hidden);
      activate(list, "swiglu", inputs, tokens, w);
      list.linear("down", tokens, hidden, w);
      if (f.branch) list.norm("norm after dense", rows, hidden);
      if (f.moe && c.model.moe->shared_gate) gate_shared(list, tokens, hidden);
      if (f.moe && list.training() && list.casts_in_blocks()) list.cast("cast kept for backward", tokens * hidden);
      if (f.moe) return;
      if (c.model.norms_results()) list.norm("norm after", rows, hidden);
      leave_half(list, c);
      return;
    case Pass::backward_input:
      if (!f.moe) leave_half_backward(list, c);
      if (!f.moe && c.model.norms_results()) list.norm_backward("norm after backward", rows, hidden);
      if (f.moe && c.model.moe->shared_gate) gate_shared_backward(list, tokens, hidden);
      if (f.branch) list.norm_backward("norm after dense backward", rows, hidden);
      list.cast("cast gradient", tokens * hidden);
      if (list.fp8() && list.casts_in_blocks())
        list.moved("restore gate-up", MemoryKind::cast, tokens * u, list.linear_dtype(), tokens * u, spec::Dtype::bf16);
      list.transpose_scales("transpose scales", tokens * hidden);
      list.linear("down dgrad", tokens, w, hidden);
      list.recomputing = true;
      if (again.swiglu && !whole) activate(list, "swiglu again", inputs, tokens, w);
      list.recomputing = false;
      activate_backward(list, inputs, tokens, w);
      list.cast_transpose("cast for weights, down", tokens * (w + hidden));
      list.recomputing = true;
      if (again.norms) list.norm("norm again", rows, hidden);
      if (again.norms && f.moe) list.cast("cast again", tokens * hidden);
      list.recomputing = false;
      list.cast("cast gate-up gradient", tokens * u);
      list.linear("gate-up dgrad", tokens, hidden, u);
      list.cast_transpose("cast for weights, gate-up", tokens * (u + hidden));
      if (f.branch) list.norm_backward("norm of dense backward", rows, hidden);
      if (f.moe) return;
      list.norm_backward("norm backward", rows, hidden);
      enter_half_backward(list, c);
      return;
    case Pass::weight_gradient:
      if (!f.moe) stream_weights(list, c);
      list.weight("gate-up wgrad", tokens, u, hidden);
      list.weight("down wgrad", tokens, hidden, w);
      return;
  }
}

// The routed experts of one layer call, pass by pass.
struct ExpertCall {
  ExpertCall(OperationList& operations, const LayerCall& call) : list(operations), c(call) {}
  void forward() const;
  void backward_input() const;
  void weight_gradient() const;

 private:
  // One product an expert with rows; `added` values to each of its rows.
  void grouped(std::string_view name, std::int64_t n, std::int64_t k, bool gradient, double added) const {
    GroupedGemm g{.rows = c.rows, .dtype = dtype, .layout = c.options.layout, .scales = list.scales()};
    g.n = n, g.k = k, g.weight_gradient = gradient;
    g.weights = list.stored_dtype();
    if (!(gradient && list.frozen()))
      list.add(name, g, added, rows, {std::int64_t(2 * added) * group_rows(c.rows).used});
    list.adapt_groups(g);
  }
  void restore_order(std::string_view name) const {
    list.moved(name, MemoryKind::unpermute, rows * hidden, spec::Dtype::bf16, rows * hidden, spec::Dtype::bf16);
  }
  // Megatron-LM's TEGroupedMLP: Fp8Padding before the products, Fp8Unpadding after them, and the same of gradients.
  void pad(std::string_view name) const {
    if (c.options.pads_rows)
      list.moved(name, MemoryKind::copy, rows * hidden, spec::Dtype::bf16, rows * hidden, spec::Dtype::bf16);
  }

  OperationList& list;
  const LayerCall& c;
  const std::int64_t rows = group_rows(c.rows).rows, hidden = c.model.row_width();
  const int inputs = c.model.expert_inputs();
  const std::int64_t w = expert_columns(*c.model.moe, c.options), u = inputs * w;  // u: into the activation
  const spec::Dtype dtype = list.linear_dtype();
  const bool gathers = c.options.layout == GroupLayout::contiguous || c.options.local_rows || c.options.sends_rows;
  // What came in BF16 is cast for products in FP8 once it lies in their order; what nobody sent was cast before.
  const spec::Dtype brought = c.options.precision.dispatch.value_or(dtype);
  const bool casts = list.fp8() && brought == spec::Dtype::bf16;
  const double bias = c.model.moe->expert_bias ? 1 : 0;
};

void ExpertCall::forward() const {
  if (gathers) {
    if (list.training())
      list.small("count rows", kCountingKernels);
    else if (c.options.local_rows)
      list.small("sort rows", kSortingKernels);
    list.moved("permute", MemoryKind::permute, rows * hidden, brought, rows * hidden, brought);
  }
  pad("pad rows");
  if (casts) list.cast_rows("cast rows", c.rows, hidden);
  grouped("grouped gate-up", u, hidden, false, bias * double(u));
  activate_rows(list, "swiglu", inputs, c.rows, w);
  grouped("grouped down", hidden, w, false, bias * double(hidden));
  pad("remove padding");
  if (gathers) restore_order("un-permute");
  if (list.training() && list.casts_in_blocks()) list.cast("cast kept for backward", rows * hidden);
}

void ExpertCall::backward_input() const {
  list.moved("permute gradient", MemoryKind::permute, rows * hidden, brought, rows * hidden, brought);
  pad("pad gradient");
  if (casts) list.cast_rows("cast gradient of rows", c.rows, hidden);
  grouped("grouped down dgrad", w, hidden, false, bias * double(hidden));
  list.recomputing = true;
  if (c.options.recompute.swiglu && !c.options.recompute.experts)
    activate_rows(list, "swiglu again", inputs, c.rows, w);
  list.recomputing = false;
  activate_backward(list, inputs, rows, w);
  list.cast_transpose("cast activation for weights", rows * w);
  list.cast_rows("cast gate-up gradient", c.rows, u);
  grouped("grouped gate-up dgrad", hidden, u, false, bias * double(u));
  pad("remove padding of gradient");
  restore_order("un-permute gradient");
  list.cast_transpose("cast gradient for weights", rows * u);
}

void ExpertCall::weight_gradient() const {
  list.cast_transpose("cast input for weights", rows * hidden);
  list.cast_transpose("cast output gradient for weights", rows * hidden);
  grouped("grouped gate-up wgrad", u, hidden, true, bias * double(u));
  grouped("grouped down wgrad", hidden, w, true, bias * double(hidden));
}

void expert_operations(OperationList& list, const LayerCall& c, Pass pass) {
  if (group_rows(c.rows).rows == 0) return;
  const ExpertCall experts(list, c);
  switch (pass) {
    case Pass::forward:
      return experts.forward();
    case Pass::backward_input:
      return experts.backward_input();
    case Pass::weight_gradient:
      return experts.weight_gradient();
  }
}

// The sum over a token's experts is part of the combine exchange, unless that only brings rows back; here shared
// expert, routed sum and residual meet.
void merge_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const std::int64_t rows = replicated_rows(c), hidden = c.model.hidden, sent = c.model.row_width();
  if (pass == Pass::weight_gradient) return;
  const bool four = c.model.norms_results();
  const int top_k = c.model.moe->rows_a_token();
  if (pass == Pass::forward) {
    if (c.options.sends_rows) gather_results(list, "un-permute results", rows, top_k, sent);
    latent_up(list, c);
    if (c.bare) {
      if (c.model.moe->shared_experts > 0) list.add_rows("add shared", rows * hidden);
      return;
    }
    if (c.model.norms_branches()) list.norm("norm after experts", rows, hidden);
    if (four) list.norm("norm after", rows, hidden);
    leave_half(list, c, c.model.moe->shared_experts > 0 ? 3 : 2);
    return;
  }
  leave_half_backward(list, c);
  if (four) list.norm_backward("norm after backward", rows, hidden);
  if (c.model.norms_branches()) list.norm_backward("norm after experts backward", rows, hidden);
  latent_up(list, c);
  if (list.casts_in_blocks()) list.cast("cast gradient", rows * sent);
  if (c.options.sends_rows)
    send_permuted(list, "permute gradient to send", rows * top_k * sent, c.options.precision.dispatched());
}

}  // namespace moesim::compute
