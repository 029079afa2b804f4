// Hyper-connections (DeepSeek-V4): copies of the residual stream, which each half of a layer reads as one and writes
// back to all.  One product of all streams gives the weights of both: (2 + n) n numbers a token, 20 rounds of Sinkhorn
// normalisation on n x n of them.  As kernels: one in (statistics, product, normalisation, sum) and one out
// (SGLang's mhc_pre and mhc_post).
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {
namespace {
/// Numbers of one half's weights: of the product, and of what is no matrix.
struct HalfWeights {
  std::int64_t rows, columns, vectors;
  explicit HalfWeights(const spec::Model& m)
      : rows((2 + std::int64_t{m.residual_streams}) * m.residual_streams),
        columns(m.stream_width()),
        vectors(rows + 3) {}
  double matrix() const { return double(rows) * double(columns); }
};
/// The same of what joins the streams after the last layer.
HalfWeights last_weights(const spec::Model& m) {
  HalfWeights out(m);
  out.rows = m.residual_streams;
  out.vectors = out.rows + 1;
  return out;
}

StreamMix mix(const LayerCall& c, std::int64_t rows, bool out, bool backward = false) {
  return {rows, c.model.hidden, c.model.residual_streams, out, backward};
}
bool has_streams(const LayerCall& c) { return c.model.residual_streams > 1; }

void mix_in(OperationList& list, const LayerCall& c, std::int64_t rows, const HalfWeights& w) {
  const double parameters = w.matrix() + double(w.vectors);
  list.add("streams in", mix(c, rows, false), parameters, rows, {std::int64_t(2 * parameters)});
}
// The gradient through the product is a product; of what is no matrix, two steps.
void mix_in_backward(OperationList& list, const LayerCall& c, std::int64_t rows, const HalfWeights& w) {
  list.add("streams in backward", mix(c, rows, false, true), w.matrix() + 2 * double(w.vectors), rows, {});
}
void mix_gradient(OperationList& list, std::int64_t rows, const HalfWeights& w) {
  list.add("streams wgrad", Gemm{.m = w.rows, .n = w.columns, .k = rows, .fp32_accumulate = true});
}
}  // namespace

void enter_half(OperationList& list, const LayerCall& c) {
  attend_to_blocks(list, c);
  if (has_streams(c)) mix_in(list, c, replicated_rows(c), HalfWeights(c.model));
}
void leave_half(OperationList& list, const LayerCall& c, int inputs) {
  const std::int64_t rows = replicated_rows(c), elements = rows * c.model.hidden;
  if (!has_streams(c)) return list.add_rows("residual", elements, inputs);
  if (inputs > 2) list.add_rows("add shared", elements, inputs - 1);
  list.add("streams out", mix(c, rows, true));
}
void leave_half_backward(OperationList& list, const LayerCall& c) {
  if (has_streams(c)) list.add("streams out backward", mix(c, replicated_rows(c), true, true));
}
void enter_half_backward(OperationList& list, const LayerCall& c) {
  const std::int64_t rows = replicated_rows(c);
  attend_to_blocks_backward(list, c);
  if (!has_streams(c)) return list.add_rows("residual", rows * c.model.hidden);
  mix_in_backward(list, c, rows, HalfWeights(c.model));
  // The streams' gradients come from the mixing after the half, the sum and the product before it: added one by one.
  for (const char* of : {"add streams of sum", "add streams of product"})
    list.add_rows(of, rows * c.model.hidden * c.model.residual_streams);
}
void stream_weights(OperationList& list, const LayerCall& c) {
  if (has_streams(c)) mix_gradient(list, replicated_rows(c), HalfWeights(c.model));
}

void join_streams(OperationList& list, const LayerCall& c, std::int64_t rows) {
  if (has_streams(c)) mix_in(list, c, rows, last_weights(c.model));
}
void join_streams_backward(OperationList& list, const LayerCall& c, std::int64_t rows) {
  if (has_streams(c)) mix_in_backward(list, c, rows, last_weights(c.model));
}
void join_stream_weights(OperationList& list, const LayerCall& c, std::int64_t rows) {
  if (has_streams(c)) mix_gradient(list, rows, last_weights(c.model));
}
}  // namespace moesim::compute
